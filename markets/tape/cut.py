"""A part of a tape as a tape of its own that can be replayed: what was known at its beginning comes first.

The catalogue as it was last recorded, what was announced since (pauses, fees), results already known, answers of sources, the resting
orders of the account that recorded, and the open books are written at the first moment of the cut, the books as snapshots with the last
sequence numbers of their subscription.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from markets.book import Book, BookError
from markets.kalshi.vocabulary import OrderStatus
from markets.kalshi.ws.frames import (
    BookDelta,
    BookSnapshot,
    EventFeeFrame,
    EventLifecycleFrame,
    Frame,
    LifecycleFrame,
    UserOrderFrame,
)
from markets.kalshi.ws.intake import Intake
from markets.tape import restated, store
from markets.tape.connections import Connections
from markets.tape.imports.listing import event_of
from markets.tape.owners import Owners
from markets.tape.reader import Tape
from markets.tape.records import UNREADABLE, Kind, Record, content, pack_frames, unpack_frames

log = logging.getLogger(__name__)

KEPT: Final = (Kind.EVENT, Kind.SERIES, Kind.TERMS, Kind.STATUS, Kind.SOURCE)
BEFORE: Final = "before the cut"
"""The connection, closed again at once, on which the cut says what others said before it and no listing has said since."""
Announced = LifecycleFrame | EventLifecycleFrame | EventFeeFrame


@dataclass(slots=True)
class _Known:
    """What a process that had listened since the beginning would know."""

    last: dict[tuple[Kind, str], Record] = field(default_factory=dict)
    results: dict[str, Record] = field(default_factory=dict)
    opened: dict[str, Record] = field(default_factory=dict)
    scan: Record | None = None
    books: dict[str, tuple[str, int, Book]] = field(default_factory=dict)
    """Market -> connection, subscription, book."""
    sequence: dict[tuple[str, int], int] = field(default_factory=dict)
    """Connection and subscription -> its last number."""
    event_of: dict[str, str] = field(default_factory=dict)
    announced: dict[str, list[bytes]] = field(default_factory=dict)
    """Event -> messages about it and its markets since it was listed last."""
    orders: dict[str, bytes] = field(default_factory=dict)
    """The account's own resting orders: the last message of each."""
    owner: dict[str, str] = field(default_factory=dict)
    connections: Connections[Intake] = field(default_factory=lambda: Connections(lambda epoch: Intake()))
    owners: Owners = field(init=False)

    def __post_init__(self) -> None:
        self.owners = Owners(self.owner, self._forget)

    def apply(self, record: Record) -> None:
        if record.kind is Kind.GAP:
            self._lost(record)
        elif record.kind in KEPT:
            self.last[record.kind, record.key] = record
            if record.kind is Kind.EVENT:
                self.announced.pop(record.key, None)
                markets = content(record).get("markets") or ()
                self.event_of |= {market["ticker"]: record.key for market in markets}
        elif record.kind is Kind.SETTLEMENT:
            self.results[record.key] = record
        elif record.kind is Kind.SCAN:
            self.scan = record
        elif record.kind is Kind.CONNECTION:
            self._connection(record)
        elif record.kind is Kind.FRAMES and (intake := self.connections.open.get(record.key)) is not None:
            for payload in unpack_frames(record.payload):
                for frame in intake.feed([payload]):
                    self._frame(record.key, payload, frame)

    def _connection(self, record: Record) -> None:
        epoch = record.key
        number = self.owners.closed(epoch)
        self.sequence = {of: seq for of, seq in self.sequence.items() if of[0] != epoch}
        self.opened.pop(epoch, None)
        if self.connections.connection(record):
            self.opened[epoch] = record
            self.sequence |= {(epoch, int(sid)): last for sid, last in content(record).get("sequence", {}).items()}
            self.owners.opened(epoch, number)

    def _frame(self, epoch: str, payload: bytes, frame: Frame) -> None:
        sid: int | None = getattr(frame, "sid", None)
        seq: int | None = getattr(frame, "seq", None)
        if sid is not None and seq is not None:
            self.sequence[epoch, sid] = seq
        if isinstance(frame, BookSnapshot):
            if self.owners.takes(self._event(frame.market_ticker), (), epoch):
                book = Book()
                book.apply_snapshot(frame.yes, frame.no)
                self.books[frame.market_ticker] = (epoch, frame.sid, book)
        elif isinstance(frame, BookDelta):
            known = self.books.get(frame.market_ticker)
            if known is None or known[0] != epoch:
                return
            try:
                known[2].apply_delta(str(frame.side), frame.price, frame.delta)
            except BookError:
                del self.books[frame.market_ticker]
        elif isinstance(frame, Announced):
            event = self._event(frame.market_ticker) if isinstance(frame, LifecycleFrame) else frame.event_ticker
            self.announced.setdefault(event, []).append(payload)
        elif isinstance(frame, UserOrderFrame):
            self.orders.pop(frame.order_id, None)
            if frame.status is OrderStatus.RESTING and frame.remaining_count > 0:
                self.orders[frame.order_id] = payload

    def _event(self, market: str) -> str:
        return self.event_of.get(market) or event_of(market)

    def _forget(self, event: str) -> None:
        self.owner.pop(event, None)
        self.books = {ticker: one for ticker, one in self.books.items() if self._event(ticker) != event}

    def _lost(self, gap: Record) -> None:
        """Nothing known before a gap is a price: of the event of the market that it names, or of what its writer recorded."""
        if gap.key in self.books:
            self._forget(self._event(gap.key))
            return
        takes = self.connections.taken_by(gap)
        for event in [event for event, epoch in self.owner.items() if takes(epoch)]:
            self._forget(event)

    def records(self, at: int) -> Iterator[Record]:
        yield from (record._replace(received_ns=at) for record in self.last.values())
        yield from self._said_before(at)
        yield from (record._replace(received_ns=at) for record in self.results.values())
        for epoch, record in self.opened.items():
            sequence = {sid: last for (of, sid), last in self.sequence.items() if of == epoch}
            books = [
                restated.WholeBook(sid, ticker, book.yes, book.no)
                for ticker, (of, sid, book) in self.books.items()
                if of == epoch
            ]
            said = content(record) | {"sequence": restated.before(sequence, books)}
            yield Record(at, Kind.CONNECTION, epoch, json.dumps(said, sort_keys=True).encode())
            if books:
                yield Record(at, Kind.FRAMES, epoch, pack_frames(restated.frames(sequence, books)))
        if self.scan is not None:
            yield self.scan._replace(received_ns=at)

    def _said_before(self, at: int) -> Iterator[Record]:
        """Pauses, fees and times that were announced, and the orders that rest, on a connection of their own, with its own numbers."""
        announced = [payload for of_event in self.announced.values() for payload in of_event]
        if not announced and not self.orders:
            return
        frames = []
        for number, payload in enumerate(announced, 1):
            frames.append(json.dumps(json.loads(payload) | {"sid": 1, "seq": number}).encode())
        yield store.json_record(at, Kind.CONNECTION, BEFORE, {"state": "open"})
        yield Record(at, Kind.FRAMES, BEFORE, pack_frames([*frames, *self.orders.values()]))
        yield store.json_record(at, Kind.CONNECTION, BEFORE, {"state": "closed"})


def cut(tape: Tape, folder: Path, start_ns: int, end_ns: int) -> int:
    """Write what was received in ``start_ns <= t < end_ns`` to ``folder``. Returns the number of records."""
    known, kept = _Known(), list[Record]()
    about: dict[str, object] = {"cut": True}
    for record in tape.records(0, end_ns):
        if record.kind is Kind.META:
            about |= tape.about
        elif record.received_ns < start_ns:
            try:
                known.apply(record)
            except UNREADABLE as error:
                log.warning("record of %s left out of the cut: %s: %s", record.key, type(error).__name__, error)
        else:
            kept.append(record)
    return store.write(folder, "cut", about, [*known.records(start_ns), *kept])
