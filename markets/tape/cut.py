"""A part of a tape as a tape of its own that can be replayed: what was known at its beginning comes first.

The catalogue as it was last recorded, results already known and the open books are written at the first moment of the cut, the books as
snapshots with the last sequence numbers of their subscription.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kalbot.common.units import format_count, format_price
from markets.book import Book, BookError
from markets.kalshi.ws.frames import BookDelta, BookSnapshot
from markets.kalshi.ws.intake import Intake
from markets.tape import store
from markets.tape.connections import Connections
from markets.tape.imports.listing import event_of
from markets.tape.reader import Tape
from markets.tape.records import UNREADABLE, Kind, Record, content, pack_frames

log = logging.getLogger(__name__)

KEPT: Final = (Kind.EVENT, Kind.SERIES, Kind.TERMS, Kind.STATUS, Kind.SETTLEMENT, Kind.CONNECTION)


@dataclass(slots=True)
class _Known:
    """What a process that had listened since the beginning would know."""

    last: dict[tuple[Kind, str], Record] = field(default_factory=dict)
    books: dict[str, tuple[str, int, Book]] = field(default_factory=dict)
    sequence: dict[int, int] = field(default_factory=dict)
    sids: dict[str, set[int]] = field(default_factory=dict)
    connections: Connections[Intake] = field(default_factory=lambda: Connections(lambda epoch: Intake()))

    def apply(self, record: Record) -> None:
        if record.kind is Kind.GAP:
            self._lost(record.key)
            return
        if record.kind in KEPT:
            self.last[record.kind, record.key] = record
        if record.kind is Kind.CONNECTION:
            self.books = {t: known for t, known in self.books.items() if known[0] != record.key}
            for gone in self.sids.pop(record.key, ()):
                self.sequence.pop(gone, None)
        for frame in self.connections.apply(record):
            sid: int | None = getattr(frame, "sid", None)
            seq: int | None = getattr(frame, "seq", None)
            if sid is not None and seq is not None:
                self.sequence[sid] = seq
                self.sids.setdefault(record.key, set()).add(sid)
            if isinstance(frame, BookSnapshot):
                book = Book()
                book.apply_snapshot(frame.yes, frame.no)
                self.books[frame.market_ticker] = (record.key, frame.sid, book)
            elif isinstance(frame, BookDelta):
                known = self.books.get(frame.market_ticker)
                if known is None:
                    continue
                try:
                    known[2].apply_delta(str(frame.side), frame.price, frame.delta)
                except BookError:
                    del self.books[frame.market_ticker]

    def _lost(self, key: str) -> None:
        """Nothing known before a gap is a price: of the event of the market that it names, or of everything."""
        event = event_of(key) if key in self.books else None
        self.books = {} if event is None else {t: one for t, one in self.books.items() if event_of(t) != event}

    def records(self, at: int) -> Iterator[Record]:
        left = {sid: sum(one[1] == sid for one in self.books.values()) for sid in self.sequence}
        for record in self.last.values():
            payload = record.payload
            if record.kind is Kind.CONNECTION:
                sids = sorted(self.sids.get(record.key, ()))
                before = {str(sid): self.sequence[sid] - left[sid] for sid in sids}
                payload = json.dumps(content(record) | {"sequence": before}, sort_keys=True).encode()
            yield Record(at, record.kind, record.key, payload)
        for ticker, (epoch, sid, book) in self.books.items():
            left[sid] -= 1
            frame = _snapshot(ticker, sid, self.sequence[sid] - left[sid], book)
            yield Record(at, Kind.FRAMES, epoch, pack_frames([frame]))


def _snapshot(ticker: str, sid: int, seq: int, book: Book) -> bytes:
    message: dict[str, object] = {"market_ticker": ticker}
    for side, levels in (("yes", book.yes), ("no", book.no)):
        if levels:
            message[f"{side}_dollars_fp"] = [[format_price(p), format_count(c)] for p, c in sorted(levels.items())]
    return json.dumps({"type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": message}).encode()


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
