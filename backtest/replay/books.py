"""The books of a replay: those of the stream, less what the run has taken from them, as the source of its prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Final

from backtest.replay.own_orders import LevelKey, OwnOrders, OwnTrades
from kalbot.common.units import DOLLAR_PRICE
from markets.book import Depth, Level, Side
from markets.kalshi.vocabulary import COMBO_PREFIX
from markets.kalshi.ws.frames import BookSnapshot, FillFrame, TickerFrame, UserOrderFrame
from markets.prices import PUBLISHED_LEVELS, EventPrices, MarketPrice, Quote
from markets.streaming.state.books import Books
from markets.streaming.state.market_state import MarketState

SNAPSHOT: Final = "snapshot"
"""The epoch of books that were fetched one by one: they are as old as the oldest leg of their event."""

_change: Final = Books.change
_NO_LEVEL: Final = (0, 0)
_READ: Final = b""
"""In ``MarketState.packed``, which nothing packs here: its depth was read since it changed."""


class ReplayBooks(Books):
    """Books that remember what was taken, and call ``on_level`` for changes of levels in which an order rests.

    What was taken from a level is not there a second time. When the recorded level shrinks, it shrinks by what was taken first: the
    trade that shrank it met what we had already bought. A level that was gone and came back is new.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[LevelKey, int] = {}
        self.own = OwnOrders()
        self._own_trades = OwnTrades()
        self.followed: set[str] = set()
        """Markets of which a level was taken, in which an order rests, or where the recorded account had orders."""
        self.lost: Set[str] = frozenset()
        """Markets whose books are of another connection than the one that is read."""
        self._resting: dict[str, set[LevelKey]] = {}
        """Market -> levels in which an order rests, or once did."""
        self.on_level: Callable[[LevelKey, int, int], None] = lambda level, displayed, at_ms: None
        self._depths: dict[str, Depth] = {}

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
        """See Books."""
        if self.lost and ticker in self.lost:
            self.ignored += 1
            return
        _change(self, ticker, is_yes, price, change, seq, clock, ts_ms, at)
        if self.followed and ticker in self.followed:
            state = self.markets.get(ticker)
            if state is not None:
                levels = state.book.yes if is_yes else state.book.no
                self._seen((ticker, Side.YES if is_yes else Side.NO, price), levels.get(price, 0), ts_ms or at)

    def snapshot(self, frame: BookSnapshot, at: int) -> None:
        """See Books."""
        super().snapshot(frame, at)
        if frame.market_ticker in self.followed:
            self._seen_whole(frame.market_ticker, dict(frame.yes), dict(frame.no), at)

    def best(self, state: MarketState, yes: Level | None, no: Level | None, frame: TickerFrame, at: int) -> bool:
        """What ``snapshot`` does with a book of one level a side (None: nobody bids) and ``ticker`` with ``frame``, in one step: a tape of
        quotes has nothing else. Whether it is certain that nothing has changed by it but sizes, in which nobody has a part."""
        book, ticker = state.book, state.ticker
        yes_price, yes_count = yes or _NO_LEVEL
        no_price, no_count = no or _NO_LEVEL
        is_same = (
            book.best_yes == yes_price
            and book.best_no == no_price
            and state.has_book
            and not state.suspect
            and ticker not in self.followed
        )
        book.yes = {yes_price: yes_count} if yes_price else {}
        book.no = {no_price: no_count} if no_price else {}
        book.best_yes, book.best_no = yes_price, no_price
        if state.suspect:
            self.repair.discard(ticker)
        state.has_book, state.suspect = True, False
        state.seq += 1
        state.receive_ms = state.exchange_ms = at
        state.clock = state.snapshot_clock = 0
        state.packed = state.packed_yes = state.packed_no = None
        self.moved.add(state.event)
        self._changed.add(state.event)
        if state.crossed_since or yes_price + no_price >= DOLLAR_PRICE:
            self._check_crossing(state, at)
        if ticker in self.followed:
            self._seen_whole(ticker, book.yes, book.no, at)
        if ticker.startswith(COMBO_PREFIX):
            self.ignored += 1
            return is_same
        self.quotes[ticker] = frame, at
        self._quoted.add(ticker)
        state.yes_bid, state.yes_ask = frame.yes_bid, frame.yes_ask
        return is_same

    def set_status(self, ticker: str, status: str) -> None:
        """See Books. A market that can be traded again may make a basket pay without a move of its price."""
        super().set_status(ticker, status)
        state = self.markets.get(ticker)
        if state is not None:
            self.moved.add(state.event)

    def forget(self, tickers: Sequence[str]) -> None:
        """Nothing is known of these markets any more."""
        for ticker in tickers:
            state = self.markets.get(ticker)
            if state is not None:
                state.forget()
            self.quotes.pop(ticker, None)

    def take(self, ticker: str, side: Side, price: int, count: int) -> None:
        """Somebody of ours bought or sold ``count`` against the bid for ``side`` at ``price``."""
        level = (ticker, side, price)
        count = self._own_trades.less(level, count)
        if count:
            self.taken[level] = self.taken.get(level, 0) + count
        self.followed.add(ticker)
        self._depths.pop(ticker, None)

    def follow(self, level: LevelKey) -> None:
        """An order rests in this level: ``on_level`` is called for its changes."""
        self._resting.setdefault(level[0], set()).add(level)
        self.followed.add(level[0])

    def own_order(self, frame: UserOrderFrame) -> None:
        """An order of the account that recorded the tape: nobody else's liquidity."""
        self.own.seen(frame)
        self.followed.add(frame.ticker)
        self._depths.pop(frame.ticker, None)

    def own_trade(self, frame: FillFrame) -> None:
        """The account that recorded the tape took something itself, which made the recorded level less by as much."""
        self._own_trades.took(frame, self.taken)
        self._depths.pop(frame.market_ticker, None)

    def depth(self, state: MarketState) -> Depth:
        """The published part of a book, less what was taken and what was the recorded account's own."""
        found = self._depths.get(state.ticker) if state.packed is not None else None
        if found is None:
            found = state.book.depth(PUBLISHED_LEVELS)
            if state.ticker in self.followed:
                found = Depth(
                    self._left(state.ticker, Side.YES, found.yes_bids), self._left(state.ticker, Side.NO, found.no_bids)
                )
            self._depths[state.ticker] = found
            state.packed = _READ
        return found

    def _left(self, ticker: str, side: Side, levels: Sequence[Level]) -> tuple[Level, ...]:
        gone = self.own.resting(ticker, side)
        left = (
            (price, count - self.taken.get((ticker, side, price), 0) - gone.get(price, 0)) for price, count in levels
        )
        return tuple((price, count) for price, count in left if count > 0)

    def _seen_whole(self, ticker: str, yes: dict[int, int], no: dict[int, int], at: int) -> None:
        sides = {Side.YES: yes, Side.NO: no}
        taken = {level for level in self.taken if level[0] == ticker}
        for level in sorted(taken | self._resting.get(ticker, set())):
            self._seen(level, sides[level[1]].get(level[2], 0), at)

    def _seen(self, level: LevelKey, displayed: int, at: int) -> None:
        taken = self.taken.get(level)
        if taken is not None and displayed < taken:
            if displayed:
                self.taken[level] = displayed
            else:
                del self.taken[level]
        self.on_level(level, max(0, displayed - self.own.resting(level[0], level[1]).get(level[2], 0)), at)


class ReplayPrices:
    """What the engine reads instead of Redis. ``epochs`` says of each event which connection its books are of."""

    def __init__(self, books: ReplayBooks) -> None:
        self._books = books
        self.epochs: dict[str, str] = {}
        self.alive: dict[str, int] = {}
        """Epoch of an open connection -> receive time of its last frame, nanoseconds."""

    def events(self, event_tickers: Sequence[str]) -> dict[str, EventPrices]:
        """See markets.prices.Prices."""
        return {ticker: self._event(ticker) for ticker in event_tickers}

    def tickers(self, market_tickers: Sequence[str]) -> dict[str, Quote]:
        """See markets.prices.Prices. Where the tape has no ticker of a market, its book says what the ticker would."""
        found = {}
        quotes, markets = self._books.quotes, self._books.markets
        for ticker in market_tickers:
            known = quotes.get(ticker)
            if known is None:
                state = markets.get(ticker)
                if state is not None and state.has_book:
                    found[ticker] = self._of_book(state)
            else:
                q, at = known
                found[ticker] = Quote(
                    "", q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size, q.last_price, q.ts_ms, at
                )
        return found

    def _of_book(self, state: MarketState) -> Quote:
        if state.ticker in self._books.followed:
            depth = self._books.depth(state)
            yes, no = (levels[0] if levels else (None, 0) for levels in (depth.yes_bids, depth.no_bids))
        else:
            book = state.book
            yes = (book.best_yes, book.yes[book.best_yes]) if book.best_yes else (None, 0)
            no = (book.best_no, book.no[book.best_no]) if book.best_no else (None, 0)
        ask = None if no[0] is None else DOLLAR_PRICE - no[0]
        return Quote("", yes[0], ask, yes[1], no[1], None, state.exchange_ms, state.receive_ms)

    def _event(self, ticker: str) -> EventPrices:
        states, epoch = self._books.events.get(ticker), self.epochs.get(ticker, "")
        if not states or not epoch:
            return EventPrices(ticker, epoch, False, 0, {})
        if epoch == SNAPSHOT:
            alive_ms = min((state.receive_ms for state in states if state.has_book), default=0)
        elif epoch in self.alive:
            alive_ms = self.alive[epoch] // 1_000_000
        else:
            return EventPrices(ticker, epoch, False, 0, {})
        return EventPrices(ticker, epoch, True, alive_ms, {state.ticker: self._market(state) for state in states})

    def _market(self, state: MarketState) -> MarketPrice:
        return MarketPrice(
            state.ticker,
            self._books.depth(state) if state.has_book else None,
            state.yes_bid,
            state.yes_ask,
            state.seq,
            state.clock,
            state.exchange_ms,
            state.receive_ms,
            state.suspect or state.crossed_since > 0,
            state.status,
        )
