"""A second opinion on the best basket, written from the exchange's rules alone: plain walks, every count, every set.

Shares no code with the product. Integers for money, exact fractions for fees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import ceil, floor

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

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


@dataclass(frozen=True)
class Best:
    profit: int
    count: int
    legs: tuple[int, ...]


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
) -> Best | None:
    """The most profitable basket over every set of legs and every count, or None."""
    deepest = max((sum(size for _, size in asks) for asks in legs), default=0)
    counts = range(step, deepest + 1, step)
    costs = [{n: walk(asks, n, grid) for n in counts} for asks in legs]
    limits = [{n: at_limit(asks, n, grid) for n in counts} for asks in legs]
    everyone = tuple(range(len(legs)))
    sets = [everyone] if kind == "all_yes" else [s for k in range(2, len(legs) + 1) for s in combinations(everyone, k)]
    best: Best | None = None
    for chosen in sets:
        dollars = 1 if kind == "all_yes" else len(chosen) - 1
        for n in counts:
            parts = [costs[i][n] for i in chosen]
            worst = [limits[i][n] for i in chosen]
            if None in parts or None in worst:
                break
            pays, cost, ceiling = dollars * n * 10_000, sum(parts), sum(worst)
            if max_cost is not None and ceiling > max_cost:
                continue
            if max_leg is not None and max(worst) > max_leg:
                continue
            if pays - cost < min_profit or (pays - ceiling) * 1_000_000 < margin_ppm * ceiling:
                continue
            if best is None or pays - cost > best.profit:
                best = Best(pays - cost, n, chosen)
    return best


def best_by_program(legs: Sequence[Asks], kind: str) -> float:
    """What the best basket earns without any rounding and in any count: a mixed integer programme (HiGHS).

    An upper bound of every real basket, and the exact optimum but for rounding. Money.
    """
    levels = [(i, price, size) for i, asks in enumerate(legs) for price, size in asks]
    n_legs, n_levels = len(legs), len(levels)
    # variables: N, then per leg (count w, chosen z), then per level (taken x)
    size = 1 + 2 * n_legs + n_levels
    w, z, x = 1, 1 + n_legs, 1 + 2 * n_legs
    big = max((sum(s for _, s in asks) for asks in legs), default=0)
    cost = np.zeros(size)
    cost[0] = 10_000 if kind == "all_no" else -10_000
    rows: list[np.ndarray] = []
    low: list[float] = []
    high: list[float] = []

    def row(entries: dict[int, float], least: float, most: float) -> None:
        line = np.zeros(size)
        for at, number in entries.items():
            line[at] = number
        rows.append(line)
        low.append(least)
        high.append(most)

    for i in range(n_legs):
        if kind == "all_no":
            cost[w + i] = -10_000
        mine = {x + at: 1.0 for at, level in enumerate(levels) if level[0] == i}
        row({**mine, w + i: -1.0}, 0, 0)
        row({w + i: 1.0, z + i: -float(big)}, -np.inf, 0)
        row({w + i: 1.0, 0: -1.0}, -np.inf, 0)
        row({w + i: 1.0, 0: -1.0, z + i: -float(big)}, -float(big), np.inf)
        if kind == "all_yes":
            row({z + i: 1.0}, 1, 1)
    for at, (_, price, _) in enumerate(levels):
        cost[x + at] = price + float(RATE) * price * (10_000 - price) / 10_000
    upper = np.concatenate([[big], np.full(n_legs, big), np.ones(n_legs), [s for _, _, s in levels]])
    integrality = np.concatenate([[0], np.zeros(n_legs), np.ones(n_legs), np.zeros(n_levels)])
    result = milp(
        cost, constraints=LinearConstraint(np.array(rows), low, high), bounds=Bounds(0, upper), integrality=integrality
    )
    assert result.success, result.message
    return float(-result.fun)
