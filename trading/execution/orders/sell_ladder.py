"""Selling what is held, by a capped ladder: an unwind of a half-filled basket and an exit go the same way.

Each rung allows prices a little further below the best bid and takes what is there at once; between rungs the book has a
moment to refill. Nothing is ever sold below the cap: for an unwind what is left of the leg-risk budget, for an exit
the request's least price. What the bids cannot take stays in the position with its reason, and is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from markets.book import Level
from markets.fees import FeeSchedule
from trading import booking, risk
from trading.denials import FEED_OUTAGES, DenialCode, Denied, Refusal
from trading.execution.orders import submit
from trading.execution.sizing import walk
from trading.live_books import LiveBooks
from trading.models import Leg, Order, OrderError, OrderStatus, Position
from trading.states import Lease

RUNGS: Final = (100, 300, 1_000, 10_000)
"""How far below the best bid each try may sell, in 1/10,000 dollar."""


@dataclass(frozen=True, slots=True)
class Sale:
    """What to sell of one leg now."""

    leg: Leg
    count: int
    limit: int


def rung_limit(bids: tuple[Level, ...], attempt: int, cap: int) -> int | None:
    """The least price of this try, None when there is no bid at or above ``cap``."""
    if not bids or bids[0][0] < cap:
        return None
    return max(cap, bids[0][0] - RUNGS[min(attempt, len(RUNGS) - 1)])


def sellable(bids: tuple[Level, ...], count: int, limit: int) -> tuple[int, int]:
    """(count, worst price) that the bids take now at ``limit`` or better. The worst price is a level's own, so it lies on
    the market's grid."""
    left, worst = count, 0
    for price, size in bids:
        if price < limit or left <= 0:
            break
        left, worst = left - min(left, size), price
    return count - left, worst


def cap_of_loss(bids: tuple[Level, ...], leg: Leg, count: int, allowed: int, fees: FeeSchedule) -> int:
    """The lowest bid at which selling ``count`` of the leg loses at most ``allowed`` in all; one dollar if none does."""
    cap = 10_000
    for price, _ in bids:
        if loss_at(bids, leg, count, price, fees) > allowed:
            break
        cap = price
    return cap


def loss_at(bids: tuple[Level, ...], leg: Leg, count: int, limit: int, fees: FeeSchedule) -> int:
    """What selling ``count`` of the leg at ``limit`` or better loses; negative for a gain."""
    sold = walk.sell(bids, count, limit, fees)
    cost, _ = booking.cost_share(leg, sold.count)
    return cost - sold.proceeds


def sell(
    lease: Lease,
    position: Position,
    live: LiveBooks,
    wanted: list[tuple[Leg, int]],
    *,
    purpose: str,
    cap: Callable[[Leg, int], int],
    actor: str,
    reason: str,
) -> bool:
    """One try for every leg of ``wanted`` (leg, count); ``cap`` gives the least price of each.

    True when the venue took an order, False when no bid was good enough. Raises Denied when nothing may be sent, or when
    the venue refused every sale.
    """
    sent, error_code = False, ""
    for leg, count in wanted:
        risk.may_send(position.profile, reduces=True)
        bids = live.bids(leg.market_id, leg.side)
        limit = rung_limit(bids, position.attempts, cap(leg, count))
        if limit is None:
            continue
        now, worst = sellable(bids, count, limit)
        if now <= 0:
            continue
        order = submit.place(
            lease,
            position,
            leg,
            action=Order.Action.SELL,
            purpose=purpose,
            price=worst,
            count=now,
            actor=actor,
            reason=reason,
        )
        if order.status == OrderStatus.REJECTED:
            error_code = order.error_code
        else:
            sent = True
    if error_code and not sent:
        refusal = refused_sales(error_code)
        raise Denied(refusal.code, refusal.detail)
    return sent


def refused_sales(error_code: str) -> Refusal:
    """Why every sale was refused, from the venue's code of the last one."""
    if error_code == OrderError.MARKET_INACTIVE:
        return Refusal(DenialCode.MARKET_CLOSED, "the venue refused every sale")
    outage = next((code for code in FEED_OUTAGES if code == error_code), None)
    if outage is not None:
        return Refusal(outage, "the venue refused every sale")
    return Refusal(DenialCode.ORDER_REFUSED, f"the venue refused every sale ({error_code})")
