"""Events as the exchange sends them, in JSON, and what the product makes of them: certificate, basket, grade."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from kalbot.common.units import CONTRACT, Money
from markets.book import Depth, Side
from markets.catalogue.rows import event_row, market_row
from markets.kalshi.schemas.pages import parse_event_page
from markets.terms.catalogue_facts import build_facts
from markets.terms.exhaustiveness import Certificate, Refusal, ReviewedSeries, ReviewShape, certify
from markets.terms.grades import Grade
from markets.terms.registry.entry import NoDataRule, RegisteredTerms
from markets.terms.states import Holding
from strategies.catalogue.recorded import DEFAULT_FEE
from strategies.catalogue.universe import view_of
from strategies.cycle.evaluation import basket_grade, evaluate
from strategies.dutch.basket import Basket, Found, Kind, Limits

Wire = dict[str, Any]
World = tuple[float, ...]
"""What YES of each market is worth in the end, in dollars."""

CENTS: Final = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
APPROVED: Final = RegisteredTerms(
    "https://terms.example/document.pdf",
    "ab" * 32,
    True,
    NoDataRule.LAST_VALUE,
    "approved",
    common_determination="One published value settles every market.",
)


@dataclass(frozen=True)
class Base:
    """A sound event and what is known of its series beside what the exchange sends."""

    wire: Wire
    review: ReviewedSeries | None = None
    terms: RegisteredTerms | None = APPROVED
    worlds: tuple[World, ...] = field(default=())

    def changed(self, change: Callable[[Wire], None]) -> Base:
        """Another event: the same but for one change."""
        wire = deepcopy(self.wire)
        change(wire)
        return Base(wire, self.review, self.terms, self.worlds)


def market(event: str, tail: str, name: str, rule: str, note: str, **more: Any) -> Wire:
    return {
        "ticker": f"{event}-{tail}",
        "event_ticker": event,
        "market_type": "binary",
        "status": "active",
        "title": "",
        "yes_sub_title": name,
        "no_sub_title": name,
        "open_time": "2026-07-15T14:00:00Z",
        "close_time": "2026-07-17T04:59:00Z",
        "expected_expiration_time": "2026-07-17T14:00:00Z",
        "latest_expiration_time": "2026-07-23T14:00:00Z",
        "settlement_timer_seconds": 3600,
        "can_close_early": True,
        "notional_value_dollars": "1.0000",
        "settlement_bounds_type": "default",
        "result": "",
        "rules_primary": rule,
        "rules_secondary": note,
        "price_level_structure": "linear_cent",
        "price_ranges": CENTS,
        "exchange_index": 0,
        **more,
    }


def event(ticker: str, series: str, title: str, markets: list[Wire], **more: Any) -> Wire:
    return {
        "event_ticker": ticker,
        "series_ticker": series,
        "mutually_exclusive": True,
        "collateral_return_type": "MECNET",
        "title": title,
        "sub_title": "",
        "category": "",
        "exchange_index": 0,
        "markets": markets,
        **more,
    }


HIGH: Final = (
    "If the highest temperature recorded at Chicago Midway, IL for Jul 16, 2026, is {} according to the National Weather Service's "
    "Climatological Report (Daily), then the market resolves to Yes."
)
HIGH_NOTE: Final = (
    "Not all weather data is the same. Preliminary reports are subject to rounding and conversion. Traders should exercise caution when "
    "interpreting preliminary NWS data."
)


def chicago() -> Base:
    at = "KXHIGHCHI-26JUL16"
    rows = [
        ("T90", "89° or below", "less than 90°", {"strike_type": "less", "cap_strike": 90}),
        ("B90.5", "90° to 91°", "between 90-91°", {"strike_type": "between", "floor_strike": 90, "cap_strike": 91}),
        ("B92.5", "92° to 93°", "between 92-93°", {"strike_type": "between", "floor_strike": 92, "cap_strike": 93}),
        ("T93", "94° or above", "greater than 93°", {"strike_type": "greater", "floor_strike": 93}),
    ]
    source = {
        "name": "NWS Climatological Report Chicago Midway",
        "url": "https://forecast.weather.gov/product.php?site=LOT&product=CLI&issuedby=MDW",
    }
    markets = [market(at, tail, name, HIGH.format(words), HIGH_NOTE, **more) for tail, name, words, more in rows]
    return Base(
        event(
            at,
            "KXHIGHCHI",
            "Highest temperature in Chicago on Jul 16, 2026?",
            markets,
            sub_title="On Jul 16, 2026",
            strike_date="2026-07-17T04:59:00Z",
            settlement_sources=[source],
        ),
        worlds=winners(4),
    )


ETHER: Final = (
    "If the simple average of the sixty seconds of CF Benchmarks' Ethereum Real-Time Index (ERTI) before 5 PM EDT is {} at 5 PM EDT on "
    "Jul 17, 2026, then the market resolves to Yes."
)


def ether() -> Base:
    at = "KXETH-26JUL1717"
    rows = [
        ("T2000", "$1,999.99 or below", "below $2,000", {"strike_type": "less", "cap_strike": 2000}),
        (
            "B2020",
            "$2,000 to 2,039.99",
            "between $2,000-2,039.99",
            {"strike_type": "between", "floor_strike": 2000, "cap_strike": 2039.99},
        ),
        ("T2040", "$2,040 or above", "above $2,039.99", {"strike_type": "greater", "floor_strike": 2039.99}),
    ]
    note = "Not all cryptocurrency price data is the same. The official and final value is the average of these prices."
    markets = [market(at, tail, name, ETHER.format(words), note, **more) for tail, name, words, more in rows]
    wire = event(at, "KXETH", "Ethereum price range on Jul 17, 2026?", markets)
    return Base(wire, worlds=(*winners(3), (0, 0, 0)))


DERBY: Final = "Herons vs Magpies professional AFL game originally scheduled for Jul 10, 2026"
TEAMS: Final = frozenset({"herons", "magpies"})


def derby() -> Base:
    at, teams = "KXAFLGAME-26JUL10HERMAG", ("Herons", "Magpies")
    note = f"The following market refers to the {DERBY}. If the game ends in a tie, the markets will resolve to 50/50."
    markets = [
        market(
            at,
            team[:3].upper(),
            team,
            f"If {team} wins the {DERBY}, then the market resolves to Yes.",
            note,
            title="Herons vs Magpies winner?",
            strike_type="structured",
            custom_strike={"afl_team": f"18d85d5d-1074-4cf1-9686-1e8792c7704{i}"},
            early_close_condition="This market will close and expire after a winner is declared.",
        )
        for i, team in enumerate(teams)
    ]
    wire = event(
        at,
        "KXAFLGAME",
        "Herons vs Magpies",
        markets,
        sub_title="Herons vs Magpies (Jul 10)",
        product_metadata={"competition": "AFL", "competition_scope": "Game"},
    )
    review = ReviewedSeries("KXAFLGAME", ReviewShape.TWO_WAY, "a reviewer", "Two sides play.", TEAMS)
    return Base(wire, review, worlds=((1, 0), (0, 1), (0.5, 0.5)))


CUP: Final = (
    "Lagoon vs Harbor professional MLS soccer game originally scheduled for Jul 11, 2026 after 90 minutes plus stoppage time (does not "
    "include extra time or penalties)"
)


def cup() -> Base:
    at = "KXMLSGAME-26JUL11LAGHAR"
    rules = {
        "Lagoon": f"If Lagoon wins the {CUP}, then the market resolves to Yes.",
        "Harbor": f"If Harbor wins the {CUP}, then the market resolves to Yes.",
        "Tie": f"If Tie is the result of the {CUP}, then the market resolves to Yes.",
    }
    note = (
        f'The following market refers to the {CUP}. If the game ends in a tie, the market called "Tie" resolves to Yes.'
    )
    markets = [market(at, name[:3].upper(), name, rule, note, strike_type="structured") for name, rule in rules.items()]
    wire = event(
        at,
        "KXMLSGAME",
        "Lagoon vs Harbor Winner?",
        markets,
        product_metadata={"competition": "MLS", "competition_scope": "Game"},
    )
    return Base(wire, worlds=winners(3))


WARDENS: Final = ("Amsel", "Birke", "Another person")
WARDEN: Final = "If {} is sworn in as Warden of Northmoor on Sep 1, 2026, then the market resolves to Yes."


def warden() -> Base:
    at = "KXWARDEN-26"
    markets = [
        market(at, name[:3].upper(), name, WARDEN.format(name), "This market is mutually exclusive.", strike_type="")
        for name in WARDENS
    ]
    review = ReviewedSeries(
        "KXWARDEN",
        ReviewShape.EXHAUSTIVE,
        "a reviewer",
        "Somebody is sworn in on that day by law.",
        frozenset(name.lower() for name in WARDENS),
        WARDEN.replace("{}", "{outcome}").replace("Sep 1, 2026", "{date}"),
        different=frozenset(frozenset(pair) for pair in combinations([name.lower() for name in WARDENS], 2)),
    )
    return Base(event(at, "KXWARDEN", "Who will be sworn in as Warden?", markets), review, worlds=winners(3))


BASES: Final[dict[str, Callable[[], Base]]] = {
    "chicago": chicago,
    "ether": ether,
    "derby": derby,
    "cup": cup,
    "warden": warden,
}


def winners(outcomes: int) -> tuple[World, ...]:
    return tuple(tuple(float(i == j) for j in range(outcomes)) for i in range(outcomes))


@dataclass(frozen=True)
class Judged:
    """What became of an event: the reason of a refusal at the boundary, or certificate (or refusal) and baskets with their grades."""

    boundary: str = ""
    found: Certificate | Refusal | None = None
    baskets: tuple[tuple[Basket, Grade], ...] = ()

    @property
    def why(self) -> str:
        return self.boundary or (self.found.code if isinstance(self.found, Refusal) else "")

    @property
    def certificate(self) -> Certificate | None:
        return self.found if isinstance(self.found, Certificate) else None


def judged(base: Base) -> Judged:
    """The event through the parse boundary, the catalogue's columns, the certificate and the search, on books that invite."""
    page = parse_event_page(json.dumps({"events": [base.wire], "cursor": ""}).encode())
    if page.rejected:
        return Judged(page.rejected[0].reason)
    (parsed,) = page.events
    rows: list[Wire] = [market_row(one) for one in parsed.markets]
    row = event_row(parsed) | DEFAULT_FEE
    found = certify(build_facts(row, rows), base.review, base.terms)
    stored = None
    if isinstance(found, Certificate):
        stored = {
            "pk": 1,
            "grade": found.grade,
            "one_must_win": found.one_must_win,
            "states": found.states.to_json(),
            "residual": list(found.residual),
            "rules_hash": found.rules_hash,
        }
    view = view_of(row | {"rules_hash": found.rules_hash}, rows, stored, deep=True)
    outcomes = len(rows)
    baskets = []
    for kind, yes_ask in ((Kind.ALL_YES, 9_000 // outcomes), (Kind.ALL_NO, 10_000 - 8_000 // outcomes)):
        bids = ((10_000 - yes_ask // 100 * 100, 10_000),)
        book = Depth((), bids) if kind is Kind.ALL_YES else Depth(((yes_ask // 100 * 100, 10_000),), ())
        limits = Limits(kinds=frozenset({kind}), max_count=CONTRACT)
        got = evaluate(view, dict.fromkeys((r["ticker"] for r in rows), book), limits, Money(100))
        if isinstance(got, Found):
            baskets.append((got.basket, basket_grade(view, got.basket)))
    return Judged(found=found, baskets=tuple(baskets))


def pays(holding: Sequence[Holding], world: dict[str, float]) -> float:
    """What legs pay in a world, in dollars."""
    return sum(abs((side is Side.NO) - world[ticker]) * count / 100 for ticker, side, count in holding)
