"""Which outcomes belong to a coverage basket, and near which count: exact for any number of outcomes.

All legs have the same count N. Between two price levels the cost of each leg is a straight line, so for a given set of
legs the expected profit is one too, and the best N lies at an end of such a line, or where the capital ends. So each line gets a
bound first (fractions of legs allowed: a sort), and the most promising lines get a small integer programme that chooses the
set under every demand, until no line left can beat the best basket found. The set is then sized exactly, with its fees.

Counts in 1/100 contract, Money in 1/1,000,000 dollar. Costs here are without rounding, and so bounds of the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kalbot.common.units import DOLLAR_PRICE, PPM
from strategies.dutch.curve import E14, Curve
from strategies.dutch.program import Program, Terms
from strategies.dutch.sizing import Bounds, first_count, largest_count

MONEY: Final = 1_000_000
TOLERANCE: Final = 2e-6
"""The solver keeps to a row within a millionth."""

Floats = NDArray[np.float64]
Chosen = tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a coverage basket must meet: probability covered, profit if a covered outcome wins (Money), that profit and the
    expected one in millionths of the cost at the limits, and the most legs."""

    threshold: float
    min_profit: int
    margin_ppm: int
    expected_margin_ppm: int
    most_legs: int


@dataclass(frozen=True, slots=True)
class Line:
    """Counts after ``start`` up to ``end`` between which no price changes. ``bound``: no set earns more there, Money."""

    start: int
    end: int
    bound: float


class CoverageSearch:
    """Lines of counts with their bounds, and the best set on one of them."""

    def __init__(self, curves: Sequence[Curve], chance: Mapping[str, float], bounds: Bounds, wanted: Wanted) -> None:
        self.bounds, self.wanted = bounds, wanted
        self.first = first_count(bounds)
        alone = Bounds(bounds.step, bounds.least, bounds.max_cost, bounds.max_cost_per_leg, bounds.max_count)
        caps = [(curve, largest_count([curve], alone)) for curve in curves if curve.bids]
        least = {curve: max(self.first, curve.market.min_count) for curve, _ in caps}
        self.legs = [(curve, cap) for curve, cap in caps if cap >= least[curve]]
        self.chance = np.array([chance[curve.ticker] for curve, _ in self.legs])

    def lines(self) -> list[Line]:
        """Every line on which a set might meet the demands, the most promising first."""
        ends = self._ends()
        if not ends:
            return []
        bounds = self._bounds(np.array(ends, dtype=np.float64))
        found = [Line(self.first - self.bounds.step, ends[0], bounds[0])]
        found += [Line(a, b, max(u, v)) for (a, u), (b, v) in pairwise(zip(ends, bounds, strict=True))]
        return sorted((line for line in found if line.bound > -np.inf), key=lambda line: -line.bound)

    def _ends(self) -> list[int]:
        """Counts on the grid between which no price level ends; one inside a step gets both neighbours."""
        step = self.bounds.step
        inside = {min(end, cap) // step * step for curve, cap in self.legs for end in curve.ends()}
        top = max((cap for _, cap in self.legs), default=0)
        return sorted(end for end in inside | {end + step for end in inside} | {self.first} if self.first <= end <= top)

    def _bounds(self, counts: Floats) -> list[float]:
        """For each count, what no set of legs can be expected to earn more than; -inf where none covers enough for less
        than it pays."""
        lost = np.empty((len(self.legs), len(counts)))
        for i, (curve, cap) in enumerate(self.legs):
            knots = [0, *curve.ends()]
            costs = [curve.model_e14(end) / E14 for end in knots]
            cost = np.interp(counts, knots, costs)
            lost[i] = np.where(counts <= cap, cost - self.chance[i] * counts * DOLLAR_PRICE, np.inf)
        return [_bound(lost[:, j], self.chance, self.wanted.threshold) for j in range(len(counts))]

    def best_on(self, line: Line) -> tuple[Chosen, float] | None:
        """(the best set on the line, what no set there earns more than); None if none meets the demands."""
        found = self._choose(line, free=False)
        if found is None:
            return None
        cap = self.bounds.max_cost
        if cap is not None and sum(self._price(c, line.end) for c in found[0]) * line.end > cap:
            return self._choose(line, free=True)
        return found

    @staticmethod
    def _price(curve: Curve, count: int) -> float:
        """Money for 1/100 contract at the limit price of ``count``."""
        return curve.worst_e14(count) / E14

    def _choose(self, line: Line, *, free: bool) -> tuple[Chosen, float] | None:
        """By a programme. ``free``: the count may be any on the line, within the capital; else it is the line's end."""
        low, high = (max(line.start + self.bounds.step, self.first) if free else line.end), line.end
        legs = [(i, curve) for i, (curve, cap) in enumerate(self.legs) if cap >= high]
        for threshold in (self.wanted.threshold, self.wanted.threshold + TOLERANCE):
            solved = self._solve(legs, low, high, threshold, free)
            if solved is None or sum(self.chance[i] for i in solved[0]) >= self.wanted.threshold:
                break
        if solved is None:
            return None
        return tuple(self.legs[i][0] for i in solved[0]), solved[1]

    def _solve(
        self, legs: Sequence[tuple[int, Curve]], low: int, high: int, threshold: float, free: bool
    ) -> tuple[list[int], float] | None:
        """(legs, bound in Money). Contracts and dollars inside."""
        wanted, program = self.wanted, Program()
        count = program.column(0.0, high / 100, lower=low / 100, whole=low < high and self.bounds.step % 100 == 0)
        choose: list[tuple[int, int]] = []
        costs: list[tuple[int, float]] = []
        limits: list[tuple[int, float]] = []
        expected: list[tuple[int, float]] = []
        for i, curve in legs:
            price = self._price(curve, high) * 100 / MONEY
            start = curve.model_e14(high) / E14 / MONEY - price * high / 100
            fair = float(self.chance[i])
            pick = program.column(-start, 1.0, whole=True)
            take = program.column(fair - price, high / 100)
            choose.append((i, pick))
            costs += [(pick, start), (take, price)]
            limits.append((take, price))
            expected.append((take, price * (1 + wanted.expected_margin_ppm / PPM) - fair))
            _same_count(program, pick, take, count, low / 100, high / 100)
        program.at_least([(pick, float(self.chance[i])) for i, pick in choose], threshold)
        program.at_most([(pick, 1.0) for _, pick in choose], wanted.most_legs)
        program.at_most(
            [*((take, price * (1 + wanted.margin_ppm / PPM)) for take, price in limits), (count, -1.0)], 0.0
        )
        program.at_most(expected, 0.0)
        program.at_most([*costs, (count, -1.0)], -wanted.min_profit / MONEY)
        if free and self.bounds.max_cost is not None:
            program.at_most(limits, self.bounds.max_cost / MONEY)
        solved = program.solve()
        if solved is None:
            return None
        return [i for i, pick in choose if solved.values[pick] > 0.5], solved.bound * MONEY


def _same_count(program: Program, pick: int, take: int, count: int, low: float, high: float) -> None:
    """take = count if the leg is picked, else 0; exact, because ``pick`` is 0 or 1 and ``count`` between low and high."""
    rows: tuple[tuple[Terms, float], ...] = (
        ([(take, 1.0), (pick, -high)], 0.0),
        ([(take, -1.0), (pick, low)], 0.0),
        ([(take, 1.0), (count, -1.0), (pick, -low)], -low),
        ([(take, -1.0), (count, 1.0), (pick, high)], high),
    )
    for terms, limit in rows:
        program.at_most(terms, limit)


def _bound(lost: Floats, chance: Floats, threshold: float) -> float:
    """Legs that gain, and fractions of the legs that cover most cheaply up to the threshold: what that earns, Money."""
    usable = np.isfinite(lost)
    gains = usable & (lost <= 0)
    earned, covered = -float(lost[gains].sum()), float(chance[gains].sum())
    if covered >= threshold:
        return earned
    others = np.flatnonzero(usable & (lost > 0) & (chance > 0))
    order = others[np.argsort(lost[others] / chance[others])]
    reached = covered + np.cumsum(chance[order])
    whole = int(np.searchsorted(reached, threshold - TOLERANCE))
    if whole == len(order):
        return -np.inf
    earned -= float(lost[order[:whole]].sum())
    missing = threshold - (covered if whole == 0 else float(reached[whole - 1]))
    return earned - float(lost[order[whole]]) * max(0.0, missing) / float(chance[order[whole]])
