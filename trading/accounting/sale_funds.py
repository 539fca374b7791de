"""What a sale of a position with collateral return needs: it takes back what was returned, so the cash for it must be there.

Money in micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kalbot.common.units import dollars
from markets.book import Side
from markets.fees import FeeSchedule
from strategies.collateral.funds import Funds
from trading.accounting import collateral, ledger
from trading.closing import exit_prices
from trading.models import Leg, Position


@dataclass(slots=True)
class SaleFunds:
    """What may be sold of a position whose collateral was returned: a sale takes that back, so it needs as much. Sales are counted one
    after another; what earlier ones free counts only when they have been booked."""

    funds: Funds
    free: int

    @classmethod
    def of(cls, position: Position) -> SaleFunds | None:
        """None where selling needs nothing."""
        if position.collateral is None:
            return None
        legs = collateral.legs_of(position)
        results = collateral.results_of(position, legs)
        if results is None:
            return None
        funds = Funds(
            collateral.group_of(leg.market_id for leg in legs),
            collateral.choices_of(position.collateral),
            results=results,
        )
        funds.held = {
            (leg.market_id, Side(leg.side)): leg.held for leg in legs if leg.held and leg.market_id not in results
        }
        reserved = Position.objects.values_list("reserved", flat=True).get(pk=position.pk)
        return cls(funds, max(0, ledger.balance_of(position.profile).cash) + reserved)

    def fundable(self, leg: Leg, count: int, price: int, fees: FeeSchedule) -> int:
        """The most of ``count`` that can be sold at ``price`` with the funds that are free; counted as sold."""
        low, high = 0, count
        if self._left(leg, count, price, fees) >= 0:
            low = count
        while low < high:
            middle = (low + high + 1) // 2
            if self._left(leg, middle, price, fees) >= 0:
                low = middle
            else:
                high = middle - 1
        if low:
            self.free = min(self.free, self._left(leg, low, price, fees))
            self.funds.sold(leg.market_id, Side(leg.side), low, 0)
        return low

    def words(self, leg: Leg) -> str:
        """Which leg, and what is there."""
        return (
            f"{leg.side.upper()} {leg.market_id}: selling takes back returned collateral; {dollars(self.free)} are free"
        )

    def _left(self, leg: Leg, count: int, price: int, fees: FeeSchedule) -> int:
        tried = replace(self.funds, held=dict(self.funds.held))
        return self.free + tried.sold(leg.market_id, Side(leg.side), count, exit_prices.proceeds_at(price, count, fees))
