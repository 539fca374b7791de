"""Which outcomes belong to a basket of NO, or to a coverage basket.

NO on k outcomes pays k - 1 dollars a set, so each leg that costs less than a dollar adds ``1 - cost`` to a basket that
starts one dollar short, and at any fee multiplier in use every price below a dollar is still below it with fees. So for
a given count the best set is simply every leg that is deep enough, and the best basket is one of those nested sets:
``_sweep`` walks once through all levels of all legs and bounds what each can earn.

Rounding, capital and margins disturb that. So small events try every set; large ones also the cheapest two, three, ...
legs, and ``no_bound`` says what the best basket can earn at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from kalbot.common.units import DOLLAR_PRICE
from strategies.dutch.curve import E14, Curve, all_in_e14, touch_of_e14

EVERY_SET_UP_TO = 8
"""Events with at most this many useful outcomes have every set tried where limits couple the legs."""

DOLLAR_E14 = DOLLAR_PRICE * E14
"""What 1/100 contract pays when it wins, x 10**14."""

Chosen = tuple[Curve, ...]


def nearest_no_set(curves: Sequence[Curve]) -> Chosen:
    """The set that comes nearest to paying at the touch: every leg under a dollar, and at least the two cheapest.

    Fewer than two if fewer have an ask.
    """
    priced = sorted((c for c in curves if c.bids), key=lambda c: c.touch_e14)
    useful = sum(1 for c in priced if c.touch_e14 < DOLLAR_E14)
    return tuple(priced[: max(2, useful)])


def no_sets(curves: Sequence[Curve], *, coupled: bool) -> dict[Chosen, int | None]:
    """Sets of k >= 2 NO legs among which the best one is -> what it cannot earn more than (x 10**14), where known.

    Small events: every set. Large ones: the best set of each count (rounding may make one with fewer legs better by less
    than ``rounding_of``) and, where limits couple the legs, the cheapest 2, 3, ... legs.
    """
    useful = sorted((c for c in curves if c.bids and c.touch_e14 < DOLLAR_E14), key=lambda c: c.touch_e14)
    top = len(useful)
    if len(useful) <= EVERY_SET_UP_TO:
        return {pick: None for k in range(2, top + 1) for pick in combinations(useful, k)}
    found: dict[Chosen, int | None] = {chosen: most for most, chosen in _sweep(useful)}
    if coupled:
        for k in _sizes(top):
            found.setdefault(tuple(useful[:k]), None)
    return found


def rounding_of(curves: Sequence[Curve]) -> int:
    """The most by which rounding can make these legs cost more than their model cost, Money."""
    return sum(c.fees.grid + len(c.bids) for c in curves)


def _sizes(top: int) -> list[int]:
    """Every number of legs up to 24, then about every tenth part more."""
    sizes, k = [], 2
    while k < top:
        sizes.append(k)
        k = k + 1 if k < 24 else k + k // 10
    return [*sizes, top] if top >= 2 else []


def _sweep(useful: Sequence[Curve]) -> list[tuple[int, Chosen]]:
    """(most it earns x 10**14, set) of each of the nested sets by depth that earns anything; without rounding or limits.

    The most lies within the counts for which the set is the widest one: at lower counts a wider set earns more.
    """
    steps = sorted((end, i) for i, c in enumerate(useful) for end in c.ends())
    gain = [DOLLAR_E14 - c.touch_e14 for c in useful]  # of one more 1/100 contract of each leg
    members, level = dict.fromkeys(range(len(useful))), [0] * len(useful)
    count = earned = 0
    slope, peak = sum(gain) - DOLLAR_E14, 0
    found: list[tuple[int, Chosen]] = []
    for end, i in steps:
        earned += slope * (end - count)
        count, peak = end, max(peak, earned)
        level[i] += 1
        slope -= gain[i]
        if level[i] < len(useful[i].bids):
            gain[i] = DOLLAR_E14 - all_in_e14(useful[i].fees, DOLLAR_PRICE - useful[i].bids[level[i]][0])
            slope += gain[i]
            continue
        found.append((peak, tuple(useful[m] for m in members)))
        earned -= DOLLAR_E14 * count - useful[i].model_e14(count)
        del members[i]
        peak = max(0, earned)
        if len(members) < 2:
            break
    return [(peak, chosen) for peak, chosen in found if peak > 0 and len(chosen) >= 2]


def no_bound(curves: Sequence[Curve], max_cost: int | None) -> int:
    """Money that no NO basket of these legs can earn more than: without rounding, step or limits other than ``max_cost``."""
    useful = sorted((c for c in curves if c.bids and c.touch_e14 < DOLLAR_E14), key=lambda c: c.touch_e14)
    best = max((peak for peak, _ in _sweep(useful)), default=0)
    if max_cost is not None:
        ratios = [((k - 1) * DOLLAR_E14, touch_of_e14(useful[:k])) for k in range(2, len(useful) + 1)]
        by_cost = max(((pays - cost) * max_cost * E14 // cost for pays, cost in ratios), default=0)
        best = min(best, max(0, by_cost))
    return -(-best // E14)


def coverage_sets(curves: Sequence[Curve], chance: Mapping[str, float], threshold: float) -> list[Chosen]:
    """Sets of YES legs whose outcomes win with at least ``threshold`` in all.

    Small events: every such set. Large ones: all legs with a positive expectation, then the cheapest way per
    probability to the threshold, then whatever is not needed for it dropped again.
    """
    priced = [c for c in curves if c.bids]
    if len(priced) <= EVERY_SET_UP_TO:
        sets: Iterable[Chosen] = (s for k in range(1, len(priced) + 1) for s in combinations(priced, k))
    else:
        sets = [_greedy_cover(priced, chance, threshold)]
    return [s for s in sets if sum(chance[c.ticker] for c in s) >= threshold]


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
