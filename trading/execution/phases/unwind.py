"""Unwinding: selling what a half-filled basket has beyond its whole baskets. Phases as in ``buy``."""

from __future__ import annotations

from kalbot.common.units import format_money
from trading import states
from trading.execution.orders import inflight
from trading.execution.phases import opening, selling
from trading.execution.sizing import baskets
from trading.models import CloseType, Order, Position, PositionStatus
from trading.safety import protections
from trading.states import Lease


def unwinding(position: Position, lease: Lease) -> bool:
    """Sell what the whole baskets do not need, within what is left of the leg-risk budget; all of it if an exit is requested."""
    request = selling.open_request(position)
    if request is not None:
        states.transition(
            position, PositionStatus.EXITING, reason=f"exit: {request.reason}", actor=request.actor, lease=lease
        )
        return True
    if not selling.all_ended(position):
        return inflight.wait(position)
    legs = list(position.legs.select_related("market"))
    count = baskets.matched(legs, position.target_count)
    wanted = [(leg, extra) for leg in legs if (extra := baskets.excess(leg, count, position.target_count))]
    if not wanted:
        return _unwound(position, lease, count)
    budget = position.profile.leg_risk_budget + min(0, position.realised)
    refusal = selling.try_to_sell(position, lease, wanted, Order.Purpose.UNWIND, "unwind", budget=budget)
    if refusal is not None:
        return selling.stuck(position, refusal)
    legs = selling.next_rung(position)
    done = opening.is_balanced(position, legs) or not any(leg.held for leg in legs)
    return done or selling.has_rungs_left(position)


def _unwound(position: Position, lease: Lease, count: int) -> bool:
    lost = format_money(-position.realised)
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
