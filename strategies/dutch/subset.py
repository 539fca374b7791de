"""Which outcomes belong to a basket of NO, or to a coverage basket.

NO on k outcomes pays k - 1 dollars a set, so each leg whose cost stays under a dollar adds ``1 - cost`` to a basket
that starts one dollar short: legs are worth having one by one, and the best set *for a given count* is simply all of
them. As the count grows through the depth the set shrinks, so the candidates are the sets at the counts where a level
ends. Capital, margin and leg limits couple the legs again; then small events try every set, large ones the sets that
are best per dollar, and the search reports what it may have missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from kalbot.common.units import DOLLAR_PRICE
from strategies.dutch.curve import E14, Curve

EVERY_SET_UP_TO = 8
"""Events with at most this many useful outcomes have every set tried."""

Chosen = tuple[Curve, ...]


def touch(curve: Curve) -> int:
    """Model cost of the first 1/100 contract, x 10**14."""
    return curve.marginal_e14(0)


def no_sets(curves: Sequence[Curve], *, every: bool, max_legs: int | None = None) -> list[Chosen]:
    """Sets of k >= 2 NO legs that can be the best one. ``every``: limits couple the legs, so try more sets."""
    dollar = DOLLAR_PRICE * E14
    useful = sorted((c for c in curves if c.levels and touch(c) < dollar), key=touch)
    found: dict[Chosen, None] = {}
    for count in sorted({end for curve in useful for end in curve.ends()}):
        worth = tuple(c for c in useful if c.total >= count and c.model_e14(count) < dollar * count)
        if len(worth) < 2:
            break
        found[worth] = None
    if every or (max_legs is not None and len(useful) > max_legs):
        top = len(useful) if max_legs is None else min(max_legs, len(useful))
        found.update((tuple(useful[:k]), None) for k in range(2, top + 1))
        if len(useful) <= EVERY_SET_UP_TO:
            found.update((pick, None) for k in range(2, top + 1) for pick in combinations(useful, k))
    kept = [chosen for chosen in found if max_legs is None or len(chosen) <= max_legs]
    return kept or nearest_no_set(curves, max_legs)


def nearest_no_set(curves: Sequence[Curve], max_legs: int | None = None) -> list[Chosen]:
    """The set that comes nearest to paying at the touch: every leg under a dollar, and at least the two cheapest."""
    priced = sorted((c for c in curves if c.levels), key=touch)
    if len(priced) < 2:
        return []
    useful = [c for c in priced if touch(c) < DOLLAR_PRICE * E14]
    return [tuple(priced[: max(2, min(len(useful), max_legs or len(useful)))])]


def coverage_sets(
    curves: Sequence[Curve], chance: Mapping[str, float], threshold: float, max_legs: int | None = None
) -> list[Chosen]:
    """Sets of YES legs whose outcomes win with at least ``threshold``, fewer than all outcomes of the event.

    Small events: every such set. Large ones: all legs with a positive expectation, then the cheapest way per
    probability to the threshold, then whatever is not needed for it dropped again.
    """
    priced = [c for c in curves if c.levels]
    if len(priced) <= EVERY_SET_UP_TO:
        top = len(priced) if max_legs is None else min(max_legs, len(priced))
        sets: Iterable[Chosen] = (s for k in range(1, top + 1) for s in combinations(priced, k))
    else:
        sets = _greedy_cover(priced, chance, threshold)
    return [
        s
        for s in sets
        if sum(chance[c.ticker] for c in s) >= threshold and (max_legs is None or len(s) <= max_legs)
    ]


def _greedy_cover(priced: Sequence[Curve], chance: Mapping[str, float], threshold: float) -> list[Chosen]:
    def loss(curve: Curve) -> float:
        return touch(curve) / E14 / DOLLAR_PRICE - chance[curve.ticker]

    ranked = sorted(priced, key=lambda c: loss(c) / max(chance[c.ticker], 1e-9))
    chosen, covered = [], 0.0
    for curve in ranked:
        if loss(curve) > 0 and covered >= threshold:
            break
        chosen.append(curve)
        covered += chance[curve.ticker]
    for curve in sorted(chosen, key=loss, reverse=True):
        if loss(curve) > 0 and covered - chance[curve.ticker] >= threshold:
            chosen.remove(curve)
            covered -= chance[curve.ticker]
    return [tuple(chosen)]
