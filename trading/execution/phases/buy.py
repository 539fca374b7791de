"""Buying a basket: leg after leg, as large as each leg allows the next, or all legs at once.

Each phase does what can be done now and returns True when the step should go on at once with the position's new state,
False when it has to wait (``next_step_at`` says until when).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from kalbot.common import clock
from strategies.models import Mode
from trading import risk, states
from trading.execution.orders import batch, inflight, submit
from trading.execution.phases import opening
from trading.execution.sizing import baskets, planner, recheck
from trading.models import Leg, Order, OrderStatus, Position, PositionStatus
from trading.safety import gate, protections
from trading.states import Lease

S = PositionStatus
TOO_LATE: Final = timedelta(seconds=20)
"""A position that waited longer for its first order (a worker died) is given up: its prices are history."""
FRESH: Final = timedelta(seconds=5)
NEVER_SENT: Final = ("not_sent", "never_arrived")
"""Orders that a dead worker left behind unsent: their leg has not been asked yet."""


def pending(position: Position, held: Lease) -> bool:
    """Begin, or give up a position that was left waiting too long."""
    if clock.now() - position.created_at > TOO_LATE:
        states.transition(position, S.ABORTED, reason="too late: nothing was sent", held=held, close_type="too late")
    else:
        states.transition(position, S.EXECUTING, reason="first order", held=held)
    return True


def executing(position: Position, held: Lease) -> bool:
    """Send the next leg that has had no order yet, as large as the legs before it allow."""
    legs, orders = list(position.legs.select_related("market")), inflight.orders_of(position)
    late = clock.now() - position.created_at > TOO_LATE
    if position.mode == Mode.LIVE and not late and not recheck.is_cleared(position) and not gate.ensure_open():
        return inflight.wait(position)
    if not inflight.settle_all(orders, wanted=lambda order: _may_go_on(position, order)):
        return inflight.wait(position)
    asked = [leg for leg in legs if any(o.leg_id == leg.pk and o.error_code not in NEVER_SENT for o in orders)]
    count = _baskets_so_far(position, asked, orders)
    if len(asked) < len(legs) and late:
        return _stop_buying(position, held, orders, "too late for the remaining legs")
    if position.sends_together and not asked:
        return _all_at_once(position, held, legs, orders)
    for leg in [one for one in legs if one not in asked]:
        if count <= 0:
            break
        count, refusal = recheck.achievable(position, legs, orders, count)
        if refusal:
            return _stop_buying(position, held, orders, refusal)
        order = submit.place(
            held,
            position,
            leg,
            action=Order.Action.BUY,
            purpose=Order.Purpose.ENTRY,
            price=leg.limit_price,
            count=baskets.needed(count, leg.target_count, position.target_count),
            keep_back=planner.CREATE_TOKENS * len(asked),
            reason="entry",
        )
        orders.append(order)
        asked.append(leg)
        if order.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING):
            return inflight.wait(position)
        count = min(count, _baskets_so_far(position, [leg], orders))
    return _stop_buying(position, held, orders, "")


def _all_at_once(position: Position, held: Lease, legs: list[Leg], orders: list[Order]) -> bool:
    """Send every leg in one request. What fills unequally is completed or unwound like any half-filled basket."""
    count, refusal = recheck.achievable(position, legs, orders, position.target_count)
    if refusal:
        return _stop_buying(position, held, orders, refusal)
    wanted = [
        batch.Wanted(leg, leg.limit_price, baskets.needed(count, leg.target_count, position.target_count))
        for leg in legs
    ]
    orders += batch.place_all(
        held,
        position,
        wanted,
        keep_back=planner.tokens_kept(len(legs)),
        action=Order.Action.BUY,
        purpose=Order.Purpose.ENTRY,
        reason="entry, all legs at once",
    )
    if any(order.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING) for order in orders):
        return inflight.wait(position)
    return _stop_buying(position, held, orders, "")


def _stop_buying(position: Position, held: Lease, orders: list[Order], refusal: str) -> bool:
    """Every leg that is to be asked has been: book the fills, then see what there is."""
    if not inflight.gather(orders):
        return inflight.wait(position)
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    if not any(leg.held for leg in legs):
        why = refusal or _why_nothing(orders)
        states.transition(position, S.ABORTED, reason=f"nothing was bought: {why}", held=held, close_type=why[:40])
        protections.after_failure(position)
    elif opening.is_balanced(position, legs):
        opening.open_with(position, held, count, refusal or "all legs filled")
    else:
        seconds = position.profile.complete_seconds
        states.transition(
            position,
            S.COMPLETING,
            reason=f"{count / 100:g} whole baskets, legs unequal{': ' + refusal if refusal else ''}",
            held=held,
            matched_count=count,
            deadline_at=clock.now() + timedelta(seconds=seconds),
        )
    return True


def _baskets_so_far(position: Position, asked: list[Leg], orders: list[Order]) -> int:
    counts = [baskets.whole(inflight.bought(leg, orders), leg.target_count, position.target_count) for leg in asked]
    return min(counts, default=position.target_count)


def _may_go_on(position: Position, order: Order) -> bool:
    """Whether an entry order of unknown outcome may still be placed: only if it could be sent anew now."""
    return not blocked(position) and _fresh(order)


def _fresh(order: Order) -> bool:
    return clock.now() - order.created_at < FRESH


def blocked(position: Position) -> str:
    """Why no purchase may be sent at all now; empty when it may."""
    try:
        risk.may_send(position.profile, reduces=False)
    except risk.Denied as denied:
        return str(denied)
    return ""


def _why_nothing(orders: list[Order]) -> str:
    refused = next((o.error_code for o in orders if o.error_code), "")
    return refused or "no fill at the limit"
