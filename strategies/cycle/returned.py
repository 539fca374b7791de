"""What a basket takes of the capital where the exchange returns collateral, and how much it may cost then.

A NO basket of an exclusive event is charged its largest loss, not its price (docs/capital.md), so capital buys more of it, and what it
earns on the locked dollar is many times what it earns on its price. Everything else locks its price, quotes included: which of their legs
fill, and so what is returned, nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kalbot.common.units import Money
from strategies.collateral.funds import Purchase, held_for
from strategies.collateral.groups import Choices, Exclusive
from strategies.cycle.evaluation import most_cost
from strategies.dutch.basket import Basket, Kind
from strategies.models import Profile
from strategies.screening.verdict import Status, Verdict

TRIES: Final = 3
"""Sizes tried: counts are whole steps and levels differ in price, so what is locked is only about in proportion to the cost."""


def locks(basket: Basket, choices: Choices | None) -> Money:
    """What the basket takes of the capital, micro-dollars. ``choices``: how the exchange returns collateral on the profile's account;
    None: it does not. At the legs' limits; what fees add is shared out among them."""
    if choices is None or basket.kind is not Kind.ALL_NO:
        return basket.cost_at_limits
    at_limits = [leg.limit_price * leg.count for leg in basket.legs]
    fees = -(-(basket.cost_at_limits + basket.fee_bound - sum(at_limits)) // len(at_limits))
    purchases = [
        Purchase(leg.ticker, leg.side, leg.count, Money(paid + fees))
        for leg, paid in zip(basket.legs, at_limits, strict=True)
    ]
    group = Exclusive(tuple(dict.fromkeys(leg.ticker for leg in basket.legs)))
    return min(basket.cost_at_limits, held_for([], purchases, group, choices))


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


def _bought(verdict: Verdict) -> Basket | None:
    return verdict.basket if verdict.status is Status.CANDIDATE else None
