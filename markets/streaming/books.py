"""What the stream knows of the markets it watches in this epoch: books, quotes, doubts; and the records that readers get.

A book is *suspect* from the moment a gap, an impossible change or a contradiction is noticed until a snapshot mends it. Readers see the
doubt in the same write as anything else. Deltas of a suspect book are dropped: the snapshot will contain them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from markets.book import Book, BookError
from markets.prices import EVENT_KEY, PUBLISHED_LEVELS, QUOTE_KEY, MarketRecord, Quote

CROSSED_PATIENCE_MS: Final = 250
"""A book may look crossed between two deltas of one trade. It is published as suspect at once, but repaired only if it stays so."""

Levels = Iterable[tuple[int, int]]


class MarketState:
    """One watched market. Times are Unix milliseconds; ``seq`` is its subscription's, ``clock`` the market's own."""

    __slots__ = (
        "book",
        "clock",
        "crossed_since",
        "event",
        "exchange_ms",
        "has_book",
        "packed",
        "receive_ms",
        "seq",
        "snapshot_clock",
        "status",
        "suspect",
        "ticker",
        "yes_ask",
        "yes_bid",
    )

    def __init__(self, ticker: str, event: str, status: str = "active") -> None:
        self.ticker = ticker
        self.event = event
        self.status = status
        self.book = Book()
        self.forget()

    def forget(self) -> None:
        """Back to knowing nothing: a new epoch."""
        self.book.apply_snapshot((), ())
        self.has_book = False
        self.suspect = False
        self.seq = self.clock = self.snapshot_clock = self.exchange_ms = self.receive_ms = self.crossed_since = 0
        self.yes_bid: int | None = None
        self.yes_ask: int | None = None
        self.packed: bytes | None = None

    def record(self) -> MarketRecord:
        """What readers get."""
        depth = self.book.depth(PUBLISHED_LEVELS) if self.has_book else None
        return MarketRecord(
            self.ticker,
            self.status,
            self.yes_bid,
            self.yes_ask,
            self.seq,
            self.clock,
            self.exchange_ms,
            self.receive_ms,
            self.suspect or self.crossed_since > 0,
            self.has_book,
            depth.yes_bids if depth else (),
            depth.no_bids if depth else (),
        )


class Books:
    """All watched markets of one connection. Not thread-safe: it belongs to the receiving loop."""

    def __init__(self) -> None:
        self.epoch = ""
        self.markets: dict[str, MarketState] = {}
        self.events: dict[str, tuple[MarketState, ...]] = {}
        self.repair: set[str] = set()
        """Markets that need a snapshot."""
        self.dropped: set[str] = set()
        """Events that are not watched any more and whose records are to be removed; whoever removes them empties it."""
        self.doubted = 0
        self.ignored = 0
        self.moved: set[str] = set()
        """Events of which a best price changed; whoever reads it empties it."""
        self.quotes: dict[str, Quote] = {}
        """The last ticker of every market, watched or not."""
        self._changed: set[str] = set()
        self._quoted: set[str] = set()
        self._taken: set[str] = set()
        self._encoder = msgspec.msgpack.Encoder()

    # -- which markets ---------------------------------------------------------------------------------------------

    def start_epoch(self, epoch: str) -> None:
        """A new connection: nothing known before counts."""
        self.epoch = epoch
        self.repair.clear()
        self.moved.clear()
        self.quotes.clear()
        self._quoted.clear()
        self._taken.clear()
        for state in self.markets.values():
            state.forget()
        self._changed = set(self.events)

    def watch(self, event: str, statuses: Mapping[str, str]) -> None:
        """Keep the books of ``event``'s markets (ticker -> status). What is known of them already stays."""
        states = tuple(
            self.markets.get(ticker) or MarketState(ticker, event, status) for ticker, status in statuses.items()
        )
        if states == self.events.get(event):
            return
        for gone in set(self.events.get(event, ())) - set(states):
            self._drop(gone)
        for state in states:
            self.markets[state.ticker] = state
            quote = self.quotes.get(state.ticker)
            if quote is not None:
                state.yes_bid, state.yes_ask = quote.yes_bid, quote.yes_ask
        self.events[event] = states
        self.dropped.discard(event)
        self._changed.add(event)

    def unwatch(self, event: str) -> None:
        """Keep no books of ``event`` any more."""
        for state in self.events.pop(event, ()):
            self._drop(state)
        self._changed.discard(event)
        self.moved.discard(event)
        self.dropped.add(event)

    def set_status(self, ticker: str, status: str) -> None:
        """The exchange paused, opened or closed a market."""
        state = self.markets.get(ticker)
        if state is not None and state.status != status:
            state.status = status
            self._touch(state)

    # -- what the exchange says ------------------------------------------------------------------------------------

    def snapshot(self, ticker: str, yes: Levels, no: Levels, seq: int, clock: int, receive_ms: int) -> None:
        """A whole book; mends whatever was doubted."""
        state = self.markets.get(ticker)
        if state is None:
            self.ignored += 1
            return
        try:
            state.book.apply_snapshot(yes, no)
        except BookError:
            self.doubt((ticker,))
            return
        state.has_book, state.suspect, state.crossed_since = True, False, 0
        state.seq, state.receive_ms, state.exchange_ms = seq, receive_ms, receive_ms
        state.clock = state.snapshot_clock = clock
        self.repair.discard(ticker)
        self.moved.add(state.event)
        self._look(state, receive_ms)

    def delta(
        self, ticker: str, side: str, price: int, change: int, seq: int, clock: int, exchange_ms: int, receive_ms: int
    ) -> None:
        """One changed level. ``clock`` 0 = not sent; a delta that the snapshot contains already (its clock is not above the
        snapshot's, PROTOCOL 12.4) is ignored."""
        state = self.markets.get(ticker)
        if state is None or not state.has_book or state.suspect or 0 < clock <= state.snapshot_clock:
            self.ignored += 1
            return
        book = state.book
        best_yes, best_no = book.best_yes, book.best_no
        try:
            book.apply_delta(side, price, change)
        except BookError:
            self.doubt((ticker,))
            return
        if best_yes != book.best_yes or best_no != book.best_no:
            self.moved.add(state.event)
        state.seq, state.clock, state.exchange_ms, state.receive_ms = seq, clock, exchange_ms, receive_ms
        self._look(state, receive_ms)

    def quote(self, ticker: str, quote: Quote) -> None:
        """A ticker message of any market, watched or not."""
        self.quotes[ticker] = quote
        self._quoted.add(ticker)
        state = self.markets.get(ticker)
        if state is not None and (state.yes_bid, state.yes_ask) != (quote.yes_bid, quote.yes_ask):
            state.yes_bid, state.yes_ask = quote.yes_bid, quote.yes_ask
            self._touch(state)

    def doubt(self, tickers: Iterable[str]) -> None:
        """Mark books as suspect and ask for their repair."""
        for ticker in tickers:
            state = self.markets.get(ticker)
            if state is None:
                continue
            if not state.suspect:
                state.suspect = True
                self.doubted += 1
                self._touch(state)
            self.repair.add(ticker)

    def check_crossed(self, now_ms: int) -> None:
        """Send books that stay crossed to repair. Call it now and then."""
        lasting = [
            s.ticker
            for s in self.markets.values()
            if s.crossed_since and not s.suspect and now_ms - s.crossed_since > CROSSED_PATIENCE_MS
        ]
        self.doubt(lasting)

    # -- what readers get ------------------------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        return bool(self._changed or self._quoted)

    def touch_all(self) -> None:
        """Redis lost everything: the next flush writes every record again."""
        self._changed.update(self.events)
        self._quoted.update(self.quotes)

    def take_changes(self) -> tuple[dict[str, bytes], set[str]]:
        """The records to write, by key, and the events that changed. ``not_written`` undoes the taking."""
        changed, self._changed = self._changed, set()
        self._taken, self._quoted = self._quoted, set()
        encode, quotes = self._encoder.encode, self.quotes
        records = {QUOTE_KEY + ticker: encode(quotes[ticker]) for ticker in self._taken}
        for event in changed:
            records[EVENT_KEY + event] = encode(
                (self.epoch, [msgspec.Raw(self._pack(state)) for state in self.events[event]])
            )
        return records, changed

    def not_written(self, changed: Iterable[str]) -> None:
        """What was taken did not arrive: it stays changed."""
        self._changed.update(event for event in changed if event in self.events)
        self._quoted |= self._taken

    def _pack(self, state: MarketState) -> bytes:
        if state.packed is None:
            state.packed = self._encoder.encode(state.record())
        return state.packed

    def _look(self, state: MarketState, now_ms: int) -> None:
        if state.book.is_crossed():
            state.crossed_since = state.crossed_since or now_ms
        else:
            state.crossed_since = 0
        self._touch(state)

    def _touch(self, state: MarketState) -> None:
        state.packed = None
        self._changed.add(state.event)

    def _drop(self, state: MarketState) -> None:
        self.markets.pop(state.ticker, None)
        self.repair.discard(state.ticker)
