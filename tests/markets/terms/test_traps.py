"""Traps: events whose wording lets them settle in a way that a quick reader misses. Each is refused, or its state list knows that way.

``Truth`` is what may really happen: rows of what each market's YES may be worth, in dollars. A certificate is false if any basket is
promised more than one of those rows pays.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from kalbot.common.units import CONTRACT
from markets.book import Side
from markets.terms.exhaustiveness import Certificate, ReviewedSeries, ReviewShape, certify
from markets.terms.facts import EventFacts
from markets.terms.states import Holding, floor
from tests.markets.terms.wording import (
    CANCELLED,
    GAME,
    GAME_NOTE,
    GAME_RULE,
    TIE_RULE,
    WEATHER_RULE,
    baseball,
    changed,
    event,
    listed,
    named,
    price_range,
    primary,
    secondary,
    soccer,
    stated,
    strike,
    temperature,
    worded,
)

Truth = Sequence[Sequence[float]]
NOBODY4, EVERYBODY4 = [(0.0,) * 4], [(1.0,) * 4]
ANY4 = [(0.0,) * 4, (1.0,) * 4, (0.3, 0.1, 0.1, 0.1)]
NOBODY3, ANY3 = [(0.0,) * 3], [(0.0,) * 3, (0.9, 0.9, 0.9), (0.1, 0.1, 0.1)]
HALVES3 = [(0.5, 0.5, 0.5)]
TWO_WIN3 = [(1.0, 1.0, 0.0)]
TEST_MATCH = "Alphas vs Betas Test match originally scheduled for Jul 9, 2026"
NOTE = "This market is mutually exclusive."
NOMINEES = ("Quill", "Rook", "Sparrow")
NOMINATED = "If {} is nominated by the Harbour Party, then the market resolves to Yes."
BALLOT = ReviewedSeries(
    "KXNAMED",
    ReviewShape.EXHAUSTIVE,
    "a reviewer",
    "The list is complete.",
    frozenset(name.lower() for name in NOMINEES),
    "If {outcome} is nominated by the Harbour Party, then the market resolves to Yes.",
)

Trap = tuple[EventFacts, Truth] | tuple[EventFacts, Truth, ReviewedSeries]


def nominees(note: str = NOTE, rule: str = NOMINATED, names: Sequence[str] = NOMINEES) -> EventFacts:
    return listed(names, rule, note)


def tenths() -> EventFacts:
    return event(
        "KXSNOW",
        *worded(
            [
                strike("KXSNOW", "less", cap=2, name="1 or below"),
                strike("KXSNOW", "between", 2, 3, "2 to 3"),
                strike("KXSNOW", "greater", floor=3, name="4 or above"),
            ],
            "If the snowfall recorded in Denver, CO for July 16, 2026 as reported by the National Weather Service's Climatological Report "
            "(Daily), is {}, then the market resolves to Yes.",
            "Snowfall is measured in tenths of an inch.",
        ),
    )


def gas() -> EventFacts:
    return event(
        "KXGAS",
        *worded(
            [
                strike("KXGAS", "less", cap="3.24"),
                strike("KXGAS", "between", "3.24", "3.24"),
                strike("KXGAS", "greater", floor="3.24"),
            ],
            "If the average gas price published by AAA for July 16, 2026 is {}, then the market resolves to Yes.",
            "AAA publishes three decimals.",
        ),
    )


def overlapping() -> EventFacts:
    """Two ranges that share a degree."""
    wide = [replace(m, cap_strike=Decimal(86)) if m.cap_strike == 85 else m for m in temperature().markets]
    bare = [replace(m, yes_sub_title="") for m in wide]
    return event("KXHIGHNY", *worded(bare, WEATHER_RULE, NOTE, "°"))


def before(*months: str) -> EventFacts:
    return named(
        "KXWHEN", {f"Before {m}": f"If it happens before {m}, then the market resolves to Yes." for m in months}, NOTE
    )


LAUNCH = "If it launches {}, then the market resolves to Yes."


def launch(*names: str, rule: str = LAUNCH) -> tuple[EventFacts, Truth, ReviewedSeries]:
    """A reviewed list whose first two names may both be right."""
    review = replace(BALLOT, outcomes=frozenset(n.lower() for n in names), rule=rule.replace("{}", "{outcome}"))
    return listed(names, rule, NOTE), TWO_WIN3, review


def twins(other: str) -> EventFacts:
    """A game of a side with itself, written in two ways."""
    facts = changed(soccer(), lambda m: replace(m, yes_sub_title=m.yes_sub_title.replace("Betas", other)))
    facts = primary(facts, "Betas", other)
    return changed(facts, lambda m: replace(m, rules_secondary=m.rules_secondary.replace("Betas", other)))


def after_one(facts: EventFacts, more: str) -> EventFacts:
    """A sentence more after the condition of the second outcome."""
    return changed(facts, lambda m: replace(m, rules_primary=f"{m.rules_primary} {more}"), 1)


LOCATING = (
    'Data for CLI{} can be found by clicking the following URL: {}, navigating to the "Observed Weather" tab, and choosing the location '
    '"{}" with Daily Climate Report selected.'
)
SERVICE = "https://www.weather.gov/wrh/climate?wfo=okx"
CITY, LOGAN = LOCATING.format("NYC", SERVICE, "Central Park NY"), "Boston (Logan Airport), MA"
OFFICIAL = (
    "While checking a source like AccuWeather or Google Weather may help guide your decision, the official and final value used to "
    "determine this market is the {} temperature as reported by the corresponding NWS Climatological Report (Daily) linked in the rules "
    "above."
)
RELEASE = "Expiration will occur on the sooner of the first 10:00 AM ET following the release of the data for {0}, or one week after {0}."
DRAW = 'If the match ends in a draw, the market called "Draw" resolves to Yes.'
OTHER_RULE = "If any other person is nominated by the Harbour Party in 2026, then the market resolves to Yes."

TRAPS: dict[str, Trap] = {
    "each of the tied nominees": (nominees("Each of the tied nominees will resolve to Yes."), TWO_WIN3, BALLOT),
    "fifty fifty with three legs": (nominees("All markets will resolve to 50/50."), HALVES3, BALLOT),
    "fifty fifty in a tie of three": (
        secondary(nominees(), "If the game ends in a tie, the markets will resolve to 50/50."),
        HALVES3,
        BALLOT,
    ),
    "another person, this year only": (
        named("KXNAMED", {n: NOMINATED.format(n) for n in NOMINEES[:2]} | {"Other": OTHER_RULE}, NOTE),
        NOBODY3,
        replace(BALLOT, outcomes=frozenset({"quill", "rook", "other"})),
    ),
    "on or prior to": (nominees(rule=NOMINATED.replace(", then", " on or prior to May 1, then")), NOBODY3, BALLOT),
    "on the first ballot, the rest open": (
        named(
            "KXNAMED",
            {
                n: f"If {n} is nominated by the Harbour Party on the first ballot, then the market resolves to Yes."
                for n in NOMINEES[:2]
            }
            | {"Sparrow": NOMINATED.format("Sparrow")},
            NOTE,
        ),
        NOBODY3,
        BALLOT,
    ),
    "neither releases figures": (
        secondary(nominees(), "If neither Quill nor Rook releases figures, no one is credited."),
        NOBODY3,
        BALLOT,
    ),
    "up, down, unchanged by more than a percent": (
        named(
            "KXMOVE",
            {
                "Up": "If the index rises more than 1 %, then the market resolves to Yes.",
                "Down": "If the index falls more than 1 %, then the market resolves to Yes.",
                "Unchanged": "If the index is unchanged, then the market resolves to Yes.",
            },
            NOTE,
        ),
        NOBODY3,
    ),
    "win or win by KO, or a tie": (
        named(
            "KXFIGHT",
            {s: GAME_RULE.format(s).replace("wins the", "wins by KO the") for s in ("Alphas", "Betas")}
            | {"Tie": TIE_RULE},
            GAME_NOTE,
        ),
        NOBODY3,
    ),
    "win without conceding a goal": (
        named(
            "KXMLSGAME",
            {s: GAME_RULE.format(s).replace(", then", " without conceding a goal, then") for s in ("Alphas", "Betas")}
            | {"Tie": TIE_RULE.replace(", then", " without conceding a goal, then")},
            GAME_NOTE,
        ),
        NOBODY3,
    ),
    "a tie at nil": (primary(soccer(), "If Tie is the result", "If 0-0 is the result", 2), NOBODY3),
    "a Test match may be drawn, a tie is another thing": (
        named(
            "KXCRICKET",
            {
                "Alphas": f"If Alphas wins the {TEST_MATCH}, then the market resolves to Yes.",
                "Betas": f"If Betas wins the {TEST_MATCH}, then the market resolves to Yes.",
                "Tie": f"If Tie is the result of the {TEST_MATCH}, then the market resolves to Yes.",
            },
            f"The following market refers to the {TEST_MATCH}.",
        ),
        NOBODY3,
    ),
    "a win after extra time beside a tie after ninety minutes": (
        primary(soccer(), " after 90 minutes plus stoppage time (does not include extra time or penalties)", "", 0),
        [(1.0, 0.0, 1.0)],
    ),
    "one leg about another city": (primary(temperature(), "Central Park, New York", "Boston", 1), NOBODY4 + EVERYBODY4),
    "one leg about another day": (primary(temperature(), "July 16", "July 17", 2), NOBODY4),
    "high and low mixed": (primary(temperature(), "highest", "lowest", 3), [*NOBODY4, (1, 0, 0, 1)]),
    "one leg by another source": (
        primary(temperature(), "National Weather Service's Climatological Report (Daily)", "Weather Underground", 0),
        NOBODY4,
    ),
    "a source that is not the one of the series": (
        primary(temperature(), "National Weather Service's Climatological Report (Daily)", "The Weather Company"),
        NOBODY4,
    ),
    "gas to three decimals": (gas(), NOBODY3),
    "snowfall in tenths": (tenths(), NOBODY3),
    "a monthly average of whole degrees": (
        primary(temperature(), "the highest temperature", "the average monthly temperature"),
        NOBODY4,
    ),
    "full precision": (
        secondary(temperature(), "Values are taken at the full precision reported by the source agency."),
        NOBODY4,
    ),
    "a condition on the side": (
        primary(temperature(), "is greater than 87°", "is greater than 87° and it does not rain"),
        NOBODY4,
    ),
    "a condition on the side in every leg": (
        primary(temperature(), ", then the market", " and no storm is named, then the market"),
        NOBODY4,
    ),
    "an upper end with an end": (
        primary(temperature(), "greater than 87°", "greater than 87° but not above 110°", 3),
        NOBODY4,
    ),
    "at least where the strike says more than": (
        primary(temperature(), "greater than 87°", "at least 87°", 3),
        [(0, 0, 1, 1)],
    ),
    "between without its ends": (primary(temperature(), "between 84-85°", "between 84-85° exclusive", 1), NOBODY4),
    "two strikes in one rule": (
        primary(temperature(), "is less than 84°", "is less than 84° or greater than 90°", 0),
        [(1, 0, 0, 1)],
    ),
    "expires worthless": (secondary(temperature(), "Without a report, all contracts expire worthless."), NOBODY4),
    "paid out as No": (
        secondary(temperature(), "Should the agency stay silent, every strike is paid out as No."),
        NOBODY4,
    ),
    "none of these will resolve to Yes": (
        secondary(soccer(), "If the game is abandoned, none of these markets will resolve to Yes."),
        NOBODY3,
    ),
    "settles at its last trade price": (secondary(soccer(), "A replayed game settles at its last trade price."), ANY3),
    "sole discretion": (secondary(temperature(), "Kalshi may in its sole discretion settle at any value."), ANY4),
    "a tie split and a cancellation in one sentence": (
        secondary(
            baseball(),
            "If the game ends in a tie the markets will resolve to 50/50, and if it is cancelled to a fair price.",
        ),
        [(0.5, 0.5), (0.2, 0.2), (0.9, 0.9)],
    ),
    "a review in which one name became another": (nominees(names=("Quill", "Rook", "Zephyr")), NOBODY3, BALLOT),
    "a name that contains another": (
        nominees(names=("Quill", "Quill Junior", "Rook")),
        TWO_WIN3,
        replace(BALLOT, outcomes=frozenset({"quill", "quill junior", "rook"})),
    ),
    "before one month, before another": (before("Jul", "Aug"), [(1.0, 1.0), (0.0, 0.0)]),
    "ranges that overlap": (overlapping(), [(0, 1, 1, 0)]),
    "a reading that is missing": (temperature(note=" "), NOBODY4),
    "no rules at all": (changed(temperature(), lambda m: replace(m, rules_primary="", rules_secondary="")), ANY4),
    "the fourth leg's secondary rules differ": (
        secondary(temperature(), "Traders should exercise caution.", 3),
        NOBODY4,
    ),
    "flagged exclusive, netted one by one": (replace(temperature(), collateral_return_type="DIRECNET"), EVERYBODY4),
    "netted, not flagged": (replace(temperature(), mutually_exclusive=False), EVERYBODY4),
    "a coin without data": (price_range(), NOBODY4),
    "a coin between two cents": (price_range(), NOBODY4),
    "a name that is another range": (
        changed(temperature(), lambda m: replace(m, yes_sub_title="81° to 82°"), 1),
        NOBODY4,
    ),
    "a name in half degrees": (
        changed(temperature(), lambda m: replace(m, yes_sub_title="83.9° or below"), 0),
        NOBODY4,
    ),
    "a hole of two degrees": (
        replace(temperature(), markets=temperature().markets[:1] + temperature().markets[2:]),
        NOBODY3,
    ),
    "without the upper end": (replace(temperature(), markets=temperature().markets[:3]), NOBODY3),
    "a leg that settled early": (
        changed(temperature(), lambda m: replace(m, status="finalized", result="no"), 0),
        ANY4,
    ),
    "a leg that is absent": (changed(temperature(), lambda m: replace(m, status="absent"), 1), NOBODY4),
    "a scalar market": (changed(temperature(), lambda m: replace(m, market_type="scalar"), 1), ANY4),
    "a void in every wording of the exchange": (secondary(soccer(), CANCELLED), ANY3),
    "a text in letters of another alphabet": (primary(temperature(), "resolves to Yes", "resolves to Yеs"), NOBODY4),
    "a hidden character": (primary(temperature(), "highest", "high\u200best"), NOBODY4),
    "another game in one leg": (primary(soccer(), GAME, GAME.replace("Jul 9", "Jul 10"), 1), [(1, 1, 0), (0, 0, 0)]),
    "the tie of another game": (primary(soccer(), GAME, GAME.replace("Jul 9", "Jul 10"), 2), NOBODY3),
    "another station after the condition of one leg": (
        after_one(temperature(), LOCATING.format("BOS", SERVICE, LOGAN)),
        [*NOBODY4, (1, 1, 0, 0)],
    ),
    "another station after the right one": (
        secondary(secondary(temperature(), CITY), LOCATING.format("BOS", SERVICE, LOGAN)),
        NOBODY4,
    ),
    "another location for the station": (secondary(temperature(), LOCATING.format("NYC", SERVICE, LOGAN)), NOBODY4),
    "a clause where the location stands": (
        secondary(temperature(), LOCATING.format("NYC", SERVICE, "Central Park NY (tenths count, gaps pay nobody)")),
        NOBODY4,
    ),
    "a private service's address": (
        secondary(temperature(), LOCATING.format("NYC", "https://tenths.example/feed", "Central Park NY")),
        NOBODY4,
    ),
    "the lowest is official in one leg": (
        after_one(temperature(), OFFICIAL.format("lowest")),
        [*NOBODY4, (1, 1, 0, 0)],
    ),
    "the lowest is official beside a rule about the highest": (
        secondary(temperature(), OFFICIAL.format("lowest")),
        NOBODY4,
    ),
    "determined by the data of another day": (secondary(temperature(), RELEASE.format("July 9, 2026")), NOBODY4),
    "a place that is not known": (
        temperature("KXHIGHOSLO", WEATHER_RULE.replace("Central Park, New York", "Oslo, To Tenths")),
        NOBODY4,
    ),
    "percent for degrees in one leg": (primary(temperature(), "84-85°", "84-85%", 1), NOBODY4),
    "strikes of forty digits": (
        changed(
            primary(temperature(), "than 87°", f"than 1{'0' * 40}°", 3),
            lambda m: replace(m, floor_strike=Decimal(10) ** 40, yes_sub_title=""),
            3,
        ),
        NOBODY4,
    ),
    "a market for the tie and a split in the tie": (
        secondary(soccer(), "If the game ends in a tie, the market will resolve to $0.50 for each team."),
        [(0.5, 0.5, 1.0)],
    ),
    "three of four share by halves": (
        secondary(nominees(names=(*NOMINEES, "Teal")), "If the game ends in a tie, the markets will resolve to 50/50."),
        [(0.5, 0.5, 0.5, 0.0)],
        replace(BALLOT, outcomes=BALLOT.outcomes | {"teal"}),
    ),
    "a draw that is not listed": (secondary(nominees(), DRAW), NOBODY3, BALLOT),
    "a draw that is not listed, of a temperature": (secondary(temperature(), DRAW), NOBODY4),
    "a draw that is not listed, in one leg": (after_one(nominees(), DRAW), NOBODY3, BALLOT),
    "one side in two alphabets": (twins("\u0410lphas"), [(1.0, 1.0, 0.0)]),
    "one side with a hidden space": (twins("Alphas\u200b"), [(1.0, 1.0, 0.0)]),
    "one name, composed or not": launch("Andr\u00e9", "Andre\u0301", "Rook"),
    "one name with an accent and without": launch("Andr\u00e9", "Andre", "Rook"),
    "before two months": launch("before July", "before August", "never"),
    "by two days": launch("by Jul 1, 2026", "by Aug 1, 2026", "not at all"),
    "by two days, the word in the rule": launch(
        "Jul 1, 2026", "Aug 1, 2026", "2027 or later", rule=LAUNCH.replace("{}", "by {}")
    ),
    "within two spans": launch("within 30 days", "within 60 days", "later"),
    "two months or later": launch("in July or later", "in August or later", "earlier"),
    "at least two counts": launch("at least 3", "at least 5", "fewer than 3", rule=LAUNCH.replace("launches", "sells")),
    "two counts or more, the words in the rule": launch(
        "3", "5", "none", rule=LAUNCH.replace("{}", "{} or more times")
    ),
    "top two ranks": launch("top 3", "top 5", "outside", rule=LAUNCH.replace("launches", "ends")),
    "ranges of names that share an end": launch("3 to 5", "5 to 7", "another number"),
    "both legs for the same side": (
        named(
            "KXMLBGAME",
            {"Alphas": baseball().markets[0].rules_primary, "ALPHAS": baseball().markets[0].rules_primary},
            NOTE,
        ),
        [(1.0, 1.0), (0.0, 0.0)],
    ),
}


def promised(found: Certificate, legs: Sequence[Holding]) -> float:
    return floor(legs, found.states) / (CONTRACT * 10_000)


def baskets(tickers: Sequence[str], dice: random.Random) -> list[list[Holding]]:
    """YES on all, NO on all, and some of either with counts of their own."""
    chosen: list[list[Holding]] = [[(t, side, int(CONTRACT)) for t in tickers] for side in Side]
    for _ in range(20):
        legs: list[Holding] = [(t, dice.choice(list(Side)), dice.randint(1, 300)) for t in tickers]
        chosen.append(dice.sample(legs, dice.randint(1, len(legs))))
    return chosen


def paid(legs: Sequence[Holding], tickers: Sequence[str], values: Sequence[float]) -> float:
    worth = dict(zip(tickers, values, strict=True))
    return sum(count * (worth[t] if side is Side.YES else 1 - worth[t]) for t, side, count in legs) / CONTRACT


def assert_no_false_promise(facts: EventFacts, truth: Truth, found: Certificate, dice: random.Random) -> None:
    tickers = [m.ticker for m in facts.markets]
    for legs in baskets(tickers, dice):
        least = min(paid(legs, tickers, values) for values in truth)
        assert promised(found, legs) <= least + 1e-9, (found, legs)


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
def test_no_trap_is_promised_more_than_it_may_pay(trap: Trap) -> None:
    facts, truth = trap[:2]
    found = certify(facts, stated(trap[2]) if len(trap) == 3 else None)
    if isinstance(found, Certificate):
        assert_no_false_promise(facts, truth, found, random.Random(1))
    else:
        assert found.code
        assert found.sentence


@pytest.mark.parametrize("facts", [temperature(), soccer(), baseball()], ids=["temperature", "soccer", "baseball"])
def test_the_events_that_the_traps_were_made_of_are_sound(facts: EventFacts) -> None:
    assert isinstance(certify(facts), Certificate)


def test_sentences_about_the_same_station_extreme_and_day_lose_nothing() -> None:
    for more in (CITY, OFFICIAL.format("highest"), OFFICIAL.format("maximum/minimum"), RELEASE.format("Jul 16, 2026")):
        found = certify(secondary(temperature(), more))
        assert isinstance(found, Certificate), found.sentence
        assert found.one_must_win


@pytest.mark.parametrize(
    "names",
    [
        ("before July", "in July or later"),
        ("below 3", "3 to 5", "above 5"),
        ("Jos\u00e9", "Zo\u00eb", "Rook"),
        ("by Quill", "by Rook"),
    ],
    ids=str,
)
def test_reviewed_names_that_do_not_nest_lose_nothing(names: tuple[str, ...]) -> None:
    facts, _, review = launch(*names)
    assert isinstance(certify(facts, stated(review)), Certificate)


def test_words_elsewhere_in_the_rule_do_not_make_a_name_a_threshold() -> None:
    facts, _, review = launch(
        "Quill", "Rook", rule="If before May 1, 2026, {} leads after 90 minutes, then the market resolves to Yes."
    )
    assert isinstance(certify(facts, stated(review)), Certificate)


def test_the_reviewed_list_that_the_traps_were_made_of_is_sound() -> None:
    found = certify(nominees(), stated(BALLOT))
    assert isinstance(found, Certificate)
    assert found.one_must_win
