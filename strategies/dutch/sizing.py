"""How much: the count of a given set of legs that earns most, through real depth and with exact fees.

Why the search is short and still exact (``docs/mathematics.md``): without fee rounding the cost of a leg is convex in
its count, so profit rises and then falls, and between two price levels it is a straight line. Rounding only ever adds
cost. So on each line the better end is tried first, then counts beside it, until the line without rounding (an upper
bound) is no better than the best found.

Counts in 1/100 contract, Money in 1/1,000,000 dollar, ``_e14`` is Money x 10**14.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kalbot.common.units import PPM
from strategies.dutch.curve import E14, Curve, cost_at_limits, cost_of, model_of_e14

MOST_TRIES = 5_000
"""Counts tried on one straight line; beyond that the possible gain is bounded and reported."""

Demand = tuple[int, int]
"""(payout of 1/100 contract of the basket x 10**14, least margin in ppm): must hold at limit prices."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one size. Money limits hold at limit prices: an order may cost that much. None: no limit."""

    step: int
    least: int
    max_cost: int | None = None
    max_cost_per_leg: int | None = None
    max_count: int | None = None


@dataclass(frozen=True, slots=True)
class Sized:
    """A count and its money. ``holds``: every demand holds at limit prices. ``gap``: what a better count could add."""

    count: int
    cost: int
    cost_at_limits: int
    profit_e14: int
    holds: bool
    gap: int = 0


def first_count(bounds: Bounds) -> int:
    """The smallest count on the step grid that is allowed."""
    return -(-max(bounds.least, 1) // bounds.step) * bounds.step


def largest_count(curves: Sequence[Curve], bounds: Bounds) -> int:
    """The largest count on the step grid that depth, count and money limits allow; 0 if none."""
    top = min((curve.total for curve in curves), default=0)
    if bounds.max_count is not None:
        top = min(top, bounds.max_count)
    return _last(top // bounds.step, lambda k: fits(curves, k * bounds.step, bounds)) * bounds.step


def fits(curves: Sequence[Curve], count: int, bounds: Bounds) -> bool:
    """Whether ``count`` of every leg respects the money limits at limit prices."""
    if bounds.max_cost is None and bounds.max_cost_per_leg is None:
        return True
    costs = [curve.cost_at_limit(count) for curve in curves]
    if bounds.max_cost is not None and sum(costs) > bounds.max_cost:
        return False
    return bounds.max_cost_per_leg is None or max(costs) <= bounds.max_cost_per_leg


def _last(top: int, holds: Callable[[int], bool]) -> int:
    """The largest k in 0..top for which ``holds``, which is true up to some k and false beyond."""
    low = 0
    while low < top:
        middle = (low + top + 1) // 2
        if holds(middle):
            low = middle
        else:
            top = middle - 1
    return low


def _gallop(top: int, holds: Callable[[int], bool]) -> int:
    """``_last``, found from below in growing steps: what is wanted is usually near the best prices."""
    reach = 1
    while reach < top and holds(reach):
        reach *= 2
    return _last(min(reach, top), holds)


def best_size(curves: Sequence[Curve], pays_e14: int, bounds: Bounds, demands: Sequence[Demand] = ()) -> Sized | None:
    """The count that earns most when each 1/100 contract of the basket pays ``pays_e14``; None if no count fits.

    A count that meets the ``demands`` comes before any that does not. The result may lose money: the caller judges it,
    and needs it to say how near it came.
    """
    least, top = first_count(bounds), largest_count(curves, bounds)
    if top < least:
        return None
    ends = _line_ends(curves, least, top, bounds.step)
    search = _Search(curves, pays_e14, bounds.step, demands or ((pays_e14, 0),))
    last = len(ends) - 1
    peak = _gallop(last, lambda k: search.upper(ends[k]) > search.upper(ends[k - 1]))
    if search.can_hold(ends[0]):
        last = _gallop(last, lambda k: search.can_hold(ends[k]))
    search.around(ends, min(peak, last), last)
    return search.result()


def _line_ends(curves: Sequence[Curve], least: int, top: int, step: int) -> list[int]:
    """Counts on the grid between which no price level ends; a level that ends inside a step gets both neighbours."""
    below = {end // step * step for curve in curves for end in curve.ends()}
    inside = {end // step * step + step for curve in curves for end in curve.ends() if end % step}
    return sorted({least, top, *(end for end in below | inside if least < end < top)})


class _Search:
    """The best count so far (``best``), and the best that misses a demand (``nearest``)."""

    __slots__ = ("_upper", "best", "curves", "demands", "missed_e14", "nearest", "pays_e14", "step")

    def __init__(self, curves: Sequence[Curve], pays_e14: int, step: int, demands: Sequence[Demand]) -> None:
        self.curves, self.pays_e14, self.step, self.demands = curves, pays_e14, step, demands
        self.best: Sized | None = None
        self.nearest: Sized | None = None
        self.missed_e14 = 0
        self._upper: dict[int, int] = {}

    def upper(self, count: int) -> int:
        """Profit x 10**14 without rounding: no real profit at ``count`` is higher."""
        found = self._upper.get(count)
        if found is None:
            found = self._upper[count] = self.pays_e14 * count - model_of_e14(self.curves, count)
        return found

    def can_hold(self, count: int) -> bool:
        """Whether the demands could hold at the limit prices of ``count`` if nothing were rounded."""
        at_limits = sum([curve.worst_e14(count) for curve in self.curves])
        return all((pays - at_limits) * PPM >= margin * at_limits for pays, margin in self.demands)

    def around(self, ends: Sequence[int], best: int, last: int) -> None:
        """Try the line that ends at ``ends[best]``, then its neighbours on both sides while they can still win."""
        self._try_line(ends, best)
        at = best - 1
        while at >= 0 and not self._beaten(ends[at]):
            self._try_line(ends, at)
            at -= 1
        at = best + 1
        while at <= last and not (self._beaten(ends[at - 1]) and self._beaten(ends[at])):
            self._try_line(ends, at)
            at += 1

    def _beaten(self, count: int) -> bool:
        kept = self.best or (None if self.can_hold(count) else self.nearest)
        return kept is not None and self.upper(count) <= kept.profit_e14

    def _try_line(self, ends: Sequence[int], at: int) -> None:
        """Try the counts after ``ends[at - 1]`` up to ``ends[at]``, the better end first."""
        end, step = ends[at], self.step
        start = ends[at - 1] if at else end - step
        possible = self.can_hold(end)
        if not possible and self.best is not None:
            return
        rises = self.upper(end) > self.upper(start)
        counts = range(end, start, -step) if rises else range(start + step, end + 1, step)
        for tried, count in enumerate(counts):
            kept = self.best if possible else self.nearest
            upper = self.upper(count)
            if kept is not None and upper <= kept.profit_e14:
                return
            if tried >= MOST_TRIES:
                self.missed_e14 = max(self.missed_e14, upper - (kept.profit_e14 if kept else 0))
                return
            self._try(count)

    def _try(self, count: int) -> None:
        cost = cost_of(self.curves, count)
        profit = self.pays_e14 * count - cost * E14
        if self.best is not None and profit <= self.best.profit_e14:
            return
        at_limits = cost_at_limits(self.curves, count)
        holds = all((pays * count - at_limits * E14) * PPM >= margin * at_limits * E14 for pays, margin in self.demands)
        sized = Sized(count, cost, at_limits, profit, holds)
        if holds:
            self.best = sized
        elif self.nearest is None or profit > self.nearest.profit_e14:
            self.nearest = sized

    def result(self) -> Sized | None:
        kept = self.best or self.nearest
        if kept is None or self.missed_e14 <= 0:
            return kept
        return Sized(
            kept.count, kept.cost, kept.cost_at_limits, kept.profit_e14, kept.holds, -(-self.missed_e14 // E14)
        )
