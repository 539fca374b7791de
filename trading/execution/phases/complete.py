"""Completing a basket whose legs filled unequally, or giving that up.

It is given up for what the market says (the margin is gone, nobody offers), never for a reason of ours or of the exchange's: a
halt, a pause, a missing reconciliation or a gap in the feed is waited out, and no try is counted meanwhile. Cash that the exchange says
is lacking is no such reason: waiting brings none, a sale does.

Each phase does what can be done now and returns True when the step should go on at once with the position's new state,
False when it has to wait (``next_step_at`` says until when).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from kalbot.common import clock
from kalbot.common.units import dollars
from strategies.models import Mode, Profile
from trading import states
from trading.accounting import ledger, leg_risk
from trading.books import live_books
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.orders import batch, finality, inflight, submit, tried
from trading.execution.orders.batch import Wanted
from trading.execution.phases import buy, opening, passing, rescue, resume, selling
from trading.execution.sizing import baskets, planner, recheck
from trading.leases import Lease
from trading.models import OPEN_ORDERS, Leg, Order, OrderStatus, Position
from trading.reconciliation import reconcile
from trading.venues import market_status

TRIES: Final = 2
"""Immediate tries to complete a basket under the policy that unwinds."""
MOST_TRIES: Final = 5
"""Tries of every sort before the rest is sold."""
PAUSE: Final = timedelta(milliseconds=250)
WAIT: Final = timedelta(seconds=1)
NEWER: Final = timedelta(seconds=1)
"""So long after a purchase that did not get all a newer book is waited for."""
GRACE: Final = timedelta(seconds=2)
"""A resting order expires by itself this long after its deadline, should nobody be there to cancel it."""


def completing(position: Position, lease: Lease) -> bool:
    """Buy what the short legs lack while the basket still meets its margin, else go and unwind."""
    holds = position.profile.on_partial == Profile.PartialPolicy.HOLD
    orders = inflight.orders_of(position)
    legs = inflight.legs_of(position)
    over = _is_over_time(position, orders)
    blocked = buy.blocked(position, completes=True)
    costly = _unwind_gets_costly(position, legs, orders)
    cancel = over or blocked is not None or costly
    ended = inflight.advance_all(orders, wanted=lambda order: blocked is None, cancel=cancel)
    if not ended and not inflight.collect_all([o for o in orders if o.status != OrderStatus.RESTING]):
        return inflight.wait(position)
    if not inflight.find_refused(orders):
        return inflight.wait(position)
    legs = inflight.legs_of(position)
    if opening.is_balanced(position, legs):
        if not ended:
            return inflight.wait(position)
        opening.completed(position, lease, baskets.matched(legs, position.target_count))
        return True
    if any(o.status in OPEN_ORDERS for o in orders):
        return inflight.wait(position)
    if blocked is not None:
        return _wait_out(position, blocked)
    if position.mode == Mode.LIVE and not reconcile.ensure_reconciled():
        return _wait_out(position, Refusal(DenialCode.NOT_RECONCILED))
    shut = selling.exchange_shut(position)
    if shut is not None:
        return _wait_out(position, shut)
    more = inflight.reread(orders)
    if more is not False:
        return bool(more and inflight.collect_all(orders)) or inflight.wait(position)
    lacking = baskets.lacking(legs, position.target_count)
    unsettled = finality.unsettled(position, lacking, orders)
    if unsettled is not None:
        return opening.to_unwinding(position, lease, unsettled) if costly else _wait_out(position, unsettled)
    exhausted = over or costly or position.attempts >= (MOST_TRIES if holds else TRIES)
    rests = holds and not resume.times(position).exists()
    if not exhausted and not rests and position.attempts and tried.at_limits(position, lacking, orders):
        if abs(clock.now() - orders[-1].created_at) < NEWER:
            return inflight.wait(position, PAUSE.total_seconds())
        exhausted = True
    sent: list[Order] | Refusal = Refusal(DenialCode.NOT_COMPLETED)
    if not exhausted:
        sent = _complete_once(position, lease, legs, orders, rests=rests)
    if isinstance(sent, Refusal) and sent.code in passing.CODES and not _is_over(position, legs):
        return _wait_out(position, sent)
    if isinstance(sent, Refusal) and position.attempts < MOST_TRIES and not resume.holds_orphans(position):
        sent = _rescue(position, lease, legs) or sent
    if isinstance(sent, Refusal):
        return opening.to_unwinding(position, lease, sent)
    return _after(position, sent, holds)


def _is_over_time(position: Position, orders: list[Order]) -> bool:
    """Whether the time for completing is used up. What was spent waiting for something that passes is not, and neither is the time in
    which nobody tried: a worker that comes back late tries once. A purchase that rests waits for nothing else, also where it was called
    ended and its end was waited for."""
    rests = any(order.status == OrderStatus.RESTING for order in orders)
    if (position.residual_code in passing.CODES and not rests) or not position.attempts:
        return False
    return position.deadline_at is None or clock.now() >= position.deadline_at


def _after(position: Position, sent: list[Order], holds: bool) -> bool:
    """What follows a try. A policy that may wait backs off after a rejection; one that may not has few tries and then sells."""
    if all(order.status == OrderStatus.REJECTED for order in sent):
        refusal = next((r for o in sent if (r := passing.of_order(o)) is not None), None)
        if refusal is not None:
            return _wait_out(position, refusal)
    waits = holds and all(order.status == OrderStatus.REJECTED for order in sent)
    pause = PAUSE * 2**position.attempts if waits else PAUSE
    states.schedule(
        position, clock.now() + pause, attempts=position.attempts + 1, waits=0, residual="", residual_code=""
    )
    return not waits


def _is_over(position: Position, legs: list[Leg]) -> bool:
    """Whether a market of the basket has ended, so that waiting for it helps nothing."""
    try:
        streamed = live_books.read(position.event).prices.markets
    except Denied:
        streamed = {}
    return any(
        market_status.has_ended(leg, live=False)
        or (leg.market_id in streamed and market_status.is_over(streamed[leg.market_id].status))
        for leg in legs
    )


def _wait_out(position: Position, refusal: Refusal) -> bool:
    """Wait, visibly, with the time that is left: nothing of what passes counts against the basket."""
    now = clock.now()
    seconds = timedelta(seconds=position.profile.complete_seconds)
    text = str(refusal)[:300]
    if (position.residual_code, position.residual) != (refusal.code, text):
        states.note(position, f"waiting to complete: {text}")
    states.schedule(
        position,
        now + (WAIT * 2 ** min(position.waits, 4) if refusal.code in passing.SLOW else WAIT),
        deadline_at=max(position.deadline_at or now, now + seconds),
        waits=position.waits + 1,
        residual=text,
        residual_code=refusal.code,
    )
    return False


def _unwind_gets_costly(position: Position, legs: list[Leg], orders: list[Order]) -> bool:
    """Whether selling what is held now would cost more than a plan may use of the budget, while a purchase rests or the end of one is
    waited for: then waiting may not go on."""
    waits = position.residual_code == DenialCode.ORDER_UNSETTLED
    if not waits and not any(order.status == OrderStatus.RESTING for order in orders):
        return False
    try:
        live = live_books.read_beside(position)
        if live.unusable([leg.market_id for leg in legs], position.profile.max_price_age_ms) is not None:
            return False
    except Denied:
        return False
    return rescue.unwind_loss(live, position, legs) > planner.usable(leg_risk.left_to_sell(position, legs))


def _complete_once(
    position: Position, lease: Lease, legs: list[Leg], orders: list[Order], *, rests: bool
) -> list[Order] | Refusal:
    """Order what is lacking, or why not."""
    wanted = baskets.most(legs, position.target_count)
    target = recheck.achievable(position, legs, orders, wanted, rests=rests)
    if isinstance(target, Refusal):
        return target
    if target <= baskets.matched(legs, position.target_count):
        return Refusal(DenialCode.DEPTH, "the books hold no further whole basket at the limits")
    columns: dict[str, Any] = {}
    if rests:
        states.schedule(position, position.next_step_at, deadline_at=_rests_until(position))
        columns = {"time_in_force": "good_till_canceled", "expires_at": _rests_until(position) + GRACE}
    lacking = [(leg, baskets.missing(leg, target, position.target_count)) for leg in legs]
    try:
        ledger.reserve_up_to(position, recheck.funds_of(position, lacking))
    except Denied as denied:
        return denied.refusal
    why = f"completing {target / 100:g} baskets"
    if position.quoting and not rests:
        return batch.place_all(
            lease,
            position,
            [Wanted(leg, leg.limit_price, count) for leg, count in lacking if count],
            keep_back=planner.tokens_kept(len(legs)) if position.profile.orphans == Profile.Orphans.SELL else 0,
            action=Order.Action.BUY,
            purpose=Order.Purpose.COMPLETE,
            reason=why,
        )
    if rests:
        return [_buy(lease, position, leg, leg.limit_price, count, why, **columns) for leg, count in lacking if count]
    return _bought(lease, position, target, [(leg, count, leg.limit_price) for leg, count in lacking if count], why)


def _bought(
    lease: Lease, position: Position, target: int, wanted: Iterable[tuple[Leg, int, int]], reason: str
) -> list[Order]:
    """Buy (leg, count, limit price) for ``target`` baskets one after another, each as far as the ones before it were bought: more of it
    would be alone like what is held."""
    sent: list[Order] = []
    for leg, count, price in wanted:
        count = min(count, baskets.missing(leg, target, position.target_count))
        if not count:
            continue
        order = _buy(lease, position, leg, price, count, reason)
        sent.append(order)
        has = baskets.kept(leg) + max(order.filled_count, order.reported_fill_count or 0)
        target = min(target, baskets.whole(has, leg.target_count, position.target_count))
    return sent


def _rests_until(position: Position) -> datetime:
    """The deadline, or where it is over already the whole time from now on: nobody could try before, or this would be no try at all."""
    now, until = clock.now(), position.deadline_at
    return until if until is not None and until > now else now + timedelta(seconds=position.profile.complete_seconds)


def _rescue(position: Position, lease: Lease, legs: list[Leg]) -> list[Order]:
    """Buy what is missing above the plan's limits where that loses less than an unwind."""
    found = rescue.find(position, legs)
    if found is None:
        return []
    states.note(
        position, f"completing for {dollars(found.result)} in all instead of {dollars(found.instead_of)} by an unwind"
    )
    wanted = baskets.most(legs, position.target_count)
    return _bought(lease, position, wanted, found.purchases, "completing loses less than an unwind")


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
