"""Which outcomes belong to a basket of NO, or to a coverage basket.

NO on k outcomes pays k - 1 dollars a set, so each leg that costs less than a dollar adds ``1 - cost`` to a basket that
starts one dollar short: legs are worth having one by one, and the best set *for a given count* is simply all of those.
For a given set the best count lies where a level ends. So the sets that are best at the counts where some level ends
contain the best set.

Capital, margins and limits on a leg couple the legs again. Then small events try every set; large ones also the
cheapest two, three, ... legs, and ``no_bound`` says what the best basket can earn at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from kalbot.common.units import DOLLAR_PRICE
from strategies.dutch.curve import E14, Curve, cost_of, touch_of_e14

EVERY_SET_UP_TO = 8
"""Events with at most this many useful outcomes have every set tried where limits couple the legs."""

DOLLAR_E14 = DOLLAR_PRICE * E14
"""What 1/100 contract pays when it wins, x 10**14."""

Chosen = tuple[Curve, ...]


def nearest_no_set(curves: Sequence[Curve], max_legs: int | None = None) -> Chosen:
    """The set that comes nearest to paying at the touch: every leg under a dollar, and at least the two cheapest.

    Fewer than two if fewer have an ask.
    """
    priced = sorted((c for c in curves if c.bids), key=lambda c: c.touch_e14)
    useful = sum(1 for c in priced if c.touch_e14 < DOLLAR_E14)
    return tuple(priced[: max(2, min(useful, max_legs or useful))])


def no_sets(
    curves: Sequence[Curve], step: int, *, coupled: bool, max_count: int | None = None, max_legs: int | None = None
) -> list[Chosen]:
    """Sets of k >= 2 NO legs among which the best one is, ordered from the widest."""
    useful = sorted((c for c in curves if c.bids and c.touch_e14 < DOLLAR_E14), key=lambda c: c.touch_e14)
    found: dict[Chosen, None] = {}
    for count in _counts(useful, step, max_count):
        reach = [c for c in useful if c.total >= count]
        gains = {c: DOLLAR_PRICE * count - cost_of([c], count) for c in reach}
        worth = tuple(c for c in reach if gains[c] > 0)
        likely = tuple(c for c in reach if c.model_e14(count) < DOLLAR_E14 * count)
        found[worth] = found[likely] = None
        # Per contract no leg gets cheaper with the count: once all gains together miss the dollar, they always will.
        if sum(DOLLAR_E14 * count - c.model_e14(count) for c in likely) <= DOLLAR_E14 * count:
            break
    top = len(useful) if max_legs is None else min(max_legs, len(useful))
    if coupled or top < len(useful):
        found.update((tuple(useful[:k]), None) for k in range(2, top + 1))
        if len(useful) <= EVERY_SET_UP_TO:
            found.update((pick, None) for k in range(2, top + 1) for pick in combinations(useful, k))
    return [chosen for chosen in found if 2 <= len(chosen) <= top]


def _counts(useful: Sequence[Curve], step: int, max_count: int | None) -> list[int]:
    ends = {end // step * step for c in useful for end in c.ends()}
    ends |= {end + step for end in ends} | {step}
    if max_count is not None:
        ends = {end for end in ends if end <= max_count} | {max_count // step * step}
    return sorted(end for end in ends if end > 0)


def no_bound(curves: Sequence[Curve], max_cost: int | None) -> int:
    """Money that no NO basket of these legs can earn more than: without rounding, step or limits other than ``max_cost``."""
    useful = sorted((c for c in curves if c.bids and c.touch_e14 < DOLLAR_E14), key=lambda c: c.touch_e14)
    best = 0
    for count in sorted({end for c in useful for end in c.ends()}):
        gains = sum(max(0, DOLLAR_E14 * count - c.model_e14(count)) for c in useful if c.total >= count)
        best = max(best, gains - DOLLAR_E14 * count)
    if max_cost is not None:
        ratios = [((k - 1) * DOLLAR_E14, touch_of_e14(useful[:k])) for k in range(2, len(useful) + 1)]
        by_cost = max(((pays - cost) * max_cost * E14 // cost for pays, cost in ratios), default=0)
        best = min(best, max(0, by_cost))
    return -(-best // E14)


def coverage_sets(
    curves: Sequence[Curve], chance: Mapping[str, float], threshold: float, max_legs: int | None = None
) -> list[Chosen]:
    """Sets of YES legs whose outcomes win with at least ``threshold`` in all.

    Small events: every such set. Large ones: all legs with a positive expectation, then the cheapest way per
    probability to the threshold, then whatever is not needed for it dropped again.
    """
    priced = [c for c in curves if c.bids]
    if len(priced) <= EVERY_SET_UP_TO:
        sets: Iterable[Chosen] = (s for k in range(1, len(priced) + 1) for s in combinations(priced, k))
    else:
        sets = [_greedy_cover(priced, chance, threshold)]
    return [
        s
        for s in sets
        if (max_legs is None or len(s) <= max_legs) and sum(chance[c.ticker] for c in s) >= threshold
    ]


def _greedy_cover(priced: Sequence[Curve], chance: Mapping[str, float], threshold: float) -> Chosen:
    loss = {c: c.touch_e14 / DOLLAR_E14 - chance[c.ticker] for c in priced}
    chosen: list[Curve] = []
    covered = 0.0
    for curve in sorted(priced, key=lambda c: loss[c] / max(chance[c.ticker], 1e-9)):
        if loss[curve] > 0 and covered >= threshold:
            break
        chosen.append(curve)
        covered += chance[curve.ticker]
    for curve in sorted(chosen, key=lambda c: loss[c], reverse=True):
        if loss[curve] > 0 and covered - chance[curve.ticker] >= threshold:
            chosen.remove(curve)
            covered -= chance[curve.ticker]
    return tuple(chosen)
