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
from trading.execution import baskets, entry, inflight, opening, planner, purchase, rescue, sending
from trading.models import Leg, Order, OrderStatus, Position
from trading.states import Lease

TRIES: Final = 2
"""Immediate tries to complete a basket under the policy that unwinds."""
MOST_TRIES: Final = 5
"""Tries of every sort before the rest is sold."""
PAUSE: Final = timedelta(milliseconds=250)
GRACE: Final = timedelta(seconds=2)
"""A resting order expires by itself this long after its deadline, should nobody be there to cancel it."""


def completing(position: Position, held: Lease) -> bool:
    """Buy what the short legs lack while the basket still meets its margin, else go and unwind."""
    holds = position.profile.on_partial == Profile.PartialPolicy.HOLD
    over = position.deadline_at is None or clock.now() >= position.deadline_at
    orders = inflight.orders_of(position)
    why_not = entry.blocked(position)
    ended = inflight.settle_all(orders, wanted=lambda order: not why_not, cancel=over or bool(why_not))
    if not ended and not inflight.gather([o for o in orders if o.status != OrderStatus.RESTING]):
        return inflight.wait(position)
    legs = list(position.legs.select_related("market"))
    if opening.is_balanced(position, legs):
        if not ended:
            return inflight.wait(position)
        opening.open_with(position, held, baskets.matched(legs, position.target_count), "completed")
        return True
    if any(o.status in sending.OPEN_STATUSES for o in orders):
        return inflight.wait(position)
    if why_not:
        return opening.to_unwinding(position, held, why_not)
    exhausted = over or (not holds and position.attempts >= TRIES)
    sent = not exhausted and _complete_once(position, held, legs, orders, rests=holds)
    if not sent and (position.attempts >= MOST_TRIES or not _rescue(position, held, legs)):
        why = "could not be completed in time" if exhausted else "completing no longer meets the margin"
        return opening.to_unwinding(position, held, why)
    states.look_again(position, clock.now() + PAUSE, attempts=position.attempts + 1)
    return True


def _complete_once(position: Position, held: Lease, legs: list[Leg], orders: list[Order], *, rests: bool) -> bool:
    wanted = baskets.most(legs, position.target_count)
    target, refusal = purchase.achievable(position, legs, orders, wanted, rests=rests)
    if refusal or target <= baskets.matched(legs, position.target_count):
        return False
    columns: dict[str, Any] = {}
    if rests:
        expires = (position.deadline_at or clock.now()) + GRACE
        columns = {"time_in_force": "good_till_canceled", "expires_at": expires}
    for leg in legs:
        count = baskets.missing(leg, target, position.target_count)
        if not count:
            continue
        sending.place(
            held,
            position,
            leg,
            action=Order.Action.BUY,
            purpose=Order.Purpose.COMPLETE,
            price=leg.limit_price,
            count=count,
            keep_back=planner.tokens_kept(len(legs)),
            reason=f"completing {target / 100:g} baskets",
            **columns,
        )
    return True


def _rescue(position: Position, held: Lease, legs: list[Leg]) -> bool:
    """Buy what is missing above the plan's limits where that loses less than an unwind."""
    found = rescue.find(position, legs)
    if found is None:
        return False
    states.note(position, f"completing for a result of {found.result} instead of {found.instead_of} by an unwind")
    for leg, count, price in found.purchases:
        sending.place(
            held,
            position,
            leg,
            action=Order.Action.BUY,
            purpose=Order.Purpose.COMPLETE,
            price=price,
            count=count,
            keep_back=planner.tokens_kept(len(legs)),
            reason="completing loses less than an unwind",
        )
    return True
