"""What best prices alone would have paid on a tape: an upper bound beside the runs, for it asks for no size and no certificate.

At every moment each exclusive event is priced for one set, the taker's fee of a large order included: YES on every outcome pays one
dollar; NO on the best k >= 2 outcomes pays k - 1, so each adds its YES bid less the fee and all that add something are in. Whether a
price was still there is not known: the share is given again for sets of which every leg had moved within ten minutes, and within one.
Prices in 1/10,000 dollar, times in nanoseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from kalbot.common.units import DOLLAR_PRICE, parse_price
from markets.fees import FeeSchedule, model_fee
from markets.tape.records import UNREADABLE, Kind, Record, content

log = logging.getLogger(__name__)

MINUTE: Final = 60 * 10**9
FRESH: Final = (10 * MINUTE, MINUTE)
PASS_NS: Final = 60 * 10**9
"""Prices of passes count for so long: after it nothing is known."""
CONTRACT_PRICE: Final = 100
"""Micro-dollars in 1/10,000 dollar."""
_FEES: Final = tuple(
    -(-model_fee(FeeSchedule(), price, 10_000) // (100 * CONTRACT_PRICE)) for price in range(DOLLAR_PRICE + 1)
)
"""Fee of a contract of a hundred at each price, rounded up, for the multiplier 1."""


@dataclass(slots=True)
class Side:
    """One kind of basket: time in which a set paid, and the spells. ``fresh_ns``: of ``FRESH``, with every leg moved within it."""

    paid_ns: int = 0
    fresh_ns: list[int] = field(default_factory=lambda: [0] * len(FRESH))
    lives_ns: list[int] = field(default_factory=list)
    bests: list[int] = field(default_factory=list)
    moments: int = 0
    """Times at which an event was priced and paid."""


@dataclass(slots=True)
class Touch:
    """``watched_ns``: event time with prices of every leg of a whole event. ``moments``: times at which an event was priced."""

    watched_ns: int = 0
    moments: int = 0
    events: int = 0
    sides: dict[str, Side] = field(default_factory=lambda: {"yes": Side(), "no": Side()})

    def document(self) -> dict[str, Any]:
        """Shares, medians in seconds and 1/10,000 dollar."""
        found: dict[str, Any] = {
            "events": self.events,
            "hours": round(self.watched_ns / 3600e9, 1),
            "moments": self.moments,
        }
        for name, side in self.sides.items():
            found[name] = {
                "share": _share(side.paid_ns, self.watched_ns),
                "fresh_share": [_share(value, self.watched_ns) for value in side.fresh_ns],
                "moments": side.moments,
                "spells": len(side.lives_ns),
                "median_seconds": median(side.lives_ns) / 1e9 if side.lives_ns else None,
                "median_best": median(side.bests) if side.bests else None,
            }
        return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(slots=True)
class _Event:
    legs: tuple[str, ...]
    quotes: dict[str, tuple[int | None, int | None, int]] = field(default_factory=dict)
    """Leg -> best YES bid, best NO bid, when either moved."""
    moved_ns: int = 0
    """When anything of it came last."""
    began: dict[str, int] = field(default_factory=dict)
    best: dict[str, int] = field(default_factory=dict)
    edge: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Kind -> what a set pays above its cost, and when the longest unmoved of its legs moved last."""


def measure(records: Iterator[Record], *, is_continuous: bool) -> Touch:
    """Price every moment of a tape of quotes or books. ``is_continuous``: silence means unchanged; else prices last ``PASS_NS``."""
    found, events, event_of = Touch(), dict[str, _Event](), dict[str, str]()
    for record in records:
        try:
            _take(record, events, event_of, found, is_continuous=is_continuous)
        except UNREADABLE as error:
            log.warning("record of %s refused: %s: %s", record.key, type(error).__name__, error)
    for event in events.values():
        _close(event, event.moved_ns + (0 if is_continuous else PASS_NS), found, is_continuous=is_continuous)
        _end(event, found, event.moved_ns)
    return found


def _take(
    record: Record, events: dict[str, _Event], event_of: dict[str, str], found: Touch, *, is_continuous: bool
) -> None:
    if record.kind is Kind.EVENT:
        _listed(record, events, event_of, found, is_continuous=is_continuous)
    elif record.kind in (Kind.QUOTE, Kind.BOOK) and record.key in event_of:
        event = events[event_of[record.key]]
        if record.received_ns > event.moved_ns:  # what came at one instant is one moment
            _close(event, record.received_ns, found, is_continuous=is_continuous)
        _quote(event, record)
    elif record.key in events and (
        record.kind is Kind.GAP or (record.kind is Kind.CONNECTION and content(record).get("state") != "open")
    ):
        _close(events[record.key], record.received_ns, found, is_continuous=is_continuous)
        _end(events[record.key], found, record.received_ns)


def _listed(
    record: Record, events: dict[str, _Event], event_of: dict[str, str], found: Touch, *, is_continuous: bool
) -> None:
    listed = content(record)
    legs = tuple(str(market["ticker"]) for market in listed["markets"])
    if listed.get("mutually_exclusive") and len(legs) > 1:
        known = events.get(record.key)
        if known is not None and known.legs == legs:
            return
        if known is not None:
            _close(known, record.received_ns, found, is_continuous=is_continuous)
            _end(known, found, record.received_ns)
        found.events += known is None
        events[record.key] = _Event(legs)
        event_of.update(dict.fromkeys(legs, record.key))


def _quote(event: _Event, record: Record) -> None:
    said = content(record)
    if record.kind is Kind.BOOK:
        sides = said["orderbook_fp"]
        yes, no = (_best(sides.get(f"{side}_dollars") or []) for side in ("yes", "no"))
    else:
        yes, no = (
            None if (text := said[f"{side}_bid_dollars"]) is None else parse_price(text) for side in ("yes", "no")
        )
    before = event.quotes.get(record.key)
    moved = record.received_ns if before is None or before[:2] != (yes, no) else before[2]
    event.quotes[record.key] = (yes, no, moved)
    event.moved_ns = record.received_ns


def _best(levels: Sequence[Sequence[str]]) -> int | None:
    return max((int(parse_price(price)) for price, _ in levels), default=None)


def _price(event: _Event, found: Touch) -> None:
    at = event.moved_ns
    event.edge.clear()
    found.moments += 1
    quotes = [event.quotes[leg] for leg in event.legs]
    if all(no is not None for _, no, _ in quotes):
        cost = sum(DOLLAR_PRICE - (no or 0) + _FEES[no or 0] for _, no, _ in quotes)
        event.edge["yes"] = (DOLLAR_PRICE - cost, min(moved for _, _, moved in quotes))
    added = [(gain, moved) for yes, _, moved in quotes if yes is not None and (gain := yes - _FEES[yes]) > 0]
    if len(added) > 1:
        event.edge["no"] = (sum(gain for gain, _ in added) - DOLLAR_PRICE, min(moved for _, moved in added))
    for kind, side in found.sides.items():
        edge, _ = event.edge.get(kind, (0, 0))
        side.moments += edge > 0
        if edge > 0:
            event.began.setdefault(kind, at)
            event.best[kind] = max(event.best.get(kind, 0), edge)
        else:
            _spell(event, kind, side, at)


def _close(event: _Event, at: int, found: Touch, *, is_continuous: bool) -> None:
    """Price the event as it stood since something of it came last, and count that time."""
    if len(event.quotes) < len(event.legs):
        return
    _price(event, found)
    since = event.moved_ns
    until = at if is_continuous else min(at, since + PASS_NS)
    found.watched_ns += max(0, until - since)
    for kind, (edge, moved) in event.edge.items():
        if edge > 0:
            side = found.sides[kind]
            side.paid_ns += max(0, until - since)
            for number, fresh in enumerate(FRESH):
                side.fresh_ns[number] += max(0, min(until, moved + fresh) - since)


def _spell(event: _Event, kind: str, side: Side, at: int) -> None:
    began = event.began.pop(kind, None)
    if began is not None:
        side.lives_ns.append(at - began)
        side.bests.append(event.best.pop(kind))


def _end(event: _Event, found: Touch, at: int) -> None:
    for kind, side in found.sides.items():
        _spell(event, kind, side, at)
    event.quotes.clear()
    event.edge.clear()
