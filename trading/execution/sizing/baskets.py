"""Counting whole baskets: how many the filled legs make, what each leg needs, and what a basket pays. Pure arithmetic on rows.

A position wants ``target_count`` baskets; each leg's own target is its share of that (the same for equal payouts,
different for proportional ones). Counts in 1/100 contract, money in micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable

from kalbot.common.units import PPM
from strategies.models import Decision, Kind, Profile
from trading.models import Leg


def whole(filled: int, leg_target: int, target: int) -> int:
    """Baskets that ``filled`` of a leg suffice for, never more than ``target``."""
    return min(target, filled * target // leg_target)


def needed(count: int, leg_target: int, target: int) -> int:
    """What ``count`` baskets need of a leg."""
    return -(-leg_target * count // target)


def kept(leg: Leg) -> int:
    """What of the leg was bought and not sold again; what has been settled since still belongs to its baskets."""
    return leg.bought_count - leg.sold_count


def matched(legs: Iterable[Leg], target: int) -> int:
    """Whole baskets held: the least leg decides."""
    return min((whole(kept(leg), leg.target_count, target) for leg in legs), default=0)


def most(legs: Iterable[Leg], target: int) -> int:
    """Baskets there would be if every leg were completed to the fullest one."""
    return max((min(target, -(-kept(leg) * target // leg.target_count)) for leg in legs), default=0)


def excess(leg: Leg, count: int, target: int) -> int:
    """What the leg holds beyond ``count`` baskets."""
    return min(leg.held, max(0, kept(leg) - needed(count, leg.target_count, target)))


def missing(leg: Leg, count: int, target: int) -> int:
    """What the leg lacks for ``count`` baskets."""
    return max(0, needed(count, leg.target_count, target) - kept(leg))


def lacking(legs: Iterable[Leg], target: int) -> list[Leg]:
    """The legs that have less than the most that another one has."""
    legs = list(legs)
    wanted = most(legs, target)
    return [leg for leg in legs if missing(leg, wanted, target)]


def pays(decision: Decision, count: int) -> int:
    """What ``count`` baskets of the decision are bought for: their floor, or for coverage what a covered outcome pays."""
    total = decision.conditional if decision.kind == Kind.COVERAGE else decision.floor
    return total * count // decision.count


def still_worth(decision: Decision, profile: Profile, count: int, cost: int, *, whole_plan: bool) -> bool:
    """Whether ``count`` baskets at ``cost`` still meet the margin. ``whole_plan`` also asks for the least profit of a new
    basket; one that is under way only has to stay profitable at the margin."""
    profit = pays(decision, count) - cost
    if profit <= 0 and profile.min_profit >= 0:
        return False
    if whole_plan and profit < profile.min_profit:
        return False
    return profit * PPM >= profile.min_margin_ppm * cost
