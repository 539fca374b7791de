"""The events of a tape with every print of their legs and the values at which they settled."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kalbot.common.units import Count, Price, complement, parse_count, parse_price
from markets.book import Side
from markets.catalogue.rows import multiplier_e6
from markets.fees import FeeError, FeeSchedule, taker_cost
from markets.kalshi.errors import SchemaError
from markets.kalshi.schemas import Event as WireEvent
from markets.kalshi.schemas.pages import parse_event, parse_series
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record

log = logging.getLogger(__name__)
KINDS: Final = (Kind.EVENT, Kind.SERIES, Kind.TRADE, Kind.SETTLEMENT)


class Print(NamedTuple):
    """One trade. ``taker``: the side that was bought by taking; ``price``: of that side, so the maker bought the other side at its
    complement. Nanoseconds, 1/10,000 dollar, 1/100 contract."""

    at_ns: int
    ticker: str
    taker: Side
    price: Price
    contracts: Count

    def bid_hit(self) -> tuple[Side, Price]:
        """The resting bid that this print filled: its side and price."""
        return self.taker.other, complement(self.price)


@dataclass(slots=True)
class Printed:
    """One settled exclusive event. ``values``: what a YES contract of each leg paid, 1/10,000 dollar; ``closes_ns``: when trading in
    its last leg ended; ``fees``: None where its series is not on the tape."""

    event: WireEvent
    fees: FeeSchedule | None
    closes_ns: int
    prints: list[Print] = field(default_factory=list)
    values: dict[str, Price] = field(default_factory=dict)

    @property
    def legs(self) -> tuple[str, ...]:
        """The tickers of its markets."""
        return tuple(market.ticker for market in self.event.markets)

    @property
    def series(self) -> str:
        """Its series."""
        return self.event.series_ticker

    def taker_fees(self, price: Price, count: int) -> int:
        """Fees of taking ``count`` at ``price``, Money."""
        if self.fees is None:
            raise FeeError(f"the fee of {self.series} is not on the tape")
        return taker_cost(self.fees, [(price, count)])[1]

    def pays(self, side: Side, ticker: str) -> int:
        """What a contract of this side paid, 1/10,000 dollar."""
        value = self.values[ticker]
        return value if side is Side.YES else complement(value)


@dataclass(slots=True)
class Events:
    """What a tape holds for the study. ``left_out``: reason -> number of events."""

    printed: list[Printed] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read(tapes: Mapping[str, Tape], assumed: FeeSchedule | None = None) -> Events:
    """The events of these tapes (name -> tape), each event once, those that nothing can be said about counted by their reason.

    ``assumed``: the fees of events whose series is not on the tape; without it they are left out.
    """
    reader = _Reader(assumed)
    for tape in tapes.values():
        for record in tape.records(kinds=KINDS):
            reader.take(record)
    events = Events()
    for printed in reader.found.values():
        reason = _unusable(printed)
        if reason:
            events.left_out[reason] += 1
            continue
        printed.prints.sort(key=lambda one: one.at_ns)  # stable: prints of one moment keep their order
        events.printed.append(printed)
    events.printed.sort(key=lambda printed: (printed.closes_ns, printed.event.event_ticker))
    return events


class _Reader:
    """Puts records together by event."""

    def __init__(self, assumed: FeeSchedule | None) -> None:
        self.found: dict[str, Printed] = {}
        self._of: dict[str, Printed] = {}
        self._fees: dict[str, FeeSchedule] = {}
        self._assumed = assumed

    def take(self, record: Record) -> None:
        """One record; one that cannot be read is named and set aside."""
        try:
            match record.kind:
                case Kind.SERIES:
                    series = parse_series(b'{"series":' + record.payload + b"}")
                    multiplier = multiplier_e6(series.fee_multiplier)
                    self._fees[series.ticker] = FeeSchedule(series.fee_type, multiplier)
                case Kind.EVENT:
                    self._event(record)
                case Kind.SETTLEMENT if record.key in self._of:
                    value = json.loads(record.payload)["settlement_value_dollars"]
                    self._of[record.key].values[record.key] = parse_price(value)
                case Kind.TRADE if record.key in self._of:
                    self._of[record.key].prints.append(_print(record))
        except (SchemaError, ValueError, KeyError) as error:
            log.warning("record of %s refused: %s: %s", record.key, type(error).__name__, error)

    def _event(self, record: Record) -> None:
        event = parse_event(b'{"event":' + record.payload + b"}")
        closes = [market.close_time for market in event.markets]
        if closes and None not in closes:
            ends = max(round(at.timestamp() * 10**9) for at in closes if at is not None)
            printed = Printed(event, self._fees.get(event.series_ticker, self._assumed), ends)
            self.found[record.key] = printed
            self._of |= dict.fromkeys(printed.legs, printed)


def _print(record: Record) -> Print:
    content = json.loads(record.payload)
    side, yes = Side(content["taker_side"]), parse_price(content["yes_price_dollars"])
    price = yes if side is Side.YES else complement(yes)
    return Print(record.received_ns, record.key, side, price, parse_count(content["count_fp"]))


def _unusable(printed: Printed) -> str:
    if not printed.event.mutually_exclusive:
        return "not exclusive"
    if set(printed.values) != set(printed.legs):
        return "not settled on the tape"
    if printed.fees is None:
        return "of a series whose fee is not on the tape"
    if printed.fees.maker_e10:
        return "of a series that charges makers"
    if len(printed.legs) < 2:
        return "one market only"
    return "" if printed.prints else "no prints"
