"""What a count of one leg costs now: its real depth with its exact fees.

Counts in 1/100 contract, Money in 1/1,000,000 dollar. Values named ``_e14`` are Money x 10**14: model costs without any
rounding, as integers, and so exact lower bounds of real costs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from kalbot.common.units import DOLLAR_PRICE
from markets.book import Level, Side
from markets.fees import FeeSchedule, model_fee, settle_fill
from strategies.dutch.basket import LegMarket

E14 = 10**14


def all_in_e14(fees: FeeSchedule, price: int) -> int:
    """Price plus model fee of 1/100 contract."""
    return price * E14 + fees.rate_e10() * price * (DOLLAR_PRICE - price)


def _fill(fees: FeeSchedule, level: Level, carried: int) -> tuple[int, int]:
    price, count = level
    return settle_fill(-price * count, model_fee(fees, price, count), carried, fees.grid, fees.rebate_at_step)


class Curve:
    """One side of one market, cheapest first. Each price level is one fill of one order."""

    __slots__ = ("_carried", "_count", "_fees", "_model", "_paid", "levels", "market", "side", "total")

    def __init__(self, market: LegMarket, side: Side) -> None:
        self.market = market
        self.side = side
        self.levels = market.depth.asks(side)
        count = paid = fees = carried = model = 0
        self._count, self._paid, self._fees, self._carried, self._model = [0], [0], [0], [0], [0]
        for price, size in self.levels:
            net, carried = _fill(market.fees, (price, size), carried)
            count, paid, fees = count + size, paid + price * size, fees + net
            model += all_in_e14(market.fees, price) * size
            self._count.append(count)
            self._paid.append(paid)
            self._fees.append(fees)
            self._carried.append(carried)
            self._model.append(model)
        self.total = count

    @property
    def ticker(self) -> str:
        """The market's ticker."""
        return self.market.ticker

    def ends(self) -> list[int]:
        """Counts at which a price level is used up."""
        return self._count[1:]

    def cost(self, count: int) -> tuple[int, int]:
        """(price paid, fees) for ``count`` in 1..``total``."""
        at = bisect_left(self._count, count) - 1
        price, taken = self.levels[at][0], count - self._count[at]
        net, _ = _fill(self.market.fees, (price, taken), self._carried[at])
        return self._paid[at] + price * taken, self._fees[at] + net

    def model_e14(self, count: int) -> int:
        """Price and model fees of ``count`` without rounding: never more than ``cost``."""
        at = bisect_left(self._count, count) - 1
        if at < 0:
            return 0
        return self._model[at] + all_in_e14(self.market.fees, self.levels[at][0]) * (count - self._count[at])

    def worst_price(self, count: int) -> int:
        """The price of the last contract: the limit price of an order for ``count``."""
        return self.levels[bisect_left(self._count, count) - 1][0]

    def cost_at_limit(self, count: int) -> int:
        """Price and fees if all of ``count`` filled at its limit price."""
        price = self.worst_price(count)
        net, _ = _fill(self.market.fees, (price, count), 0)
        return price * count + net

    def marginal_e14(self, count: int) -> int:
        """Model cost of the 1/100 contract that follows ``count``."""
        return all_in_e14(self.market.fees, self.levels[bisect_left(self._count, count + 1) - 1][0])


def cost_of(curves: Sequence[Curve], count: int) -> int:
    """Price and fees of ``count`` of every leg."""
    return sum(paid + fees for paid, fees in (curve.cost(count) for curve in curves))


def cost_at_limits(curves: Sequence[Curve], count: int) -> int:
    """Price and fees if every leg filled at its limit price."""
    return sum(curve.cost_at_limit(count) for curve in curves)


def model_of_e14(curves: Sequence[Curve], count: int) -> int:
    """Model cost of ``count`` of every leg: a lower bound of ``cost_of`` without rounding."""
    return sum(curve.model_e14(count) for curve in curves)
