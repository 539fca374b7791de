"""Order flow of single orders around a fair value that only the simulator knows: what a resting order meets.

Makers come and go, so the queue ahead of an order shrinks by cancels far more than by trades; takers who know nothing trade at
the touch, now and then through several levels; when the fair value jumps, takers who know it are mostly faster than the makers
and take what stands on the wrong side, resting orders of the account included. Sizes and the ratio of cancels to trades are
those of 57 minutes of a busy recorded market (2026-08-11): 1.5 trades a second, of what leaves the book one part in a hundred
is traded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from simulator.core import ExchangeCore
from simulator.listing.model import ACTIVE, Market
from simulator.matching.book import ASK, BID, MarketMakerOrder
from simulator.matching.engine import execute_market_maker
from simulator.units import ONE

STEP_MS = 100
HALF_SPREAD = 1
"""Ticks between the fair value and the best that a maker offers."""
MARGIN = 12
"""Ticks that the fair value keeps from the ends of the grid."""
DEEPEST = 60
"""Makers' orders on one side."""
_SHARES = (0.0, 0.10, 0.25, 0.50, 0.75, 0.90, 0.99, 1.0)
_TRADES = (1, 10, 284, 1_000, 2_538, 5_925, 42_107, 42_107)
_ORDERS = (1, 10, 800, 2_300, 6_100, 10_000, 200_000, 200_000)
"""Sizes (1/100 contract) of recorded trades and orders at those shares."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Rates in events a second; ``sweep`` is the share of takers who go through several levels, ``informed`` the chance that
    somebody who knows of a jump is faster than the makers; ``walk``: how far the values of a whole event walk, as a share of ordinary
    ones."""

    trades: float
    orders: float
    sweep: float
    jumps: float
    ticks: tuple[int, int]
    informed: float
    walk: float


KINDS = {
    "benign": Kind(trades=1.5, orders=25.0, sweep=0.10, jumps=0.0, ticks=(1, 1), informed=0.0, walk=0.2),
    "informed": Kind(trades=1.5, orders=25.0, sweep=0.10, jumps=0.4, ticks=(3, 6), informed=0.9, walk=2.0),
    "thin": Kind(trades=0.05, orders=1.0, sweep=0.05, jumps=0.01, ticks=(1, 4), informed=0.7, walk=0.2),
}


class OrderFlow:
    """The flow of one market. ``fair`` is the value of YES in 1/10,000 dollar, on the grid.

    ``pace``: by how much there are fewer orders and makers than in the recording, ``taker_pace`` fewer trades. ``value``: what ``fair``
    follows, where the market is one of an event with values of its own; whoever knows that it moved is as fast as at a jump.
    """

    def __init__(
        self,
        exchange: ExchangeCore,
        market: Market,
        kind: str,
        pace: float = 1.0,
        value: Callable[[], float] | None = None,
        taker_pace: float | None = None,
    ) -> None:
        book = exchange.books[market.ticker]
        bid, ask = book.best_bid() or 0, book.best_ask() or ONE
        self.exchange, self.market, self.kind = exchange, market, KINDS[kind]
        self.rng: Random = exchange.streams.stream(f"order flow {market.ticker}")
        self.tick = market.tick(ONE // 2)
        self.pace, self.value = pace, value
        self.taker_pace = taker_pace or pace
        self.margin = MARGIN if value is None else 2 * HALF_SPREAD
        self.deepest = max(6, round(DEEPEST / pace))
        self.fair = self._inside((bid + ask) // 2 if value is None else round(value()))
        self.stopped = False
        market.quoted = False
        for side in (BID, ASK):
            for order in list(book.orders(side)):
                if isinstance(order, MarketMakerOrder):
                    book.remove(order)
        for _ in range(self.deepest):
            self._arrive()

    def step(self) -> None:
        """A tenth of a second."""
        if self.stopped:
            return
        self.exchange.timers.at(self.exchange.now() + STEP_MS, self.step)
        if self.market.status != ACTIVE or not self.exchange.state.trading_active(
            self.exchange.now(), self.market.shard
        ):
            return
        if self.value is not None:
            self._move_to(self._inside(round(self.value())))
        elif self._happens(self.kind.jumps):
            self._jump()
        if self._happens(self.kind.trades / self.taker_pace):
            self._take()
        for _ in range(self._number(self.kind.orders / self.pace)):
            self._arrive()
        self._leave()

    def _inside(self, price: int) -> int:
        """The price on the grid, away from its ends."""
        kept = self.margin * self.tick
        return min(max(price // self.tick * self.tick, kept), ONE - kept)

    def _happens(self, a_second: float) -> bool:
        return self.rng.random() < a_second * STEP_MS / 1000

    def _number(self, a_second: float) -> int:
        whole, rest = divmod(a_second * STEP_MS / 1000, 1)
        return int(whole) + (self.rng.random() < rest)

    def _size(self, sizes: tuple[int, ...]) -> int:
        """A recorded size, between the listed shares in proportion."""
        share = self.rng.random()
        at = bisect_right(_SHARES, share) - 1
        low, high = sizes[at], sizes[at + 1]
        return max(1, round(low + (high - low) * (share - _SHARES[at]) / (_SHARES[at + 1] - _SHARES[at])))

    def _jump(self) -> None:
        by = self.rng.choice((-1, 1)) * self.rng.randint(*self.kind.ticks) * self.tick
        self._move_to(self._inside(self.fair + by))

    def _move_to(self, fair: int) -> None:
        """The fair value moves; who knows it takes what is now on the wrong side, then the makers follow."""
        by = fair - self.fair
        if not by:
            return
        self.fair = fair
        side = BID if by > 0 else ASK
        limit = self.fair - self.tick if side == BID else self.fair + self.tick
        if self.rng.random() < self.kind.informed:
            there = self.exchange.books[self.market.ticker].available(side, limit)
            if there:
                execute_market_maker(self.exchange, self.market, side, limit, there, rest=False)
        book = self.exchange.books[self.market.ticker]
        for order in list(book.orders(ASK if side == BID else BID)):
            wrong = order.price <= self.fair if side == BID else order.price >= self.fair
            if wrong and isinstance(order, MarketMakerOrder):
                book.remove(order)
        for _ in range(max(3, round(10 / self.pace))):
            self._arrive()

    def _take(self) -> None:
        """Somebody who knows nothing buys or sells at the touch, or through several levels."""
        side = self.rng.choice((BID, ASK))
        book = self.exchange.books[self.market.ticker]
        touch = book.best_ask() if side == BID else book.best_bid()
        if touch is None:
            return
        size = self._size(_TRADES)
        if self.rng.random() < self.kind.sweep:
            touch += (1 if side == BID else -1) * self.rng.randint(4, 8) * self.tick
            size = max(size, book.available(side, touch) * 9 // 10)
        execute_market_maker(self.exchange, self.market, side, min(max(touch, 1), ONE - 1), size, rest=False)

    def _arrive(self) -> None:
        """A maker rests an order, more often near the fair value than far from it."""
        side = self.rng.choice((BID, ASK))
        away = HALF_SPREAD + min(int(self.rng.expovariate(0.6)), MARGIN - HALF_SPREAD - 1)
        price = self.fair + (-away if side == BID else away) * self.tick
        count = self._size(_ORDERS)
        if self.market.valid_price(price):
            execute_market_maker(self.exchange, self.market, side, price, count, rest=True)

    def _leave(self) -> None:
        """Makers cancel wherever they stand in the queue, so that about as many go as come."""
        book = self.exchange.books[self.market.ticker]
        for side in (BID, ASK):
            makers = [order for order in book.orders(side) if isinstance(order, MarketMakerOrder)]
            excess = max(0, len(makers) - self.deepest)
            leaving = excess + self._number(self.kind.orders * 0.45 / self.pace)
            for order in self.rng.sample(makers, min(len(makers), leaving)):
                if len(makers) > 3:
                    book.remove(order)


def start(
    exchange: ExchangeCore,
    market: Market,
    kind: str,
    pace: float = 1.0,
    value: Callable[[], float] | None = None,
    taker_pace: float | None = None,
) -> OrderFlow:
    """Let a market have this flow from now on, instead of what it had."""
    stop(exchange, market.ticker)
    flow = exchange.order_flows[market.ticker] = OrderFlow(exchange, market, kind, pace, value, taker_pace)
    exchange.timers.at(exchange.now() + STEP_MS, flow.step)
    return flow


def stop(exchange: ExchangeCore, ticker: str) -> None:
    """No flow any more; the book stays as it is."""
    flow = exchange.order_flows.pop(ticker, None)
    if flow is not None:
        flow.stopped = True
