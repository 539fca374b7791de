"""A second opinion on the best basket, written from the exchange's rules alone: plain walks, every count, every set.

Shares no code with the product. Integers for money, exact fractions for fees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

RATE = Fraction(7, 100)
Asks = Sequence[tuple[int, int]]
"""(price 1/10,000 dollar, count 1/100 contract), cheapest first."""


@dataclass
class Order:
    """One taking order, fill by fill, as the exchange's fee rounding page describes it."""

    grid: int
    multiplier: Fraction = Fraction(1)
    paid: int = 0
    fees: int = 0
    carried: int = 0

    def fill(self, price: int, count: int) -> None:
        dollars = Fraction(price, 10_000)
        trade = ceil(RATE * self.multiplier * Fraction(count, 100) * dollars * (1 - dollars) * 1_000_000)
        revenue = -price * count
        aligned = floor(Fraction(revenue - trade, self.grid)) * self.grid
        rounding = revenue - trade - aligned
        self.carried += rounding
        rebate = 0
        while self.carried - rebate >= self.grid and trade + rounding - rebate - self.grid >= 0:
            rebate += self.grid
        self.carried -= rebate
        self.paid += price * count
        self.fees += trade + rounding - rebate

    @property
    def cost(self) -> int:
        return self.paid + self.fees


def walk(asks: Asks, count: int, grid: int) -> int | None:
    """Cost of buying ``count``; None if the book is not that deep."""
    order = Order(grid)
    for price, size in asks:
        taken = min(size, count)
        if taken:
            order.fill(price, taken)
        count -= taken
    return None if count else order.cost


def at_limit(asks: Asks, count: int, grid: int) -> int | None:
    """Cost if all of ``count`` filled at the price of its last contract."""
    left = count
    for price, size in asks:
        left -= size
        if left <= 0:
            order = Order(grid)
            order.fill(price, count)
            return order.cost
    return None


def best_by_force(
    legs: Sequence[Asks],
    kind: str,
    *,
    step: int,
    grid: int,
    min_profit: int = 1,
    margin_ppm: int = 0,
    max_cost: int | None = None,
    max_leg: int | None = None,
    max_legs: int | None = None,
) -> int | None:
    """Profit of the best basket over every count of every leg, or None. YES: the same count of each; NO: any counts."""
    tables = [every_count(asks, step, grid, max_leg) for asks in legs]
    if kind == "all_yes":
        shared = min((len(table) for table in tables), default=0)
        cost, limit = (sum(table[1:shared, column] for table in tables) for column in (1, 2))
        pays = tables[0][1:shared, 0] * 10_000
    else:
        total, most, cost, limit, used = (np.zeros(1, dtype=np.int64) for _ in range(5))
        for table in tables:
            total = np.add.outer(total, table[:, 0]).ravel()
            most = np.maximum.outer(most, table[:, 0]).ravel()
            cost = np.add.outer(cost, table[:, 1]).ravel()
            limit = np.add.outer(limit, table[:, 2]).ravel()
            used = np.add.outer(used, table[:, 0] > 0).ravel()
        allowed = used <= (len(legs) if max_legs is None else max_legs)
        pays, cost, limit = ((total - most) * 10_000)[allowed], cost[allowed], limit[allowed]
    good = (pays - cost >= min_profit) & ((pays - limit) * 1_000_000 >= margin_ppm * limit)
    if max_cost is not None:
        good &= limit <= max_cost
    return int((pays - cost)[good].max()) if good.any() else None


def every_count(asks: Asks, step: int, grid: int, max_leg: int | None) -> np.ndarray:
    """Rows of (count, cost, cost at the limit price), from nothing to all that is offered and allowed."""
    rows = [(0, 0, 0)]
    for count in range(step, sum(size for _, size in asks) + 1, step):
        limit, cost = at_limit(asks, count, grid), walk(asks, count, grid)
        if limit is None or cost is None or (max_leg is not None and limit > max_leg):
            break
        rows.append((count, cost, limit))
    return np.array(rows, dtype=np.int64)
