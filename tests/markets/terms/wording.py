"""Events with rules texts that are read: a daily temperature, a price range, a game. Tests change one thing in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import combinations

from markets.terms.exhaustiveness import ReviewedSeries
from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.rules_file import strike_words


def stated(review: ReviewedSeries) -> ReviewedSeries:
    """The review with the statement that every two of its names are two things, which only the tests of that statement leave out."""
    return replace(review, different=frozenset(map(frozenset, combinations(review.outcomes, 2))))


WEATHER_SERIES = "KXHIGHNY"
WEATHER_RULE = (
    "If the highest temperature recorded in Central Park, New York for July 16, 2026 as reported by the National Weather "
    "Service's Climatological Report (Daily), is {}, then the market resolves to Yes."
)
WEATHER_NOTE = (
    "Not all weather data is the same. Preliminary NWS reporting and measurement methods may be subject to underlying rounding and "
    "conversion nuances. Traders should exercise caution when interpreting preliminary NWS data."
)
PRICE_SERIES = "KXBTC"
PRICE_RULE = (
    "If the simple average of the sixty seconds of CF Benchmarks' Bitcoin Real-Time Index (BRTI) before 5 PM EDT is {} at 5 PM EDT "
    "on Jul 17, 2026, then the market resolves to Yes."
)
PRICE_NOTE = (
    "Not all cryptocurrency price data is the same. The official and final value is the average of these prices."
)
GAME = (
    "Alphas vs Betas professional MLS soccer game originally scheduled for Jul 9, 2026 after 90 minutes plus stoppage time "
    "(does not include extra time or penalties)"
)
GAME_RULE = f"If {{}} wins the {GAME}, then the market resolves to Yes."
TIE_RULE = f"If Tie is the result of the {GAME}, then the market resolves to Yes."
GAME_NOTE = (
    f'The following market refers to the {GAME}. If the game ends in a tie, the market called "Tie" resolves to Yes.'
)
MATCH = "Alphas vs Betas professional baseball game originally scheduled for Jul 9, 2026 at 7:05 PM EDT"
MATCH_RULE = f"If {{}} wins the {MATCH}, then the market resolves to Yes."
MATCH_NOTE = f"The following market refers to the {MATCH}."
CANCELLED = (
    "If the game is cancelled or rescheduled to over two weeks away, the market will resolve to a fair price "
    "in accordance with the rules."
)
TIE_SPLITS = "If the game ends in a tie, the markets will resolve to 50/50."


def event(
    series: str,
    *markets: MarketFacts,
    exclusive: bool = True,
    collateral: str = "MECNET",
    title: str = "",
) -> EventFacts:
    return EventFacts(f"{series}-1", series, exclusive, collateral, markets, title)


def strike(
    series: str, kind: str, floor: float | str | None = None, cap: float | str | None = None, name: str = ""
) -> MarketFacts:
    low, high = (None if bound is None else Decimal(str(bound)) for bound in (floor, cap))
    return MarketFacts(f"{series}-1-{kind}{low}{high}", "active", kind, low, high, name)


def worded(markets: Sequence[MarketFacts], rule: str, note: str, unit: str = "") -> list[MarketFacts]:
    """Markets with the texts that their strikes ask for."""
    return [replace(m, rules_primary=rule.format(strike_words(m, unit)), rules_secondary=note) for m in markets]


def temperature(series: str = WEATHER_SERIES, rule: str = WEATHER_RULE, note: str = WEATHER_NOTE) -> EventFacts:
    """Four outcomes that tile the whole degrees."""
    return event(
        series,
        *worded(
            [
                strike(series, "less", cap=84, name="83° or below"),
                strike(series, "between", 84, 85, "84° to 85°"),
                strike(series, "between", 86, 87, "86° to 87°"),
                strike(series, "greater", floor=87, name="88° or above"),
            ],
            rule,
            note,
            "°",
        ),
    )


def price_range(rule: str = PRICE_RULE, note: str = PRICE_NOTE) -> EventFacts:
    """Four ranges of a coin's price in cents."""
    return event(
        PRICE_SERIES,
        *worded(
            [
                strike(PRICE_SERIES, "less", cap=54200, name="$54,199.99 or below"),
                strike(PRICE_SERIES, "between", 54200, "54299.99", "$54,200 to 54,299.99"),
                strike(PRICE_SERIES, "between", 54300, "54399.99", "$54,300 to 54,399.99"),
                strike(PRICE_SERIES, "greater", floor="54399.99", name="$54,400 or above"),
            ],
            rule,
            note,
        ),
    )


def named(series: str, rules: dict[str, str], note: str) -> EventFacts:
    """Outcomes by name, each with its primary rule."""
    return event(
        series,
        *(
            MarketFacts(
                f"{series}-1-{i}",
                yes_sub_title=name,
                strike_type="structured",
                rules_primary=rule,
                rules_secondary=note,
            )
            for i, (name, rule) in enumerate(rules.items())
        ),
    )


def soccer(note: str = GAME_NOTE) -> EventFacts:
    """Two sides and the tie."""
    rules = {"Alphas": GAME_RULE.format("Alphas"), "Betas": GAME_RULE.format("Betas"), "Tie": TIE_RULE}
    return named("KXMLSGAME", rules, note)


def baseball(note: str = MATCH_NOTE) -> EventFacts:
    """Two sides, no market for a tie."""
    return named("KXMLBGAME", {side: MATCH_RULE.format(side) for side in ("Alphas", "Betas")}, note)


def listed(names: Sequence[str], rule: str, note: str, series: str = "KXNAMED") -> EventFacts:
    """A list of names under one rule with ``{}`` for the name."""
    return named(series, {name: rule.format(name) for name in names}, note)


def changed(facts: EventFacts, change: Callable[[MarketFacts], MarketFacts], at: int | None = None) -> EventFacts:
    """The event with one market (``at``) or all of them changed."""
    markets = [change(m) if at is None or i == at else m for i, m in enumerate(facts.markets)]
    return replace(facts, markets=tuple(markets))


def primary(facts: EventFacts, old: str, new: str, at: int | None = None) -> EventFacts:
    """Other words in the primary rules."""
    assert any(old in m.rules_primary for m in facts.markets)
    return changed(facts, lambda m: replace(m, rules_primary=m.rules_primary.replace(old, new)), at)


def secondary(facts: EventFacts, more: str, at: int | None = None) -> EventFacts:
    """A sentence more in the secondary rules."""
    return changed(facts, lambda m: replace(m, rules_secondary=f"{m.rules_secondary} {more}"), at)
