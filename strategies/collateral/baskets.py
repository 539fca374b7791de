"""What a basket locks where the exchange returns collateral: of NO on several outcomes its largest loss, of all else its price."""

from __future__ import annotations

from kalbot.common.units import Money
from strategies.collateral.funds import Purchase, held_for
from strategies.collateral.groups import Choices, Exclusive
from strategies.dutch.basket import Basket, Kind


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
