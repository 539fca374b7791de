"""What a tape's prices said of each exclusive event at fixed times before its close, and what came of it. Probabilities are floats."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from backtest.calibration.across import KINDS, Families
from kalbot.common.units import DOLLAR_PRICE, parse_price
from markets.kalshi.ws.frames import TickerFrame
from markets.kalshi.ws.intake import Intake
from markets.tape.connections import Connections
from markets.tape.imports.source import nanoseconds
from markets.tape.records import UNREADABLE, Kind, Record, content
from strategies.catalogue.corrections import LEADS
from strategies.dutch.coverage import Quote, from_quotes

log = logging.getLogger(__name__)

HOUR: Final = 3_600 * 10**9
OLDEST: Final = 24 * HOUR
"""A price that has not come for so long says nothing."""
UNKNOWN: Final = "none"


@dataclass(frozen=True, slots=True)
class Observed:
    """One event at one lead. ``prices``: market -> middle of its quotes or its last print; ``said``: the same without the margin;
    ``across``: what the quotes of its whole family say, empty without one."""

    event: str
    category: str
    lead: int
    at_ns: int
    settled_ns: int
    prices: dict[str, float]
    said: dict[str, float]
    winner: str
    across: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Event:
    ticker: str
    category: str
    legs: tuple[str, ...]
    closes_ns: int
    quotes: dict[str, tuple[Quote, int]] = field(default_factory=dict)
    waiting: list[tuple[int, int, dict[str, float], dict[str, float], dict[str, float]]] = field(default_factory=list)
    results: dict[str, bool] = field(default_factory=dict)


def observe(records: Iterable[Record]) -> Iterator[Observed]:
    """The observations of a tape, each when its event has settled with exactly one winner. A tape without results gives none."""
    events: dict[str, _Event] = {}
    event_of: dict[str, str] = {}
    due: list[tuple[int, str, int]] = []
    connections = Connections(lambda epoch: Intake())
    families = Families()
    for record in records:
        while due and due[0][0] < record.received_ns:
            at, ticker, lead = heapq.heappop(due)
            _read(events[ticker], at, lead, families)
        try:
            if record.kind in KINDS:
                families.take(record)
            yield from _take(record, events, event_of, due, connections, families)
        except UNREADABLE as error:
            log.warning("record of %s refused: %s: %s", record.key, type(error).__name__, error)


def _take(
    record: Record,
    events: dict[str, _Event],
    event_of: dict[str, str],
    due: list[tuple[int, str, int]],
    connections: Connections[Intake],
    families: Families,
) -> Iterator[Observed]:
    if record.kind is Kind.EVENT:
        event = _listed(record)
        if event is not None and event.ticker not in events:
            events[event.ticker] = event
            event_of.update(dict.fromkeys(event.legs, event.ticker))
            for lead in LEADS:
                if event.closes_ns - lead * HOUR > record.received_ns:
                    heapq.heappush(due, (event.closes_ns - lead * HOUR, event.ticker, lead))
        elif event is not None and event.results:  # a scan saw what it settled on
            events[event.ticker].results |= event.results
            yield from _settled(events[event.ticker], record.received_ns)
    elif record.kind is Kind.SETTLEMENT and record.key in event_of:
        event = events[event_of[record.key]]
        event.results[record.key] = content(record)["result"] == "yes"
        yield from _settled(event, record.received_ns)
    else:
        for ticker, quote in _quotes(record, connections):
            families.quote(ticker, quote, record.received_ns)
            if ticker in event_of:
                events[event_of[ticker]].quotes[ticker] = (quote, record.received_ns)


def _listed(record: Record) -> _Event | None:
    listed = content(record)
    markets = listed["markets"]
    closes = [market["close_time"] for market in markets if market.get("close_time")]
    if not listed.get("mutually_exclusive") or len(markets) < 2 or not closes:
        return None
    legs = tuple(market["ticker"] for market in markets)
    found = _Event(record.key, listed.get("category") or UNKNOWN, legs, max(map(nanoseconds, closes)))
    found.results = {m["ticker"]: m["result"] == "yes" for m in markets if m.get("result") in ("yes", "no")}
    return found


def _quotes(record: Record, connections: Connections[Intake]) -> Iterator[tuple[str, Quote]]:
    """The prices that a record brings, of our own stream or of an import."""
    if record.kind in (Kind.CONNECTION, Kind.FRAMES):
        for frame in connections.apply(record):
            if isinstance(frame, TickerFrame):
                yield frame.market_ticker, (frame.yes_bid, frame.yes_ask)
    elif (quote := _quote(record)) is not None:
        yield record.key, quote


def _quote(record: Record) -> Quote | None:
    """Best bid and ask for YES; a print is both: the last price at which somebody dealt."""
    if record.kind not in (Kind.QUOTE, Kind.TRADE, Kind.BOOK):
        return None
    said = content(record)
    if record.kind is Kind.TRADE:
        price = int(parse_price(said["yes_price_dollars"]))
        return price, price
    if record.kind is Kind.QUOTE:
        yes, no = said["yes_bid_dollars"], said["no_bid_dollars"]
    else:
        yes, no = (
            max((price for price, _ in said["orderbook_fp"].get(f"{side}_dollars") or []), default=None)
            for side in ("yes", "no")
        )
    return (None if yes is None else int(parse_price(yes))), (
        None if no is None else DOLLAR_PRICE - int(parse_price(no))
    )


def _read(event: _Event, at: int, lead: int, families: Families) -> None:
    fresh = {leg: quote for leg, (quote, came) in event.quotes.items() if at - came <= OLDEST}
    if len(fresh) < len(event.legs):
        return
    said = from_quotes(fresh, certified=True)
    if said is not None:
        prices = {
            leg: ((bid or 0) + (DOLLAR_PRICE if ask is None else ask)) / 2 / DOLLAR_PRICE
            for leg, (bid, ask) in fresh.items()
        }
        event.waiting.append((lead, at, prices, said, families.said(event.ticker, at - OLDEST)))


def _settled(event: _Event, settled_ns: int) -> Iterator[Observed]:
    if len(event.results) < len(event.legs):
        return
    winners = [leg for leg, won in event.results.items() if won]
    if len(winners) == 1:
        for lead, at, prices, said, across in event.waiting:
            yield Observed(event.ticker, event.category, lead, at, settled_ns, prices, said, winners[0], across)
    event.waiting.clear()
