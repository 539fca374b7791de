"""Buying a basket: leg after leg, as large as each leg allows the next, or all legs at once.

Each phase does what can be done now and returns True when the step should go on at once with the position's new state,
False when it has to wait (``next_step_at`` says until when).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from kalbot.common import clock
from strategies.models import Mode
from trading import states
from trading.accounting.position_booking import PositionBooking
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.orders import batch, inflight, submit
from trading.execution.phases import opening, selling
from trading.execution.sizing import baskets, planner, recheck
from trading.leases import Lease
from trading.limits import risk
from trading.models import CloseType, Leg, Order, OrderError, OrderStatus, Position, PositionStatus
from trading.reconciliation import reconcile
from trading.safety import protections
from trading.venues import connection

TOO_LATE: Final = timedelta(seconds=20)
"""A position that waited longer for its first order (a worker died) is given up: its prices are history."""
NEVER_SENT: Final = (OrderError.NOT_SENT, OrderError.NEVER_ARRIVED)
"""Orders that a dead worker left behind unsent: their leg is still to be ordered."""
ENTRY: Final = "entry"
ALL_LEGS: Final = "entry, all legs at once"
ALL_FILLED: Final = "all legs filled"
IN_FLIGHT: Final = (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING)


def pending(position: Position, lease: Lease) -> bool:
    """Begin, or give up a position that was left waiting too long."""
    if abs(clock.now() - position.created_at) > TOO_LATE:
        states.transition(
            position,
            PositionStatus.ABORTED,
            reason="too late: nothing was sent",
            lease=lease,
            close_type=CloseType.NOT_BOUGHT,
            close_code=DenialCode.TOO_LATE,
        )
    elif position.quoting:
        states.transition(position, PositionStatus.QUOTING, reason="first quotes", lease=lease)
    else:
        states.transition(position, PositionStatus.EXECUTING, reason="first order", lease=lease)
    return True


def first_orders(position: Position, legs: list[Leg]) -> list[Order]:
    """The orders that are sent first for the whole position, not stored yet: of all legs, or of the first one."""
    way = {
        "action": Order.Action.BUY,
        "purpose": Order.Purpose.ENTRY,
        "reason": ALL_LEGS if position.sends_together else ENTRY,
    }
    chosen = legs if position.sends_together else legs[:1]
    return [submit.new_order(position, leg, price=leg.limit_price, count=leg.target_count, **way) for leg in chosen]


def begun(position: Position, lease: Lease, legs: list[Leg], orders: list[Order]) -> bool:
    """Send the first orders, stored when the position was admitted just now, and go on like ``executing``."""
    watching = states.watching(position)
    if position.sends_together:
        batch.send_all(orders, planner.tokens_kept(len(legs)), watching)
    else:
        submit.send(orders[0], beside=watching)
    if watching:
        states.watch(position, is_new=True)
    return _after_sending(position, lease, legs, orders)


def _after_sending(position: Position, lease: Lease, legs: list[Leg], orders: list[Order]) -> bool:
    if any(order.status in IN_FLIGHT for order in orders):
        return inflight.wait(position)
    if position.sends_together:
        return _stop_buying(position, lease, orders, None)
    return _one_by_one(position, lease, legs, orders, _with_orders(legs, orders))


def _with_orders(legs: list[Leg], orders: list[Order]) -> list[Leg]:
    """The legs that have had an order which reached the exchange, or may have."""
    return [leg for leg in legs if any(o.leg_id == leg.pk and o.error_code not in NEVER_SENT for o in orders)]


def executing(position: Position, lease: Lease) -> bool:
    """Send the next leg that has had no order yet, as large as the legs before it allow."""
    legs, orders = inflight.legs_of(position), inflight.orders_of(position)
    late = abs(clock.now() - position.created_at) > TOO_LATE
    if position.mode == Mode.LIVE and not late and not recheck.is_cleared(position):
        if not reconcile.ensure_reconciled():
            return inflight.wait(position)
        connection.measure_clock()
    # what is to take at once and rests all the same has its time too
    if not inflight.advance_all(orders, wanted=lambda order: blocked(position, completes=False) is None, cancel=late):
        return inflight.wait(position)
    ordered = _with_orders(legs, orders)
    if len(ordered) < len(legs) and late:
        return _stop_buying(position, lease, orders, Refusal(DenialCode.TOO_LATE, "not every leg was ordered in time"))
    if position.sends_together and not ordered:
        return _all_at_once(position, lease, legs, orders)
    return _one_by_one(position, lease, legs, orders, ordered)


def _one_by_one(position: Position, lease: Lease, legs: list[Leg], orders: list[Order], ordered: list[Leg]) -> bool:
    """Order one leg after the other, each as large as those before it allow."""
    count = _baskets_so_far(position, ordered, orders)
    for leg in [one for one in legs if one not in ordered]:
        if count <= 0:
            break
        achievable = recheck.achievable(position, legs, orders, count)
        if isinstance(achievable, Refusal):
            return _stop_buying(position, lease, orders, achievable)
        count = achievable
        order = submit.place(
            lease,
            position,
            leg,
            action=Order.Action.BUY,
            purpose=Order.Purpose.ENTRY,
            price=leg.limit_price,
            count=baskets.needed(count, leg.target_count, position.target_count),
            keep_back=planner.CREATE_TOKENS * len(ordered),
            reason=ENTRY,
        )
        orders.append(order)
        ordered.append(leg)
        if order.status in IN_FLIGHT:
            return inflight.wait(position)
        count = min(count, _baskets_so_far(position, [leg], orders))
    return _stop_buying(position, lease, orders, None)


def _all_at_once(position: Position, lease: Lease, legs: list[Leg], orders: list[Order]) -> bool:
    """Send every leg in one request. What fills unequally is completed or unwound like any half-filled basket."""
    count = recheck.achievable(position, legs, orders, position.target_count)
    if isinstance(count, Refusal):
        return _stop_buying(position, lease, orders, count)
    wanted = [
        batch.Wanted(leg, leg.limit_price, baskets.needed(count, leg.target_count, position.target_count))
        for leg in legs
    ]
    orders += batch.place_all(
        lease,
        position,
        wanted,
        keep_back=planner.tokens_kept(len(legs)),
        action=Order.Action.BUY,
        purpose=Order.Purpose.ENTRY,
        reason=ALL_LEGS,
    )
    return _after_sending(position, lease, legs, orders)


def _stop_buying(position: Position, lease: Lease, orders: list[Order], refusal: Refusal | None) -> bool:
    """No further leg is ordered: book the fills, then open, complete or abort by what they add up to."""

    def open_at_once(booking: PositionBooking) -> None:
        """Where every order filled whole, nothing has to be read again before the position is opened."""
        legs = booking.legs.values()
        if all(o.filled_count == o.count for o in orders) and opening.is_balanced(position, legs):
            count = baskets.matched(legs, position.target_count)
            free = lease.end_with(booking, selling.requesting(position))
            opening.open_with(position, lease, count, str(refusal or ALL_FILLED), booking, **free)

    if not inflight.collect_all(orders, open_at_once):
        return inflight.wait(position)
    if position.status != PositionStatus.EXECUTING:
        return True
    if not inflight.find_refused(orders):
        return inflight.wait(position)
    more = inflight.reread(orders)
    if more is None or (more and not inflight.collect_all(orders)):
        return inflight.wait(position)
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    if not any(leg.held for leg in legs):
        code = refusal.code if refusal is not None else _code_of_nothing(orders)
        states.transition(
            position,
            PositionStatus.ABORTED,
            reason=f"nothing was bought: {refusal or code.replace('_', ' ')}",
            lease=lease,
            close_type=CloseType.NOT_BOUGHT,
            close_code=code,
        )
        protections.after_failure(position)
    elif opening.is_balanced(position, legs):
        opening.open_with(position, lease, count, str(refusal or ALL_FILLED))
    else:
        opening.to_completing(position, lease, count, str(refusal or "filled in part"))
    return True


def _baskets_so_far(position: Position, ordered: list[Leg], orders: list[Order]) -> int:
    counts = [baskets.whole(inflight.kept(leg, orders), leg.target_count, position.target_count) for leg in ordered]
    return min(counts, default=position.target_count)


def blocked(position: Position, *, completes: bool) -> Refusal | None:
    """Why no purchase may be sent at all now; None when it may. ``completes``: it takes risk away."""
    try:
        risk.may_send(position.profile, reduces=completes)
    except Denied as denied:
        return denied.refusal
    return None


def _code_of_nothing(orders: list[Order]) -> str:
    """Why no order filled: the venue's own code if it refused one."""
    return next((order.error_code for order in orders if order.error_code), DenialCode.NO_FILL)
