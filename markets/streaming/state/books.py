"""What the stream knows of the markets in this epoch: books of the watched ones, quotes of all; and the records readers get.

A book is *suspect* from the moment a gap, an impossible change or a contradiction is noticed until a snapshot repairs it. Readers see
the mark in the same write as anything else. Deltas of a suspect book are dropped: the snapshot will contain them.

This is the inner loop of the stream, so a few lines here are longer than they would be elsewhere; what they cost is in ``bench/stream.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from markets.book import BookError
from markets.kalshi.vocabulary import COMBO_PREFIX, Side
from markets.kalshi.ws.frames import BookDelta, BookSnapshot, TickerFrame
from markets.prices.layout import EVENT_KEY, QUOTE_KEY, digest, record_of
from markets.streaming.state.market_state import MarketState

CROSSED_PATIENCE_MS: Final = 250
"""A book may be crossed between two deltas of one trade. It is published as suspect at once, but repaired only if it stays so."""

_YES: Final = Side.YES


class Books:
    """All markets of one connection. Not thread-safe: it belongs to the receiving loop. Times are Unix milliseconds."""

    def __init__(self) -> None:
        self.epoch = ""
        self.markets: dict[str, MarketState] = {}
        self.events: dict[str, tuple[MarketState, ...]] = {}
        self.repair: set[str] = set()
        """Markets that need a snapshot."""
        self.moved: set[str] = set()
        """Events of which a best price changed; whoever reads it empties it."""
        self.dropped: set[str] = set()
        """Events that are not watched any more and whose records are to be removed; whoever removes them empties it."""
        self.quotes: dict[str, tuple[TickerFrame, int]] = {}
        """The last ticker of every market, watched or not, and when it came."""
        self.suspected = 0
        self.ignored = 0
        self._crossed: set[MarketState] = set()
        self._changed: set[str] = set()
        self._quoted: set[str] = set()
        self._taken: set[str] = set()
        self._digests: dict[str, tuple[tuple[MarketState, ...], bytes]] = {}
        self._encode = msgspec.msgpack.Encoder().encode

    # -- which markets ---------------------------------------------------------------------------------------------

    def start_epoch(self, epoch: str) -> None:
        """A new connection: nothing known before counts."""
        self.epoch = epoch
        for group in (self.repair, self.moved, self.quotes, self._crossed, self._quoted, self._taken):
            group.clear()
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
                state.yes_bid, state.yes_ask = quote[0].yes_bid, quote[0].yes_ask
        self.events[event] = states
        self.dropped.discard(event)
        self._changed.add(event)

    def unwatch(self, event: str) -> None:
        """Keep no books of ``event`` any more."""
        for state in self.events.pop(event, ()):
            self._drop(state)
        self._changed.discard(event)
        self._digests.pop(event, None)
        self.moved.discard(event)
        self.dropped.add(event)

    def set_status(self, ticker: str, status: str) -> None:
        """The exchange paused, opened or closed a market."""
        state = self.markets.get(ticker)
        if state is not None and state.status != status:
            state.status = status
            self._touch(state)

    # -- what the exchange says ------------------------------------------------------------------------------------

    def snapshot(self, frame: BookSnapshot, at: int) -> None:
        """A whole book; repairs a suspect one."""
        state = self.markets.get(frame.market_ticker)
        if state is None:
            self.ignored += 1
            return
        try:
            state.book.apply_snapshot(frame.yes, frame.no)
        except BookError:
            self.mark_suspect((state.ticker,))
            return
        state.has_book, state.suspect = True, False
        state.seq, state.receive_ms, state.exchange_ms = frame.seq, at, at
        state.clock = state.snapshot_clock = frame.clock or 0
        state.packed_yes = state.packed_no = None
        self.repair.discard(state.ticker)
        self.moved.add(state.event)
        self._check_crossing(state, at)
        self._touch(state)

    def delta(self, frame: BookDelta, at: int) -> None:
        """One changed level: see ``change``."""
        is_yes = frame.side is _YES
        self.change(frame.market_ticker, is_yes, frame.price, frame.delta, frame.seq, frame.clock, frame.ts_ms, at)

    def change(
        self,
        ticker: str,
        is_yes: bool,
        price: int,
        change: int,
        seq: int,
        clock: int | None,
        ts_ms: int | None,
        at: int,
    ) -> None:
        """Add ``change`` to one level. One that the snapshot contains already (its clock is not above the snapshot's,
        docs/kalshi-protocol.md 12.4) is ignored, and so is any of a suspect book."""
        state = self.markets.get(ticker)
        if state is None or not state.has_book or state.suspect:
            self.ignored += 1
            return
        if clock:
            if clock <= state.snapshot_clock:
                self.ignored += 1
                return
            state.clock = clock
        try:
            if is_yes:
                is_best = state.book.apply_delta("yes", price, change)
                state.packed_yes = None
            else:
                is_best = state.book.apply_delta("no", price, change)
                state.packed_no = None
        except BookError:
            self.mark_suspect((ticker,))
            return
        if is_best:
            self.moved.add(state.event)
            self._check_crossing(state, at)
        state.seq = seq
        state.receive_ms = at
        state.exchange_ms = ts_ms or at
        state.packed = None
        self._changed.add(state.event)

    def ticker(self, frame: TickerFrame, at: int) -> None:
        """A ticker message of any market, watched or not."""
        name = frame.market_ticker
        if name.startswith(COMBO_PREFIX):
            self.ignored += 1
            return
        self.quotes[name] = (frame, at)
        self._quoted.add(name)
        state = self.markets.get(name)
        if state is not None and (state.yes_bid != frame.yes_bid or state.yes_ask != frame.yes_ask):
            state.yes_bid, state.yes_ask = frame.yes_bid, frame.yes_ask
            self._touch(state)

    def mark_suspect(self, tickers: Iterable[str]) -> None:
        """Mark books as suspect; they are listed in ``repair``."""
        for ticker in tickers:
            state = self.markets.get(ticker)
            if state is None:
                continue
            if not state.suspect:
                state.suspect = True
                self.suspected += 1
                self._touch(state)
            self.repair.add(ticker)

    def check_crossed(self, now_ms: int) -> None:
        """Send books that stay crossed to repair. Call it now and then."""
        patience = now_ms - CROSSED_PATIENCE_MS
        self.mark_suspect([s.ticker for s in self._crossed if not s.suspect and s.crossed_since < patience])

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
        encode, epoch, raw = self._encode, self.epoch, msgspec.Raw
        of_epoch = digest(epoch)
        records: dict[str, bytes] = {}
        for ticker in self._taken:
            quote, at = self.quotes[ticker]
            records[QUOTE_KEY + ticker] = encode(
                (
                    epoch,
                    quote.yes_bid,
                    quote.yes_ask,
                    quote.yes_bid_size,
                    quote.yes_ask_size,
                    quote.last_price,
                    quote.ts_ms or at,
                    at,
                )
            )
        for event in changed:
            states = self.events[event]
            markets = [raw(state.packed or state.pack(encode)) for state in states]
            tops = [price for state in states for price in (state.yes_top, state.no_top)]
            sound = all(state.is_sound for state in states)
            body = encode((epoch, markets))
            records[EVENT_KEY + event] = record_of(
                self._names(event), epoch, tops, body, sound=sound, of_epoch=of_epoch
            )
        return records, changed

    def _names(self, event: str) -> bytes:
        """The digest of the tickers of an event, kept while it has these markets."""
        states = self.events[event]
        known = self._digests.get(event)
        if known is None or known[0] is not states:
            known = self._digests[event] = (states, digest(*(state.ticker for state in states)))
        return known[1]

    def not_written(self, changed: Iterable[str]) -> None:
        """What was taken did not arrive: it stays changed."""
        self._changed.update(event for event in changed if event in self.events)
        self._quoted |= self._taken

    def _check_crossing(self, state: MarketState, at: int) -> None:
        if not state.book.is_crossed():
            state.crossed_since = 0
            self._crossed.discard(state)
        elif not state.crossed_since:
            state.crossed_since = at
            self._crossed.add(state)

    def _touch(self, state: MarketState) -> None:
        state.packed = None
        self._changed.add(state.event)

    def _drop(self, state: MarketState) -> None:
        self.markets.pop(state.ticker, None)
        self.repair.discard(state.ticker)
        self._crossed.discard(state)
