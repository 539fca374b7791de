"""How much of each leg a partial exit sells, and what it leaves. Pure arithmetic on rows.

Counts in 1/100 contract; shares in millionths. What remains of a position is its held legs: their floor and grade follow from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kalbot.common.units import CONTRACT, PPM
from trading.closing.exit_prices import LegKey
from trading.execution.sizing import baskets
from trading.models import Leg

Counts = Mapping[LegKey, int]


def key(leg: Leg) -> LegKey:
    """The leg's name in a request."""
    return leg.market_id, leg.side


def of_share(legs: Sequence[Leg], target: int, share_ppm: int, step: int) -> dict[LegKey, int]:
    """What a share of the position is, leg by leg: that share of its whole baskets, in whole steps, rounded down; and of a position
    without a whole basket that share of each leg. Empty when it is less than a step. Contracts beyond the whole baskets go first.

    Whole contracts of every leg where there is such a number of baskets, and only whole ones are held.
    """
    if share_ppm >= PPM:
        return {key(leg): leg.held for leg in legs if leg.held}
    matched = baskets.matched(legs, target)
    if not matched:
        found = {key(leg): leg.held * share_ppm // PPM // step * step for leg in legs}
        return {name: count for name, count in found.items() if count}
    most = matched * share_ppm // PPM // step * step
    for sold in range(most, 0, -step):
        counts = {key(leg): baskets.excess(leg, matched - sold, target) for leg in legs}
        if all(counts[key(leg)] % CONTRACT == 0 for leg in legs if leg.held % CONTRACT == 0):
            return {name: count for name, count in counts.items() if count}
    counts = {key(leg): baskets.excess(leg, matched - most, target) for leg in legs} if most else {}
    return {name: count for name, count in counts.items() if count}


def left_baskets(legs: Iterable[Leg], target: int, counts: Counts) -> int:
    """Whole baskets that are left when ``counts`` are sold."""
    return min(
        (baskets.whole(baskets.kept(leg) - counts.get(key(leg), 0), leg.target_count, target) for leg in legs),
        default=0,
    )


def beside(legs: Sequence[Leg], target: int) -> dict[LegKey, int]:
    """What each leg holds beyond the whole baskets."""
    matched = baskets.matched(legs, target)
    return {key(leg): baskets.excess(leg, matched, target) for leg in legs}


def leaves_naked(legs: Sequence[Leg], target: int, counts: Counts) -> list[Leg]:
    """Legs of which more would be without a basket than now."""
    before, after = baskets.matched(legs, target), left_baskets(legs, target, counts)
    return [
        leg
        for leg in legs
        if baskets.excess(leg, after, target) - counts.get(key(leg), 0) > baskets.excess(leg, before, target)
    ]


def stored(legs: Iterable[Leg], counts: Counts) -> list[dict[str, Any]]:
    """As the request's row keeps them: with what had been sold of the leg before, so that any worker knows what is left to sell."""
    return [
        {"ticker": leg.market_id, "side": leg.side, "count": count, "sold_before": leg.sold_count}
        for leg in legs
        if (count := counts.get(key(leg), 0))
    ]


def to_sell(rows: Sequence[Mapping[str, Any]], legs: Iterable[Leg]) -> list[tuple[Leg, int]]:
    """What a request still has to sell: without counts all that is held. Contracts that left the leg otherwise count as sold."""
    if not rows:
        return [(leg, leg.held) for leg in legs if leg.held]
    until = {(row["ticker"], row["side"]): int(row["count"]) + int(row["sold_before"]) for row in rows}
    found = [(leg, min(leg.held, until.get(key(leg), 0) - leg.sold_count)) for leg in legs]
    return [(leg, count) for leg, count in found if count > 0]


def meant_alone(rows: Sequence[Mapping[str, Any]], legs: Sequence[Leg], target: int) -> dict[int, int]:
    """How much of which leg (by its id) a request meant to leave without its basket; without rows what is so now."""
    until = {(row["ticker"], row["side"]): int(row["count"]) + int(row["sold_before"]) for row in rows}
    left = {leg.pk: leg.bought_count - until.get(key(leg), leg.sold_count) for leg in legs}
    count = min((baskets.whole(left[leg.pk], leg.target_count, target) for leg in legs), default=0)
    found = {leg.pk: left[leg.pk] - baskets.needed(count, leg.target_count, target) for leg in legs}
    return {pk: number for pk, number in found.items() if number > 0}
