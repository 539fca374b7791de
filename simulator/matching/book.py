"""One market's book: resting orders by price and time, quoted in YES prices.

A bid buys YES; an ask at price p sells YES, which is a NO bid at 1 - p. ``changed`` is called for every change of a level
with (side, price, signed change, the order that caused it).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Protocol

from simulator.units import ONE

BID, ASK = "bid", "ask"


class Resting(Protocol):
    """What the book needs to know of an order."""

    order_id: str
    book_side: str
    price: int
    remaining: int


class MarketMakerOrder:
    """An order of the simulated market makers and takers: unlimited cash, nobody's account."""

    __slots__ = ("book_side", "order_id", "price", "remaining", "tag")

    def __init__(self, order_id: str, book_side: str, price: int, remaining: int, tag: str = "") -> None:
        self.order_id, self.book_side, self.price, self.remaining, self.tag = order_id, book_side, price, remaining, tag


class Level:
    """Orders of one price, oldest first, and their total."""

    __slots__ = ("orders", "total")

    def __init__(self) -> None:
        self.orders: dict[str, Resting] = {}
        self.total = 0


Changed = Callable[[str, int, int, "Resting | None"], None]


class Book:
    """Price-time ordered resting orders of both sides."""

    __slots__ = ("changed", "levels", "prices")

    def __init__(self, changed: Changed | None = None) -> None:
        self.levels: dict[str, dict[int, Level]] = {BID: {}, ASK: {}}
        self.prices: dict[str, list[int]] = {BID: [], ASK: []}
        self.changed = changed

    def best_bid(self) -> int | None:
        """Highest YES bid, or None: a side without a level has no price."""
        prices = self.prices[BID]
        return prices[-1] if prices else None

    def best_ask(self) -> int | None:
        """Lowest YES ask, or None."""
        prices = self.prices[ASK]
        return prices[0] if prices else None

    def best(self, side: str) -> int | None:
        return self.best_bid() if side == BID else self.best_ask()

    def size(self, side: str, price: int | None) -> int:
        """Total count resting at a price."""
        if price is None:
            return 0
        level = self.levels[side].get(price)
        return level.total if level else 0

    def add(self, order: Resting) -> None:
        """Rest an order at the end of its level's queue."""
        side, price = order.book_side, order.price
        level = self.levels[side].get(price)
        if level is None:
            level = self.levels[side][price] = Level()
            insort(self.prices[side], price)
        level.orders[order.order_id] = order
        level.total += order.remaining
        self._notify(side, price, order.remaining, order)

    def reduce(self, order: Resting, by: int) -> None:
        """Take ``by`` off a resting order; an order that reaches zero leaves the book."""
        side, price = order.book_side, order.price
        level = self.levels[side][price]
        order.remaining -= by
        level.total -= by
        if order.remaining <= 0:
            del level.orders[order.order_id]
        if not level.orders:
            del self.levels[side][price]
            prices = self.prices[side]
            del prices[bisect_left(prices, price)]
        self._notify(side, price, -by, order)

    def remove(self, order: Resting) -> int:
        """Take an order out of the book without touching its remaining count; returns what it had."""
        had = order.remaining
        self.reduce(order, had)
        order.remaining = had
        return had

    def resting(self, order: Resting) -> bool:
        level = self.levels[order.book_side].get(order.price)
        return level is not None and order.order_id in level.orders

    def crossing(self, side: str, limit: int) -> Iterator[Level]:
        """Levels that an incoming order of ``side`` at ``limit`` may take, best first. Mutate only the yielded level."""
        while True:
            best = self.best_ask() if side == BID else self.best_bid()
            if best is None or (best > limit if side == BID else best < limit):
                return
            yield self.levels[ASK if side == BID else BID][best]

    def available(self, side: str, limit: int) -> int:
        """Count that an incoming order of ``side`` could take at ``limit`` or better."""
        other = ASK if side == BID else BID
        levels = self.levels[other]
        if side == BID:
            return sum(levels[p].total for p in self.prices[ASK] if p <= limit)
        return sum(levels[p].total for p in self.prices[BID] if p >= limit)

    def crosses(self, side: str, limit: int) -> bool:
        best = self.best_ask() if side == BID else self.best_bid()
        return best is not None and (best <= limit if side == BID else best >= limit)

    def queue_ahead(self, order: Resting) -> int:
        """Count resting before an order at its own price."""
        ahead = 0
        for other in self.levels[order.book_side][order.price].orders.values():
            if other.order_id == order.order_id:
                break
            ahead += other.remaining
        return ahead

    def yes_levels(self) -> list[tuple[int, int]]:
        """YES bids as (price, count), ascending: the wire's order."""
        levels = self.levels[BID]
        return [(p, levels[p].total) for p in self.prices[BID]]

    def no_levels(self) -> list[tuple[int, int]]:
        """NO bids as (NO price, count), ascending."""
        levels = self.levels[ASK]
        return [(ONE - p, levels[p].total) for p in reversed(self.prices[ASK])]

    def orders(self, side: str) -> Iterator[Resting]:
        """All resting orders of a side by price, then time (a copy, so the book may change meanwhile)."""
        for price in list(self.prices[side]):
            level = self.levels[side].get(price)
            if level:
                yield from list(level.orders.values())

    def _notify(self, side: str, price: int, change: int, order: Resting | None) -> None:
        if self.changed is not None:
            self.changed(side, price, change, order)
