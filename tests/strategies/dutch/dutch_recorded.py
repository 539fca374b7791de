"""Recorded events and full books as the search takes them. ``../shared`` where it is, the small fixture everywhere."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from kalbot.common.units import parse_count, parse_price
from markets.book import Depth
from markets.fees import FeeSchedule
from markets.terms.exhaustiveness import Certificate, certify
from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.rules_file import PUBLIC, Sample, read_rules, with_rules
from strategies.dutch.basket import Found, LegMarket, Limits, Outcome
from strategies.dutch.search import best_basket

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared" / "kalshi" / "recorded"
FIXTURE = ROOT / "tests" / "data" / "dutch" / "recorded_events.jsonl.gz"
RULES = ROOT / "tests" / "data" / "dutch" / "weather_rules.jsonl.gz"
PASSES = ("20260719T005522Z", "20260719T035521Z", "20260719T095523Z", "20260719T155529Z")

Recorded = tuple[EventFacts, dict[str, Depth]]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line, parse_float=Decimal)


def facts(event: dict[str, Any]) -> EventFacts:
    return EventFacts(
        event["event_ticker"],
        event["series_ticker"],
        event["mutually_exclusive"],
        event.get("collateral_return_type") or "",
        tuple(market(m) for m in event["markets"]),
        event.get("title") or "",
    )


def market(m: dict[str, Any]) -> MarketFacts:
    low, high = (None if m.get(key) is None else Decimal(str(m[key])) for key in ("floor_strike", "cap_strike"))
    return MarketFacts(
        m["ticker"],
        m.get("status", "active"),
        m.get("strike_type") or "",
        low,
        high,
        m.get("yes_sub_title") or "",
        m.get("rules_primary") or "",
        m.get("rules_secondary") or "",
        m.get("market_type", "binary"),
        m.get("result") or "",
    )


def depth(book: dict[str, Any]) -> Depth:
    yes, no = (
        [(parse_price(p), parse_count(c)) for p, c in book.get(side) or []] for side in ("yes_dollars", "no_dollars")
    )
    return Depth.of(yes, no)


@cache
def snapshot(name: str) -> tuple[Recorded, ...]:
    """Every event of one recorded pass with the books of its markets. To be read only."""
    books = {
        row["ticker"]: depth(row["orderbook_fp"]) for row in lines(SHARED / "snapshots" / name / "orderbooks.jsonl.gz")
    }
    return tuple(
        (facts(event), {m["ticker"]: books[m["ticker"]] for m in event["markets"] if m["ticker"] in books})
        for page in lines(SHARED / "snapshots" / name / "events.jsonl.gz")
        for event in page["events"]
    )


def fixture() -> list[Recorded]:
    """A few events of one pass, small enough to be kept with the tests."""
    return [(facts(row["event"]), {t: depth(b) for t, b in row["books"].items()}) for row in lines(FIXTURE)]


@cache
def captures(name: str) -> dict[tuple[str, str], dict[str, Depth]]:
    """(pass, event) -> ticker -> book, of one file of full books. To be read only."""
    found: dict[tuple[str, str], dict[str, Depth]] = defaultdict(dict)
    for row in lines(SHARED / "books" / name):
        levels = (
            [(parse_price(str(p)), parse_count(str(c))) for p, c in row[side]] for side in ("yes_bids", "no_bids")
        )
        found[row["capture_id"], row["ticker"].rsplit("-", 1)[0]][row["ticker"]] = Depth.of(*levels)
    return found


def worded(event: EventFacts) -> EventFacts:
    """The event with the texts of its series, which the passes do not carry."""
    return with_rules(event, texts())


@cache
def texts() -> dict[str, Sample]:
    """Rules by series: recorded beside the passes for the weather, in public wording for the coins."""
    return read_rules([RULES, PUBLIC])


def search(event: EventFacts, books: dict[str, Depth], fees: FeeSchedule, **limits: Any) -> Outcome:
    """The product's answer for a recorded event: exclusivity and certificate from its own facts."""
    legs = [LegMarket(m.ticker, books.get(m.ticker, Depth()), fees) for m in event.markets]
    certificate = certify(worded(event))
    certified = isinstance(certificate, Certificate) and certificate.one_must_win
    exclusive = event.mutually_exclusive and event.collateral_return_type == "MECNET"
    return best_basket(legs, exclusive, certified, Limits(**limits), event_ticker=event.event_ticker)


def accepted(events: Iterable[Recorded], fees: FeeSchedule, **limits: Any) -> dict[str, Found]:
    """Event -> basket of all that the search accepts."""
    outcomes = ((event.event_ticker, search(event, books, fees, **limits)) for event, books in events)
    return {ticker: outcome for ticker, outcome in outcomes if isinstance(outcome, Found)}
