"""NO on several outcomes: how many of each, in closed form.

At most one outcome wins, so the basket pays the sum of its counts less the largest. Let N be the largest count. Up to N a leg
earns on its own, ``count - cost``, and the basket starts N dollars short: every leg is bought up to N as long as its next
contract costs under a dollar. So for each N the best counts are known at once, each leg by itself and with its exact fees,
and only N is searched: between two level ends the earnings without rounding (a bound of the real ones) are convex, so N is
tried from the ends of each line inwards until that bound is no better than the best found. Any number of legs.

Where an account cannot send so many orders, the legs that earn most at N are taken. Counts in 1/100 contract, Money in
1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kalbot.common.units import DOLLAR_PRICE
from strategies.dutch.curve import E14, Curve
from strategies.dutch.sizing import Bounds, largest_count

DOLLAR_E14: Final = DOLLAR_PRICE * E14
"""What 1/100 contract pays when it wins, x 10**14."""

MOST_TRIES: Final = 2_000
"""Values of N tried on one line, and counts tried of one leg; beyond that the possible gain is bounded and reported."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counted:
    """Legs with their counts and what they earn in the floor; no counts earn more than ``gap`` (Money) beyond that."""

    legs: tuple[Curve, ...]
    counts: tuple[int, ...]
    profit: int
    gap: int = 0


class Gain:
    """What one leg earns on its own: its count in dollars less its cost. ``top``: the count beyond which a contract costs a
    dollar or more; ``cap``, on the grid: what depth and limits allow; ``counts``, ``earned``: the earnings without rounding
    at each level end, Money."""

    __slots__ = ("_known", "cap", "counts", "curve", "earned", "least", "missed", "step", "top")

    def __init__(self, curve: Curve, bounds: Bounds) -> None:
        self.curve, self.step = curve, bounds.step
        self.least = -(-max(bounds.least, curve.market.min_count, 1) // bounds.step) * bounds.step
        self.cap = largest_count([curve], bounds)
        useful = [end for end in curve.ends() if curve.worst_e14(end) < DOLLAR_E14]
        self.top = useful[-1] if useful else 0
        ends = sorted({min(end, self.cap) for end in (0, *useful)})
        self.counts = np.array(ends, dtype=np.float64)
        self.earned = np.array([(DOLLAR_E14 * n - curve.model_e14(n)) / E14 for n in ends])
        self.missed = 0.0
        self._known: dict[int, tuple[int, int]] = {}

    def best(self, most: int) -> tuple[int, int]:
        """(what it earns, Money, with which count) of at most ``most``; (0, 0) where nothing is earned."""
        start = min(most // self.step * self.step, self.cap, -(-self.top // self.step) * self.step)
        found = self._known.get(start)
        if found is None:
            found = self._known[start] = self._best(start)
        return found

    def _best(self, start: int) -> tuple[int, int]:
        earned, with_count = 0, 0
        for tried, count in enumerate(range(start, self.least - 1, -self.step)):
            bound = DOLLAR_E14 * count - self.curve.model_e14(count)
            if count <= self.top and bound <= earned * E14:
                break
            if tried >= MOST_TRIES:
                self.missed = max(self.missed, bound / E14 - earned)
                break
            real = DOLLAR_PRICE * count - sum(self.curve.cost(count))
            if real > earned:
                earned, with_count = real, count
        return earned, with_count


def gains_of(curves: Sequence[Curve], bounds: Bounds) -> list[Gain]:
    """The legs that can be bought in at least their least count and cost under a dollar."""
    priced = (Gain(curve, bounds) for curve in curves if curve.bids and curve.touch_e14 < DOLLAR_E14)
    return [gain for gain in priced if gain.cap >= gain.least]


def best_counts(gains: Sequence[Gain], most_legs: int | None = None) -> Counted | None:
    """The counts that earn most, whatever they cost in all; None if no two legs can be bought together.

    The result may lose money by a rounding: the caller judges it.
    """
    if len(gains) < 2 or (most_legs is not None and most_legs < 2):
        return None
    search = _Search(gains, most_legs)
    ends = _ends(gains)
    uppers = [0.0, *search.uppers(np.array(ends, dtype=np.float64)).tolist()]
    lines = sorted(pairwise(zip([0, *ends], uppers, strict=True)), key=lambda line: -max(line[0][1], line[1][1]))
    for line in lines:
        if search.beats(max(line[0][1], line[1][1])):
            break
        search.try_line(*line)
    return search.result()


def _ends(gains: Sequence[Gain]) -> list[int]:
    """Counts on the grid between which no leg's price changes; a level that ends inside a step gets both neighbours."""
    step, most = gains[0].step, max(gain.cap for gain in gains)
    inside = {int(end) // step * step for gain in gains for end in gain.counts}
    return sorted(end for end in inside | {end + step for end in inside} if 0 < end <= most)


class _Search:
    """The best N so far."""

    def __init__(self, gains: Sequence[Gain], most_legs: int | None) -> None:
        self.gains, self.step = gains, gains[0].step
        self.most_legs = len(gains) if most_legs is None else min(most_legs, len(gains))
        self.best: int | None = None
        self.profit = 0
        self.missed = 0.0

    def uppers(self, largest: Floats) -> Floats:
        """No real profit at these N is higher, Money."""
        earned = np.array([np.interp(largest, gain.counts, gain.earned) for gain in self.gains])
        if self.most_legs < len(self.gains):
            earned = np.partition(earned, len(self.gains) - self.most_legs, axis=0)[-self.most_legs :]
        return np.asarray(earned.sum(axis=0) - largest * DOLLAR_PRICE + 0.5)

    def beats(self, upper: float) -> bool:
        """Whether nothing with this bound can be better than the best found."""
        return self.best is not None and upper <= self.profit

    def try_line(self, start: tuple[int, float], end: tuple[int, float]) -> None:
        """Try the N after ``start`` up to ``end`` (each with its bound), from both ends inwards."""
        up, down = range(start[0] + self.step, end[0] + 1, self.step), range(end[0], start[0], -self.step)
        for counts in (down, up) if end[1] >= start[1] else (up, down):
            for tried, count in enumerate(counts):
                upper = float(self.uppers(np.array([count], dtype=np.float64))[0])
                if self.beats(upper):
                    break
                if tried >= MOST_TRIES:
                    self.missed = max(self.missed, upper, start[1], end[1])
                    break
                self._try(count)
            else:
                return

    def _try(self, largest: int) -> None:
        chosen = self._chosen(largest)
        profit = sum(earned for earned, _, _ in chosen) - DOLLAR_PRICE * max((n for _, n, _ in chosen), default=0)
        if len(chosen) >= 2 and (self.best is None or profit > self.profit):
            self.best, self.profit = largest, profit

    def _chosen(self, largest: int) -> list[tuple[int, int, int]]:
        """(earned, count, leg) of the legs that earn something at N, the most first where not all may be taken."""
        found = [(*gain.best(largest), i) for i, gain in enumerate(self.gains)]
        return [entry for entry in sorted(found, key=lambda e: -e[0])[: self.most_legs] if entry[0] > 0]

    def result(self) -> Counted | None:
        if self.best is None:
            return None
        chosen = sorted(self._chosen(self.best), key=lambda entry: entry[2])
        missed = self.missed - self.profit if self.missed else 0.0
        gap = max(0.0, missed) + sum(gain.missed for gain in self.gains)
        return Counted(
            tuple(self.gains[i].curve for _, _, i in chosen),
            tuple(count for _, count, _ in chosen),
            self.profit,
            int(-(-gap // 1)),
        )
