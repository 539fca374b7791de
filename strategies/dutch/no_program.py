"""NO on several outcomes under limits that couple the legs: capital, or a margin at the limit prices.

What a leg may cost is its count times its *limit* price, which jumps from level to level, so the counts are chosen by a mixed
integer programme: for each leg one level (its limit price) and a count within it. Without rounding of fees it is exact, and
its bound holds for real baskets too. Its proposal is then priced exactly, made to fit, and improved step by step.

Counts in 1/100 contract, Money in 1/1,000,000 dollar; inside the programme steps of counts and dollars.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Final

import numpy as np

from kalbot.common.units import DOLLAR_PRICE, PPM
from strategies.dutch.curve import E14
from strategies.dutch.no_counts import DOLLAR_E14, Counted, Gain
from strategies.dutch.program import Program

MONEY: Final = 1_000_000
FEW: Final = 100_000
"""Up to so many combinations of counts are all priced exactly."""


@dataclass(frozen=True, slots=True)
class Coupling:
    """``max_cost``: of all legs at their limit prices, Money. ``margin_ppm``: payout less that cost, in millionths of it."""

    max_cost: int | None
    margin_ppm: int
    most_legs: int | None = None


def best_coupled(gains: Sequence[Gain], coupling: Coupling) -> Counted | None:
    """The counts that earn most within ``coupling``, with what better ones could earn beyond that; None if there are none."""
    basket = _Priced(gains, coupling)
    if prod((gain.cap - gain.least) // gain.step + 2 for gain in gains) <= FEW:
        found, bound = basket.best_of_all(), 0.0
    else:
        proposed = _propose(gains, coupling)
        if proposed is None:
            return None
        found, bound = basket.improved(basket.fitting(proposed[0])), proposed[1]
        if found is None:  # what the limits leave is less than the rounding of fees: demand that much more
            proposed = _propose(gains, coupling, with_rounding=True)
            found = None if proposed is None else basket.improved(basket.fitting(proposed[0]))
    if found is None:
        return None
    profit = basket.profit(found)
    chosen = [i for i, count in enumerate(found) if count]
    gap = max(0, ceil(bound * MONEY - profit))
    return Counted(tuple(gains[i].curve for i in chosen), tuple(found[i] for i in chosen), profit, gap)


def _propose(
    gains: Sequence[Gain], coupling: Coupling, *, with_rounding: bool = False
) -> tuple[list[int], float] | None:
    """(counts, bound in dollars) by the programme. ``with_rounding``: what it proposes fits for sure, but may not be the best."""
    program, step = Program(), gains[0].step
    pays = step * DOLLAR_PRICE / MONEY
    largest = program.column(-pays, max(gain.cap for gain in gains) // step)
    takes: list[list[tuple[int, float]]] = []
    chosen: list[list[int]] = []
    for gain in gains:
        levels = list(_levels(gain))
        takes.append([])
        chosen.append([])
        for low, high, price, start in levels:
            take = program.column(pays - price, high, whole=True)
            choose = program.column(-start, 1.0, whole=True)
            program.at_most([(take, 1.0), (choose, -high)], 0.0)
            program.at_least([(take, 1.0), (choose, -low)], 0.0)
            takes[-1].append((take, price))
            chosen[-1].append(choose)
        program.at_most([(choose, 1.0) for choose in chosen[-1]], 1.0)
        program.at_most([*((take, 1.0) for take, _ in takes[-1]), (largest, -1.0)], 0.0)
    every = [entry for leg in takes for entry in leg]
    if with_rounding:
        every += [(c, (g.curve.fees.grid + 1) / MONEY) for g, leg in zip(gains, chosen, strict=True) for c in leg]
    if coupling.max_cost is not None:
        program.at_most(every, coupling.max_cost / MONEY)
    weight = 1.0 + coupling.margin_ppm / PPM
    paid = [(take, pays) for leg in takes for take, _ in leg]
    program.at_least([*paid, *((column, -weight * price) for column, price in every), (largest, -pays)], 0.0)
    legs = [(choose, 1.0) for leg in chosen for choose in leg]
    program.at_least(legs, 2)
    if coupling.most_legs is not None:
        program.at_most(legs, coupling.most_legs)
    solved = program.solve()
    if solved is None:
        return None
    return [round(sum(solved.values[take] for take, _ in leg)) * step for leg in takes], solved.bound


def _levels(gain: Gain) -> Iterator[tuple[int, int, float, float]]:
    """(least, most steps, dollars a step, dollars at count 0) of each price level that may be the last: in it the model cost
    of the leg is a straight line."""
    before, step = 0, gain.step
    for end in gain.curve.ends():
        price = gain.curve.worst_e14(end)
        least, most = max(-(-before // step), gain.least // step), min(end, gain.cap) // step
        if price >= DOLLAR_E14 or before >= gain.cap:
            return
        if least <= most:
            start = gain.curve.model_e14(before) - price * before
            yield least, most, price * step / E14 / MONEY, start / E14 / MONEY
        before = end


class _Priced:
    """Counts priced exactly: what they earn, and whether they keep to the coupling limits."""

    def __init__(self, gains: Sequence[Gain], coupling: Coupling) -> None:
        self.gains, self.coupling = gains, coupling
        self._costs: dict[tuple[int, int], tuple[int, int]] = {}

    def cost(self, leg: int, count: int) -> tuple[int, int]:
        """(cost, cost at the limit price)."""
        if not count:
            return 0, 0
        found = self._costs.get((leg, count))
        if found is None:
            curve = self.gains[leg].curve
            found = self._costs[leg, count] = sum(curve.cost(count)), curve.cost_at_limit(count)
        return found

    def profit(self, counts: Sequence[int]) -> int:
        """Payout in the floor less cost."""
        return self._pays(counts) - sum(self.cost(i, n)[0] for i, n in enumerate(counts))

    def fits(self, counts: Sequence[int]) -> bool:
        """Whether at least two legs are bought, within all limits."""
        legs = sum(1 for n in counts if n)
        at_limits = sum(self.cost(i, n)[1] for i, n in enumerate(counts))
        coupling = self.coupling
        return (
            2 <= legs <= (legs if coupling.most_legs is None else coupling.most_legs)
            and (coupling.max_cost is None or at_limits <= coupling.max_cost)
            and (self._pays(counts) - at_limits) * PPM >= coupling.margin_ppm * at_limits
        )

    @staticmethod
    def _pays(counts: Sequence[int]) -> int:
        return (sum(counts) - max(counts, default=0)) * DOLLAR_PRICE

    def best_of_all(self) -> list[int] | None:
        """The best of all combinations of counts, every one of them priced."""
        options = [[0, *range(gain.least, gain.cap + 1, gain.step)] for gain in self.gains]
        total, largest, cost, at_limits, legs = (np.zeros(1, dtype=np.int64) for _ in range(5))
        for i, counts in enumerate(options):
            costs = np.array([self.cost(i, n) for n in counts], dtype=np.int64)
            each = np.array(counts, dtype=np.int64)
            total, largest = np.add.outer(total, each).ravel(), np.maximum.outer(largest, each).ravel()
            cost, at_limits = np.add.outer(cost, costs[:, 0]).ravel(), np.add.outer(at_limits, costs[:, 1]).ravel()
            legs = np.add.outer(legs, each > 0).ravel()
        pays, coupling = (total - largest) * DOLLAR_PRICE, self.coupling
        fits = (legs >= 2) & ((pays - at_limits) * PPM >= coupling.margin_ppm * at_limits)
        if coupling.max_cost is not None:
            fits &= at_limits <= coupling.max_cost
        if coupling.most_legs is not None:
            fits &= legs <= coupling.most_legs
        if not fits.any():
            return None
        best = int(np.argmax(np.where(fits, pays - cost, np.iinfo(np.int64).min)))
        places = np.unravel_index(best, [len(counts) for counts in options])
        return [counts[int(place)] for counts, place in zip(options, places, strict=True)]

    def fitting(self, counts: Sequence[int]) -> list[int] | None:
        """``counts``, lowered step by step where a rounding broke a limit; None if that does not help."""
        now = list(counts)
        for _ in range(4 * len(now) + 20):
            if self.fits(now):
                return now
            lowered = [moved for moved in self._moves(now) if sum(moved) < sum(now)]
            if not lowered:
                return None
            now = next(filter(self.fits, lowered), max(lowered, key=self.profit))
        return None

    def improved(self, counts: list[int] | None) -> list[int] | None:
        """The best that single steps lead to: more or less of a leg, of the largest ones together, of two in exchange."""
        while counts is not None:
            earns = self.profit(counts)
            better = [m for m in self._moves(counts) if self.profit(m) > earns and self.fits(m)]
            if not better:
                return counts
            counts = max(better, key=self.profit)
        return None

    def _moves(self, counts: Sequence[int]) -> Iterator[list[int]]:
        """Neighbours: one leg a step up, down or out, and all of the largest ones a step up or down."""
        largest = max(counts, default=0)
        for i, gain in enumerate(self.gains):
            for count in {counts[i] + gain.step, counts[i] - gain.step, gain.least, 0} - {counts[i]}:
                if count == 0 or gain.least <= count <= gain.cap:
                    yield [*counts[:i], count, *counts[i + 1 :]]
        for by in (self.gains[0].step, -self.gains[0].step):
            moved = [n + by if n == largest else n for n in counts]
            if all(n == 0 or g.least <= n <= g.cap for n, g in zip(moved, self.gains, strict=True)):
                yield moved
