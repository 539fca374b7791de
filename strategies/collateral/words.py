"""What a basket locks, in money, with collateral return and without."""

from __future__ import annotations

from collections.abc import Sequence

from kalbot.common.units import Money, dollars
from markets.book import Side
from strategies.collateral.funds import Funds, Purchase, exit_order, needed
from strategies.collateral.groups import Choices, Exclusive


def locked(purchases: Sequence[Purchase]) -> str:
    """One sentence about a NO basket of one exclusive event, sold again at what it cost as an example. ValueError for other sides."""
    if any(purchase.side is not Side.NO for purchase in purchases):
        raise ValueError("only NO baskets have anything returned for sure")
    group, choices = Exclusive(tuple(purchase.ticker for purchase in purchases)), Choices()
    funds = Funds(group, choices)
    for purchase in purchases:
        funds.bought(purchase.ticker, purchase.side, purchase.count, purchase.cost)
    _, missing = exit_order(funds, {(one.ticker, one.side): one.cost for one in purchases})
    cost = Money(sum(purchase.cost for purchase in purchases))
    then = dollars(-funds.available) if funds.available < 0 else f"nothing ({dollars(funds.available)} come free)"
    return (
        f"Locks {dollars(cost)} until settlement. With collateral return on the account buying would "
        f"need {dollars(needed([], purchases, group, choices))} at its worst moment and then lock {then}; selling leg by leg for what "
        f"it cost would need up to {dollars(missing)}."
    )
