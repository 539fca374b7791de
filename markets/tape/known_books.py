"""The books of a tape's frames as an export writes them: what is not known any more is written as an empty book, because readers of that
layout know no gaps, and each day begins with the books that are known, so that a day can be read alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from markets.book import Book, BookError
from markets.kalshi.ws.frames import BookDelta, BookSnapshot, GapFrame, RejectedFrame
from markets.kalshi.ws.intake import Intake
from markets.tape.connections import Connections
from markets.tape.imports.listing import event_of
from markets.tape.owners import Owners
from markets.tape.records import Kind, Record

Row = dict[str, Any]
DAY_NS: Final = 86_400 * 10**9


class KnownBooks:
    """Follows a tape. ``rows`` gives the rows of ``book_l2`` that each record adds, those of other frames are in ``others``."""

    def __init__(self) -> None:
        self._connections = Connections(lambda epoch: Intake())
        self._owner: dict[str, str] = {}
        self._owners = Owners(self._owner, self._taken_over)
        self._at = 0
        self._books: dict[str, Book] = {}
        self._from: dict[str, tuple[str, int]] = {}
        """Market whose book is known -> its connection and subscription."""
        self._lost: dict[str, int] = {}
        """Market -> since when its book is not known, where no row says so yet."""
        self._day = 0
        self.others: list[tuple[int, Any]] = []

    def rows(self, record: Record) -> Iterator[Row]:
        """The rows of a record of frames, of a connection or of a gap; ``others``: (time, frame) of its frames without a book."""
        at, self.others = record.received_ns, []
        self._at = at
        if record.kind is Kind.CONNECTION:
            number = self._owners.closed(record.key)
            self._owners.opened(record.key, number if record.key in self._connections.open else None)
            self._lose(at, lambda of: of[0] == record.key)
        elif record.kind is Kind.GAP:
            yield from self._gap(at, record)
        for number, frame in enumerate(self._connections.apply(record)):
            yield from self._frame(frame, at + number, record.key)

    def _gap(self, at: int, gap: Record) -> Iterator[Row]:
        """The event that its key names, as itself or by one of its markets; what its writer recorded where it names none that is known."""
        events, takes = (gap.key, event_of(gap.key)), self._connections.taken_by(gap)
        named = [one for one in self._from if event_of(one) in events]
        for ticker in named or [one for one, of in self._from.items() if takes(of[0])]:
            self._forget(ticker, at)
        yield from self._said(at)

    def _frame(self, frame: Any, at: int, epoch: str) -> Iterator[Row]:
        if isinstance(frame, BookSnapshot):
            if not self._owners.takes(event_of(frame.market_ticker), (), epoch):
                return
            yield from self._said(at)
            book = self._books.setdefault(frame.market_ticker, Book())
            book.apply_snapshot(frame.yes, frame.no)
            self._from[frame.market_ticker] = (epoch, frame.sid)
            yield from whole(frame.market_ticker, at, frame.seq, {"yes": frame.yes, "no": frame.no})
        elif isinstance(frame, BookDelta):
            yield from self._said(at)
            yield from self._delta(frame, at, epoch)
        elif isinstance(frame, GapFrame):
            self._lose(at, lambda of: of == (epoch, frame.sid))
            yield from self._said(at)
        elif isinstance(frame, RejectedFrame):
            if frame.market_ticker and self._from.get(frame.market_ticker, (epoch,))[0] == epoch:
                self._forget(frame.market_ticker, at)
            yield from self._said(at)
        else:
            self.others.append((at, frame))

    def _delta(self, frame: BookDelta, at: int, epoch: str) -> Iterator[Row]:
        ticker = frame.market_ticker
        if ticker not in self._from or self._from[ticker][0] != epoch:
            return  # a change of a book that is not known, or of one that another connection keeps
        try:
            self._books[ticker].apply_delta(str(frame.side), frame.price, frame.delta)
        except BookError:
            self._forget(ticker, at)
            yield from self._said(at)
            return
        yield {
            "ticker": ticker,
            "ts_recv": at,
            "seq": frame.seq,
            "side": str(frame.side),
            "price": frame.price / 10_000,
            "size": frame.delta / 100,
            "is_snapshot": False,
        }

    def _lose(self, at: int, is_lost: Callable[[tuple[str, int]], bool]) -> None:
        for ticker in [ticker for ticker, of in self._from.items() if is_lost(of)]:
            self._forget(ticker, at)

    def _taken_over(self, event: str) -> None:
        """Another connection says the books of the event from now on."""
        self._owner.pop(event, None)
        for ticker in [ticker for ticker in self._from if event_of(ticker) == event]:
            self._forget(ticker, self._at)

    def _forget(self, ticker: str, at: int) -> None:
        if self._from.pop(ticker, None) is not None:
            self._lost[ticker] = at

    def _said(self, at: int) -> Iterator[Row]:
        """What has to be written before anything of this moment: books that were lost, and those that are known where a day begins."""
        lost, self._lost = self._lost, {}
        for ticker, since in lost.items():
            yield from whole(ticker, since, 0, {})
        day = at // DAY_NS
        if day != self._day:
            first, self._day = not self._day, day
            for ticker in () if first else list(self._from):
                book = self._books[ticker]
                sides = {"yes": sorted(book.yes.items(), reverse=True), "no": sorted(book.no.items(), reverse=True)}
                yield from whole(ticker, day * DAY_NS, 0, sides)


def whole(ticker: str, at: int, seq: int, sides: dict[str, Any]) -> Iterator[Row]:
    """A snapshot's rows; an empty book is one row without side and price."""
    base = {"ticker": ticker, "ts_recv": at, "seq": seq, "is_snapshot": True}
    levels: list[tuple[str | None, Any, Any]] = [
        (side, price, size) for side, bids in sides.items() for price, size in bids
    ]
    for side, price, size in levels or [(None, None, None)]:
        yield base | {
            "side": side,
            "price": None if price is None else price / 10_000,
            "size": None if size is None else size / 100,
        }
