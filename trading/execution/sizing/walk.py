"""Walking a book: what a count costs or brings, exactly. Pure.

Prices 1/10,000 dollar, counts 1/100 contract, Money micro-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kalbot.common.units import Money
from markets.book import Level
from markets.fees import FeeSchedule, OrderFees, split_slack

Levels = Sequence[Level]


@dataclass(frozen=True, slots=True)
class Walked:
    """What ``count`` of the contracts would trade for. ``worst_price`` is the last level touched, 0 for none."""

    count: int
    gross: Money
    fees: Money
    worst_price: int

    @property
    def cost(self) -> Money:
        """Of a purchase: price paid plus fees."""
        return Money(self.gross + self.fees)

    @property
    def proceeds(self) -> Money:
        """Of a sale: price received less fees."""
        return Money(self.gross - self.fees)


def buy(asks: Iterable[Level], count: int, limit: int, fees: FeeSchedule) -> Walked:
    """Buy up to ``count`` from ``asks`` (cheapest first) at ``limit`` or better."""
    return _walk((level for level in asks if level[0] <= limit), count, fees, buys=True)


def sell(bids: Iterable[Level], count: int, limit: int, fees: FeeSchedule) -> Walked:
    """Sell up to ``count`` into ``bids`` (best first) at ``limit`` or better."""
    return _walk((level for level in bids if level[0] >= limit), count, fees, buys=False)


def _walk(levels: Iterable[Level], count: int, fees: FeeSchedule, *, buys: bool) -> Walked:
    order, left, gross, worst = OrderFees(fees), count, 0, 0
    for price, size in levels:
        taken = min(left, size)
        if taken <= 0:
            break
        order.add(price, taken, buys=buys)
        gross, left, worst = gross + price * taken, left - taken, price
    return Walked(count - left, Money(gross), order.total, worst)


def most_for(price: int, count: int, fees: FeeSchedule) -> Money:
    """The most that buying ``count`` at ``price`` or better can cost, however it is split into fills. Price plus fee rises
    with price, so the limit price is the worst case."""
    return Money(price * count + most_fees(price, count, fees, buys=True))


def most_fees(price: int, count: int, fees: FeeSchedule, *, buys: bool) -> Money:
    """The most that the fees of ``count`` at ``price`` can be, however the order is split into fills."""
    order = OrderFees(fees)
    order.add(price, count, buys=buys)
    return Money(order.total + split_slack(fees, price, count))
