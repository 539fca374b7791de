"""Profit shapes beyond "the same whoever wins": part of the sure profit is spent on extra contracts.

A basket of equal counts pays the same in every covered outcome. ``proportional`` buys extra contracts where the
outcome is likelier, as many as leave the basket above the profile's least profit
and margin in its floor, at limit prices too. The floor can only come nearer to the minimum, never below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strategies.dutch.basket import Basket, Kind
from strategies.dutch.curve import Curve
from strategies.dutch.event import Event
from strategies.dutch.refusal import refuse_money


def shaped(event: Event, kind: Kind, chosen: Sequence[Curve], basket: Basket) -> Basket:
    """``basket`` with the most extra contracts that the profile's shape and limits allow; itself if none."""
    weights = _weights(event, chosen)
    heaviest = max(weights.values(), default=0.0)
    if heaviest <= 0:
        return basket
    step, base = event.rules.count_step, basket.count
    most = max(curve.total for curve in chosen) // step
    low, high, best = 0, most, basket
    while low < high:
        middle = (low + high + 1) // 2
        counts = [base + int(middle * weights[curve.ticker] / heaviest) * step for curve in chosen]
        tried = _fitting(event, kind, chosen, counts, basket.gap)
        if tried is not None:
            low, best = middle, tried
        else:
            high = middle - 1
    return best


def _weights(event: Event, chosen: Sequence[Curve]) -> Mapping[str, float]:
    chance = event.chance or {}
    return {curve.ticker: chance.get(curve.ticker, 0.0) for curve in chosen}


def _fitting(event: Event, kind: Kind, chosen: Sequence[Curve], counts: Sequence[int], gap: int) -> Basket | None:
    """The basket of these counts if depth, money limits and the profile's minimums allow it."""
    rules = event.rules
    if any(count > curve.total for curve, count in zip(chosen, counts, strict=True)):
        return None
    at_limits = [curve.cost_at_limit(count) for curve, count in zip(chosen, counts, strict=True)]
    if (
        (rules.max_cost is not None and sum(at_limits) > rules.max_cost)
        or (rules.max_cost_per_leg is not None and max(at_limits) > rules.max_cost_per_leg)
        or (rules.max_count is not None and max(counts) > rules.max_count)
    ):
        return None
    basket = event.basket(kind, chosen, counts, gap)
    return basket if refuse_money(basket, rules) is None else None
