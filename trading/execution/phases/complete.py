"""Completing a basket whose legs filled unequally, or giving that up.

Each phase does what can be done now and returns True when the step should go on at once with the position's new state,
False when it has to wait (``next_step_at`` says until when).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from kalbot.common import clock
from strategies.models import Profile
from trading import states
from trading.denials import DenialCode, Refusal
from trading.execution.orders import inflight, submit
from trading.execution.phases import buy, opening, rescue
from trading.execution.sizing import baskets, planner, recheck
from trading.models import OPEN_ORDERS, Leg, Order, OrderStatus, Position
from trading.states import Lease

TRIES: Final = 2
"""Immediate tries to complete a basket under the policy that unwinds."""
MOST_TRIES: Final = 5
"""Tries of every sort before the rest is sold."""
PAUSE: Final = timedelta(milliseconds=250)
GRACE: Final = timedelta(seconds=2)
"""A resting order expires by itself this long after its deadline, should nobody be there to cancel it."""


def completing(position: Position, lease: Lease) -> bool:
    """Buy what the short legs lack while the basket still meets its margin, else go and unwind."""
    holds = position.profile.on_partial == Profile.PartialPolicy.HOLD
    over = position.deadline_at is None or clock.now() >= position.deadline_at
    orders = inflight.orders_of(position)
    blocked = buy.blocked(position)
    ended = inflight.advance_all(orders, wanted=lambda order: blocked is None, cancel=over or blocked is not None)
    if not ended and not inflight.collect_all([o for o in orders if o.status != OrderStatus.RESTING]):
        return inflight.wait(position)
    legs = list(position.legs.select_related("market"))
    if opening.is_balanced(position, legs):
        if not ended:
            return inflight.wait(position)
        opening.open_with(position, lease, baskets.matched(legs, position.target_count), "completed")
        return True
    if any(o.status in OPEN_ORDERS for o in orders):
        return inflight.wait(position)
    if blocked is not None:
        return opening.to_unwinding(position, lease, blocked)
    exhausted = over or position.attempts >= (MOST_TRIES if holds else TRIES)
    sent = [] if exhausted else _complete_once(position, lease, legs, orders, rests=holds)
    if not sent and position.attempts < MOST_TRIES:
        sent = _rescue(position, lease, legs)
    if not sent:
        code = DenialCode.NOT_COMPLETED if exhausted else DenialCode.MARGIN_GONE
        return opening.to_unwinding(position, lease, Refusal(code))
    # A policy that may wait backs off after a rejection; one that may not has few tries and then sells.
    waits = holds and all(order.status == OrderStatus.REJECTED for order in sent)
    pause = PAUSE * 2**position.attempts if waits else PAUSE
    states.schedule(position, clock.now() + pause, attempts=position.attempts + 1)
    return not waits


def _complete_once(
    position: Position, lease: Lease, legs: list[Leg], orders: list[Order], *, rests: bool
) -> list[Order]:
    wanted = baskets.most(legs, position.target_count)
    target = recheck.achievable(position, legs, orders, wanted, rests=rests)
    if isinstance(target, Refusal) or target <= baskets.matched(legs, position.target_count):
        return []
    columns: dict[str, Any] = {}
    if rests:
        expires = (position.deadline_at or clock.now()) + GRACE
        columns = {"time_in_force": "good_till_canceled", "expires_at": expires}
    lacking = [(leg, baskets.missing(leg, target, position.target_count)) for leg in legs]
    return [
        _buy(lease, position, leg, leg.limit_price, count, f"completing {target / 100:g} baskets", **columns)
        for leg, count in lacking
        if count
    ]


def _rescue(position: Position, lease: Lease, legs: list[Leg]) -> list[Order]:
    """Buy what is missing above the plan's limits where that loses less than an unwind."""
    found = rescue.find(position, legs)
    if found is None:
        return []
    states.note(position, f"completing for a result of {found.result} instead of {found.instead_of} by an unwind")
    return [
        _buy(lease, position, leg, price, count, "completing loses less than an unwind")
        for leg, count, price in found.purchases
    ]


def _buy(lease: Lease, position: Position, leg: Leg, price: int, count: int, reason: str, **columns: Any) -> Order:
    return submit.place(
        lease,
        position,
        leg,
        action=Order.Action.BUY,
        purpose=Order.Purpose.COMPLETE,
        price=price,
        count=count,
        keep_back=planner.tokens_kept(position.legs.count()),
        reason=reason,
        **columns,
    )
