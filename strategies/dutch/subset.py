"""Sets of outcomes: all of them where they are few, the cheapest where one is only wanted to say how near a basket is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from strategies.dutch.curve import Curve
from strategies.dutch.no_counts import DOLLAR_E14

EVERY_SET_UP_TO = 8
"""Events with at most this many outcomes have every coverage set tried, rounding of fees and all."""

Chosen = tuple[Curve, ...]


def nearest_no_set(curves: Sequence[Curve], most: int | None = None) -> Chosen:
    """The set that comes nearest to paying at the touch: every leg under a dollar (the cheapest ``most``), and at least the
    two cheapest.

    Fewer than two if fewer have an ask.
    """
    priced = sorted((c for c in curves if c.bids), key=lambda c: c.touch_e14)
    useful = sum(1 for c in priced if c.touch_e14 < DOLLAR_E14)
    return tuple(priced[: max(2, useful if most is None else min(useful, most))])


def every_cover(curves: Sequence[Curve], chance: Mapping[str, float], threshold: float, most: int) -> list[Chosen]:
    """Every set of at most ``most`` YES legs with an ask whose outcomes win with at least the threshold."""
    priced = [c for c in curves if c.bids]
    sets = (chosen for k in range(1, min(most, len(priced)) + 1) for chosen in combinations(priced, k))
    return [chosen for chosen in sets if sum(chance[c.ticker] for c in chosen) >= threshold]


def cheap_cover(curves: Sequence[Curve], chance: Mapping[str, float], threshold: float) -> Chosen:
    """A cheap set at the best prices that reaches the threshold, if all legs with an ask do: the cheapest way per
    probability, and whatever is not needed for it dropped again. Not the best one."""
    priced = [c for c in curves if c.bids]
    loss = {c: c.touch_e14 / DOLLAR_E14 - chance[c.ticker] for c in priced}
    chosen: list[Curve] = []
    covered = 0.0
    for curve in sorted(priced, key=lambda c: loss[c] / max(chance[c.ticker], 1e-9)):
        if covered >= threshold:
            break
        chosen.append(curve)
        covered += chance[curve.ticker]
    for curve in sorted(chosen, key=lambda c: loss[c], reverse=True):
        if loss[curve] > 0 and covered - chance[curve.ticker] >= threshold:
            chosen.remove(curve)
            covered -= chance[curve.ticker]
    return tuple(chosen)
