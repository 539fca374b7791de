"""Unwinding: selling what a half-filled basket has beyond its whole baskets. Phases as in ``buy``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.units import dollars
from trading import states
from trading.accounting import leg_risk
from trading.books import live_books
from trading.books.live_books import LiveBooks
from trading.closing import exits
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.orders import finality, inflight, sell_ladder
from trading.execution.orders.sell_ladder import Sale
from trading.execution.phases import opening, rescue, resume, selling
from trading.execution.phases.selling import Holding
from trading.execution.sizing import baskets
from trading.leases import Lease
from trading.models import CloseType, Leg, Order, Position, PositionStatus
from trading.safety import protections

BIDS_RETURN: Final = timedelta(seconds=5)
"""So long bids that bring less than what is held is sure to pay may be gone for a moment."""


def unwinding(position: Position, lease: Lease) -> bool:
    """Sell what the whole baskets do not need, within what is left of the leg-risk budget; all of it if an exit is requested.

    Where the basket can be completed after all, at its limits or for less than the sale loses, that is done instead.
    """
    request = selling.open_request(position)
    if request is not None and request.counts:
        exits.cancel(request, "the position is unwound first")
    elif request is not None:
        states.transition(
            position, PositionStatus.EXITING, reason=f"exit: {request.reason}", actor=request.actor, lease=lease
        )
        return True
    if (left := selling.still_open(position)) is not None:
        return selling.waits(position, left)
    open_sales = finality.open_sales(position)
    legs = inflight.legs_of(position)
    count = baskets.matched(legs, position.target_count)
    wanted = [(leg, extra) for leg in legs if (extra := baskets.excess(leg, count, position.target_count))]
    if not wanted:
        return _unwound(position, lease, count)
    if opening.hold_orphans(position, lease, legs):
        return True
    if resume.resumed(position, lease, legs):
        return True
    kept = None if open_sales else _kept(position, lease, legs)
    if kept is not None:
        return kept
    try:
        live = selling.books(position, [leg for leg, _ in wanted], None)
    except Denied as denied:
        return selling.stuck(position, denied.refusal)
    if (pause := selling.must_pause(position, live)) is not None:
        return selling.waits(position, pause)
    refusal = selling.exchange_shut(position) or _sell_some(position, lease, legs, wanted, live, open_sales)
    if refusal is not None:
        return selling.stuck(position, refusal)
    after = selling.next_rung(position)
    if isinstance(after, Refusal):
        return selling.stuck(position, after)
    legs = after
    return opening.is_balanced(position, legs) or not any(leg.held for leg in legs)


def _kept(position: Position, lease: Lease, legs: list[Leg]) -> bool | None:
    """True where what is sure to earn more than a sale, or to lose less, is kept; False while the bids may come back, None where it is
    sold."""
    try:
        live = live_books.read_beside(position)
        tickers = [leg.market_id for leg in legs if leg.held]
        is_usable = live.unusable(tickers, position.profile.max_price_age_ms) is None
        unwound = rescue.unwind_result(live, position, legs) if is_usable else None
    except Denied:
        unwound = None
    if opening.keep_what_is_sure(position, lease, legs, unwound):
        return True
    least = rescue.least_result(position, legs)
    if unwound is None or least is None or unwound >= least or -least > leg_risk.left(position):
        return None
    if clock.now() - _began(position) < BIDS_RETURN:
        return selling.waits(position, Refusal(DenialCode.NO_BID, "the bids bring less than it is sure to pay"))
    opening.keep(position, lease, legs, least)
    return True


def _began(position: Position) -> datetime:
    """Since when it is unwound."""
    began = position.events.filter(to_status=PositionStatus.UNWINDING).exclude(from_status=PositionStatus.UNWINDING)
    return began.order_by("-id").values_list("at", flat=True).first() or position.created_at


def _sell_some(
    position: Position,
    lease: Lease,
    legs: list[Leg],
    wanted: list[Holding],
    live: LiveBooks,
    open_sales: list[Order],
) -> Refusal | None:
    """One try. None when an order was sent, else why not."""
    now, refusal = selling.ready(position, wanted, live, open_sales)
    allowed = leg_risk.left_to_sell(position, legs) - _still_lost(open_sales, live)
    sales = within_budget(now, live, allowed)
    if not sales and open_sales:
        return refusal or Refusal(DenialCode.ORDER_UNSETTLED, ", ".join(sorted({o.leg.market_id for o in open_sales})))
    not_sold = selling.sell(position, lease, live, sales, purpose=Order.Purpose.UNWIND, reason="unwind")
    if not_sold is None:
        return None
    return refusal if refusal is not None and not sales else not_sold


def _still_lost(open_sales: list[Order], live: LiveBooks) -> int:
    """What sales that may fill after all would lose at most, micro-dollars."""
    rest = [(one, min(finality.left_of(one), one.leg.held)) for one in open_sales]
    return sum(max(0, _loss_bound(one.leg, count, one.price, live)) for one, count in rest if count)


def within_budget(wanted: list[Holding], live: LiveBooks, allowed: int) -> list[Sale]:
    """Sales that together cannot lose more than ``allowed``, wherever the bids are when they arrive: first the legs that lose least a
    contract."""

    def loss_each(holding: Holding) -> tuple[int, int]:
        leg, count = holding
        bids = selling.sale_bids(live, leg)
        best = _loss_bound(leg, count, bids[0][0], live) if bids else leg.open_cost
        return best * 1_000 // count, leg.sequence

    found = []
    for leg, count in sorted(wanted, key=loss_each):
        bids = selling.sale_bids(live, leg)
        sale = sell_ladder.within_budget(bids, leg, count, allowed, live.fee(leg.market_id))
        if sale is not None:
            found.append(sale)
            allowed -= max(0, _loss_bound(leg, sale.count, sale.least, live))
    return found


def _loss_bound(leg: Leg, count: int, price: int, live: LiveBooks) -> int:
    return sell_ladder.loss_bound(leg, count, price, live.fee(leg.market_id))


def _unwound(position: Position, lease: Lease, count: int) -> bool:
    lost = dollars(-position.realised)
    if count:
        opening.open_with(position, lease, count, f"the rest was unwound for a loss of {lost}")
    else:
        states.transition(
            position,
            PositionStatus.ABORTED,
            reason=f"unwound for a loss of {lost}",
            lease=lease,
            close_type=CloseType.UNWOUND,
        )
    protections.after_unwind(position)
    return True
