"""What a count of one leg costs now: its real depth with its exact fees.

Counts in 1/100 contract, Money in 1/1,000,000 dollar. Values named ``_e14`` are Money x 10**14: model costs without any
rounding, as integers, and so exact lower bounds of real costs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from kalbot.common.units import DOLLAR_PRICE
from markets.book import Side
from markets.fees import FeeSchedule, excess_e14, excess_of_e14, model_fee, most_fees, settle_fill
from strategies.dutch.basket import LegMarket

E14 = 10**14


def all_in_e14(fees: FeeSchedule, price: int) -> int:
    """Price plus model fee of 1/100 contract."""
    return price * E14 + fees.taker_e10 * price * (DOLLAR_PRICE - price)


def fill_fee(fees: FeeSchedule, price: int, count: int, carried: int) -> tuple[int, int]:
    """(net fee, carried on) of one taking fill of an order that has ``carried`` so far."""
    return settle_fill(-price * count, model_fee(fees, price, count), carried, fees.grid, fees.rebate_at_step)


@lru_cache(maxsize=16_384)
def worst_touch_e14(taker_e10: int, price: int, grid: int) -> int:
    """The most that 1/100 contract at ``price`` can cost, price included, however its fills are split. ``taker_e10``: rate x multiplier in
    1e-10; ``grid`` in Money."""
    fees = taker_e10 * price * (DOLLAR_PRICE - price)
    return price * E14 + fees + excess_of_e14(taker_e10, price, grid)


class Curve:
    """One side of one market, cheapest first. Each price level is one fill of one order.

    Costs are added up only as deep as somebody asks: most events are judged at their best price. ``touch_e14`` is the
    model cost of the first 1/100 contract, 0 when nobody offers the side (then ``bids`` is empty).
    """

    __slots__ = (
        "_all_in",
        "_carried",
        "_count",
        "_fees",
        "_model",
        "_paid",
        "bids",
        "fees",
        "market",
        "side",
        "total",
        "touch_e14",
    )

    def __init__(self, market: LegMarket, side: Side) -> None:
        self.market = market
        self.side = side
        self.fees = market.fees
        self.bids = market.depth.bids(side.other)
        self.total = sum([count for _, count in self.bids])
        self.touch_e14 = all_in_e14(market.fees, DOLLAR_PRICE - self.bids[0][0]) if self.bids else 0
        self._count: list[int] = []  # contracts above each level: 0, those of the best, of the best two, ...
        self._all_in: list[int] = []
        self._model: list[int] = []
        self._paid, self._fees, self._carried = [0], [0], [0]

    @property
    def plain(self) -> Curve:
        """The curve with the fees of one fill a level."""
        return self

    def most_cost(self, count: int) -> int:
        """Price and the most that fees can be for ``count``, however its levels are split into fills."""
        counts = self._counts()
        at = bisect_left(counts, count)
        walked = [
            (DOLLAR_PRICE - bid, min(size, count - before))
            for (bid, size), before in zip(self.bids, counts[:at], strict=False)
        ]
        return sum(price * taken for price, taken in walked) + most_fees(self.fees, walked)

    @property
    def ticker(self) -> str:
        """The market's ticker."""
        return self.market.ticker

    def ends(self) -> list[int]:
        """Counts at which a price level is used up."""
        return self._counts()[1:]

    def cost(self, count: int) -> tuple[int, int]:
        """(price paid, fees) for ``count`` in 1..``total``."""
        at = bisect_left(self._counts(), count) - 1
        self._walk(at)
        price, taken = DOLLAR_PRICE - self.bids[at][0], count - self._count[at]
        net, _ = fill_fee(self.fees, price, taken, self._carried[at])
        return self._paid[at] + price * taken, self._fees[at] + net

    def model_e14(self, count: int) -> int:
        """Price and model fees of ``count`` without rounding: never more than ``cost``."""
        if count <= 0:
            return 0
        counts = self._count or self._counts()
        at = bisect_left(counts, count) - 1
        return self._model[at] + self._all_in[at] * (count - counts[at])

    def worst_e14(self, count: int) -> int:
        """Model cost of the last 1/100 contract of ``count``."""
        return self._all_in[bisect_left(self._count or self._counts(), count) - 1]

    def worst_price(self, count: int) -> int:
        """The price of the last contract: the limit price of an order for ``count``."""
        return DOLLAR_PRICE - self.bids[bisect_left(self._counts(), count) - 1][0]

    def cost_at_limit(self, count: int) -> int:
        """Price and fees if all of ``count`` filled at its limit price."""
        price = self.worst_price(count)
        net, _ = fill_fee(self.fees, price, count, 0)
        return price * count + net

    def _counts(self) -> list[int]:
        if not self._count:
            self._count = [0, *accumulate([count for _, count in self.bids])]
            self._all_in = [all_in_e14(self.fees, DOLLAR_PRICE - bid) for bid, _ in self.bids]
            per_level = [cost * size for cost, (_, size) in zip(self._all_in, self.bids, strict=True)]
            self._model = [0, *accumulate(per_level)]
        return self._count

    def _walk(self, levels: int) -> None:
        """Add up price and fees of the best ``levels``."""
        while len(self._paid) <= levels:
            bid, size = self.bids[len(self._paid) - 1]
            price = DOLLAR_PRICE - bid
            net, carried = fill_fee(self.fees, price, size, self._carried[-1])
            self._paid.append(self._paid[-1] + price * size)
            self._fees.append(self._fees[-1] + net)
            self._carried.append(carried)


class WorstCurve(Curve):
    """A curve that costs the most that fees can be: what is worth buying by it is guaranteed whatever the fills."""

    __slots__ = ()

    def __init__(self, market: LegMarket, side: Side) -> None:
        super().__init__(market, side)
        if self.bids:
            fees = market.fees
            self.touch_e14 = worst_touch_e14(fees.taker_e10, DOLLAR_PRICE - self.bids[0][0], fees.grid)

    @property
    def plain(self) -> Curve:
        return Curve(self.market, self.side)

    def cost(self, count: int) -> tuple[int, int]:
        paid, _ = super().cost(count)
        return paid, self.most_cost(count) - paid

    def _counts(self) -> list[int]:
        if not self._count:
            super()._counts()
            self._all_in = [
                cost + excess_e14(self.fees, DOLLAR_PRICE - bid)
                for cost, (bid, _) in zip(self._all_in, self.bids, strict=True)
            ]
            per_level = [cost * size for cost, (_, size) in zip(self._all_in, self.bids, strict=True)]
            self._model = [0, *accumulate(per_level)]
        return self._count


def cost_of(curves: Sequence[Curve], count: int) -> int:
    """Price and fees of ``count`` of every leg."""
    return sum([sum(curve.cost(count)) for curve in curves])


def cost_at_limits(curves: Sequence[Curve], count: int) -> int:
    """Price and fees if every leg filled at its limit price."""
    return sum([curve.cost_at_limit(count) for curve in curves])


def model_of_e14(curves: Sequence[Curve], count: int) -> int:
    """Model cost of ``count`` of every leg: a lower bound of ``cost_of`` without rounding."""
    return sum([curve.model_e14(count) for curve in curves])


def touch_of_e14(curves: Sequence[Curve]) -> int:
    """Model cost of the first 1/100 contract of every leg."""
    return sum([curve.touch_e14 for curve in curves])
