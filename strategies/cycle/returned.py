"""How much a basket may cost where the exchange returns collateral.

A NO basket of an exclusive event is charged its largest loss, not its price (docs/capital.md), so capital buys more of it, and what it
earns on the locked dollar is many times what it earns on its price. Everything else locks its price, quotes included: which of their legs
fill, and so what is returned, nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from strategies.collateral.baskets import locks
from strategies.collateral.groups import Choices
from strategies.cycle.evaluation import most_cost
from strategies.dutch.basket import Basket, Kind
from strategies.models import Profile
from strategies.screening.verdict import Status, Verdict

TRIES: Final = 3
"""Sizes tried: counts are whole steps and levels differ in price, so what is locked is only about in proportion to the cost."""


def capital_for(profile: Profile, choices: Choices | None, left: int, judged_with: Callable[[int], Verdict]) -> int:
    """What a basket of an event may cost at most, so that it locks no more than what is ``left`` of the capital (both micro-dollars).
    ``judged_with``: the verdict on the event where a basket may cost so much."""
    wanted = profile.max_per_position
    if choices is None or Kind.ALL_NO not in profile.kinds or most_cost(profile, left) == most_cost(profile, wanted):
        return left
    plain = _bought(judged_with(left))
    for _ in range(TRIES):
        larger = _bought(judged_with(wanted))
        if larger is None or larger.kind is not Kind.ALL_NO or wanted <= left:
            break
        if (locked := locks(larger, choices)) <= left:
            return wanted if plain is None or larger.profit > plain.profit else left
        wanted = larger.cost_at_limits * left // locked
    return left


def judged(profile: Profile, choices: Choices | None, left: int, judged_with: Callable[[int], Verdict]) -> Verdict:
    """The verdict on an event for which so much capital is left; arguments as above."""
    return judged_with(capital_for(profile, choices, left, judged_with))


def _bought(verdict: Verdict) -> Basket | None:
    return verdict.basket if verdict.status is Status.CANDIDATE else None
