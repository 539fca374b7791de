"""What a sale of a position with collateral return needs: it takes back what was returned, so the cash for it must be there.

Money in micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import F, OuterRef
from django.db.models.functions import Coalesce

from kalbot.common.db.prepared import total
from kalbot.common.errors import KalbotError
from kalbot.common.units import CONTRACT, dollars
from markets.book import Side
from markets.fees import FeeSchedule
from markets.kalshi.errors import KalshiError
from strategies.collateral.funds import Funds
from strategies.models import Mode
from trading.accounting import collateral, ledger
from trading.accounting.accounts import of_subaccount
from trading.closing import exit_prices
from trading.models import ACTIVE, Leg, Order, OrderStatus, Position
from trading.venues import connection

SHARES: Final = 1_000
"""Parts of a basket that are tried: a share of a thousandth is sold where no more can be."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Priced:
    """``count`` of a leg that could be sold now, at ``price`` or better."""

    leg: Leg
    count: int
    price: int
    fees: FeeSchedule


@dataclass(slots=True)
class SaleFunds:
    """What may be sold of a ``position`` whose collateral was returned: a sale takes that back, so it needs as much. Sales are counted one
    after another; what earlier ones free counts only when they have been booked."""

    position: Position
    funds: Funds
    reserved: int
    free: int

    @classmethod
    def of(cls, position: Position) -> SaleFunds | None:
        """None where selling needs nothing."""
        funds = collateral.funds_of(position, collateral.legs_of(position)) if position.collateral is not None else None
        if funds is None:
            return None
        reserved = Position.objects.values_list("reserved", flat=True).get(pk=position.pk)
        return cls(position, funds, reserved, max(0, ledger.balance_of(position.profile).cash) + reserved)

    def fundable(self, one: Priced) -> int:
        """The most of it that can be sold with the funds that are free; counted as sold."""
        step = _step(one.leg)
        low, high = 0, one.count // step
        if self._left(one, one.count) >= 0:
            low = high = one.count
            step = 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._left(one, middle * step) >= 0:
                low = middle
            else:
                high = middle - 1
        count = low * step
        if count:
            self.free = min(self.free, self._left(one, count))
            self.funds.sold(one.leg.market_id, Side(one.leg.side), count, 0)
        return count

    def share(self, wanted: Sequence[Priced]) -> list[int]:
        """How much of each can be sold where the same share of all is: selling some whole would leave nothing for the others, and the last
        one of a group frees what the ones before it took. All of it where the funds suffice, or where no share of all can be sold."""
        counts = [one.count for one in wanted]
        if any(self._left(one, one.count) < self.free for one in wanted):
            self._read()
        if self._covers(wanted, counts):
            return counts
        low, high = 0, SHARES - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._covers(wanted, _shares(wanted, middle)):
                low = middle
            else:
                high = middle - 1
        found = _shares(wanted, low)
        return found if all(found) else counts

    def words(self, leg: Leg) -> str:
        """Which leg, and what is there."""
        return (
            f"{leg.side.upper()} {leg.market_id}: selling takes back returned collateral; {dollars(self.free)} are free"
        )

    def _covers(self, wanted: Sequence[Priced], counts: Sequence[int]) -> bool:
        tried = replace(self, funds=replace(self.funds, held=dict(self.funds.held)))
        parts = [replace(one, count=count) for one, count in zip(wanted, counts, strict=True)]
        return all(tried.fundable(one) == one.count for one in parts if one.count)

    def _left(self, one: Priced, count: int) -> int:
        tried = replace(self.funds, held=dict(self.funds.held))
        proceeds = exit_prices.proceeds_at(one.price, count, one.fees)
        return self.free + tried.sold(one.leg.market_id, Side(one.leg.side), count, proceeds)

    def _read(self) -> None:
        """What our books have may have left the exchange. What is set aside for this position it may take, beyond that only what no other
        basket of the account counts on."""
        cash = _at_the_exchange(self.position) if self.position.mode == Mode.LIVE else None
        if cash is not None:
            beyond = cash - _promised_to_others(self.position)
            self.free = max(0, min(self.free, max(beyond, min(self.reserved, cash))))


def _at_the_exchange(position: Position) -> int | None:
    """Cash of the position's shard; None where it cannot be read."""
    try:
        balance = connection.client().portfolio.balance(subaccount=position.profile.subaccount or None)
    except (KalbotError, KalshiError) as error:
        log.warning("the cash for a sale cannot be read: %s", error)
        return None
    return (balance.on_shard(position.event.exchange_index) or 0) if balance.shards else balance.available


def _promised_to_others(position: Position) -> int:
    """What other baskets of the account have set aside on the position's shard, less what the exchange itself keeps back for their orders
    that rest: what a quote is hedged with is nobody else's."""
    others = Position.objects.filter(of_subaccount(position.profile.subaccount or 0), mode=Mode.LIVE, status__in=ACTIVE)
    others = others.filter(event__exchange_index=position.event.exchange_index).exclude(pk=position.pk)
    resting = Order.objects.filter(position=OuterRef("pk"), status=OrderStatus.RESTING, action=Order.Action.BUY)
    left = Coalesce(F("shrunk_to"), F("count")) - F("filled_count")
    kept = total(resting.annotate(left=left), F("price") * F("left"))
    rows = others.annotate(kept=kept).values_list("reserved", "kept")
    return sum(max(0, reserved - (kept or 0)) for reserved, kept in rows)


def _step(leg: Leg) -> int:
    return CONTRACT if leg.held % CONTRACT == 0 else 1


def _shares(wanted: Sequence[Priced], share: int) -> list[int]:
    return [one.count * share // SHARES // _step(one.leg) * _step(one.leg) for one in wanted]
