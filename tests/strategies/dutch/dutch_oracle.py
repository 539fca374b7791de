"""A second opinion on the best basket, written from the exchange's rules alone: plain walks, every count, every set.

Shares no code with the product. Integers for money, exact fractions for fees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

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
    tables = [_every_count(asks, step, grid, max_leg) for asks in legs]
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


def _every_count(asks: Asks, step: int, grid: int, max_leg: int | None) -> np.ndarray:
    """Rows of (count, cost, cost at the limit price), from nothing to all that is offered and allowed."""
    rows = [(0, 0, 0)]
    for count in range(step, sum(size for _, size in asks) + 1, step):
        limit, cost = at_limit(asks, count, grid), walk(asks, count, grid)
        if limit is None or cost is None or (max_leg is not None and limit > max_leg):
            break
        rows.append((count, cost, limit))
    return np.array(rows, dtype=np.int64)


class Rows:
    """Rows of a sparse constraint matrix."""

    def __init__(self) -> None:
        self.at: list[tuple[int, int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []

    def add(self, entries: dict[int, float], least: float, most: float) -> None:
        self.at += [(len(self.low), column, number) for column, number in entries.items()]
        self.low.append(least)
        self.high.append(most)

    def constraint(self, columns: int) -> LinearConstraint:
        rows, at, numbers = zip(*self.at, strict=True)
        return LinearConstraint(csr_array((numbers, (rows, at)), (len(self.low), columns)), self.low, self.high)


def best_by_program(
    legs: Sequence[Asks],
    kind: str,
    *,
    max_cost: int | None = None,
    margin_ppm: int = 0,
    max_legs: int | None = None,
    step: int = 0,
) -> float:
    """What the best basket earns without any rounding of fees: a mixed integer programme (HiGHS). Money.

    Variables: the payout N, what is taken of each level, whether a leg goes that deep, the count of each leg and what it costs
    at its limit price, that of its deepest level. ``step``: counts are multiples of it (0: any count).
    """
    levels = [(i, price, size) for i, asks in enumerate(legs) for price, size in asks]
    unit, n, everyone = step or 100, len(levels), range(len(legs))
    all_in = [price + float(RATE) * price * (10_000 - price) / 10_000 for _, price, _ in levels]
    depth = [sum(size for _, size in asks) / unit for asks in legs]
    taken, deep, count, limit = 1, 1 + n, 1 + 2 * n, 1 + 2 * n + len(legs)
    columns = limit + len(legs)
    no = kind == "all_no"
    gain, whole, upper = np.zeros(columns), np.zeros(columns), np.full(columns, np.inf)
    gain[0], upper[0] = -10_000 if no else 10_000, max(depth)
    gain[taken:deep] = [-price for price in all_in]
    whole[deep:count], upper[deep:count] = 1, 1
    whole[count:limit] = 1 if step else 0
    gain[count:limit] = 10_000 if no else 0
    rows = Rows()
    for i in everyone:
        own = [at for at, level in enumerate(levels) if level[0] == i]
        rows.add({count + i: -1.0, **{taken + at: 1.0 for at in own}}, 0, 0)
        rows.add({count + i: 1.0, 0: -1.0}, -np.inf if no else 0, 0)
        for at in own:
            rows.add({taken + at: 1.0, deep + at: -levels[at][2] / unit}, -np.inf, 0)
            big = all_in[at] * depth[i]
            rows.add({limit + i: 1.0, count + i: -all_in[at], deep + at: -big}, -big, np.inf)
        for before, at in pairwise(own):  # a level is reached only through the one before
            rows.add({taken + before: 1.0, deep + at: -levels[before][2] / unit}, 0, np.inf)
    limits = [limit + i for i in everyone]
    if max_cost is not None:
        rows.add(dict.fromkeys(limits, 1.0), -np.inf, max_cost / unit)
    pays = {count + i: 1e4 for i in everyone} | {0: -1e4} if no else {0: 1e4}
    rows.add({**pays, **dict.fromkeys(limits, -1.0 - margin_ppm / 1e6)}, 0, np.inf)
    if max_legs is not None:
        first = {level[0]: at for at, level in reversed(list(enumerate(levels)))}
        rows.add({deep + at: 1.0 for at in first.values()}, -np.inf, max_legs)
    result = milp(-gain, constraints=rows.constraint(columns), bounds=Bounds(0, upper), integrality=whole)
    assert result.success, result.message
    return float(-result.fun) * unit
