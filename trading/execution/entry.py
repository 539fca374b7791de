"""Buying a basket: leg after leg, then completing what fell short, then an open position or an unwind.

Each function is one phase of ``executor.step``: it does what can be done now and returns True when the step should go on
at once with the position's new state, False when it has to wait (``next_step_at`` says until when).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

from kalbot.common import clock
from kalbot.common.errors import Infeasible
from markets.fees import FeeSchedule
from strategies.models import Mode, Profile
from trading import gate, quotes, risk, states
from trading.execution import baskets, planner, rescue, sending, walk
from trading.models import Leg, Order, OrderStatus, Position, PositionStatus
from trading.states import Lease

S = PositionStatus
TOO_LATE: Final = timedelta(seconds=20)
"""A position that waited longer for its first order (a worker died) is given up: its prices are history."""
SOON: Final = timedelta(seconds=1)
TRIES: Final = 2
"""Immediate tries to complete a basket under the policy that unwinds."""
CREATE: Final = planner.CREATE_TOKENS
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
    legs, orders = list(position.legs.select_related("market")), orders_of(position)
    late = clock.now() - position.created_at > TOO_LATE
    if position.mode == Mode.LIVE and not gate.ensure_open() and not late:
        return _wait(position)
    if not settle_all(orders, wanted=lambda order: _may_go_on(position, order)):
        return _wait(position)
    asked = [leg for leg in legs if any(o.leg_id == leg.pk and o.error_code not in NEVER_SENT for o in orders)]
    count = _baskets_so_far(position, asked, orders)
    if len(asked) < len(legs) and late:
        return _stop_buying(position, held, orders, "too late for the remaining legs")
    for leg in [one for one in legs if one not in asked]:
        if count <= 0:
            break
        count, refusal = achievable(position, legs, orders, count)
        if refusal:
            return _stop_buying(position, held, orders, refusal)
        order = sending.place(
            held,
            position,
            leg,
            action=Order.Action.BUY,
            purpose=Order.Purpose.ENTRY,
            price=leg.limit_price,
            count=baskets.needed(count, leg.target_count, position.target_count),
            keep_back=CREATE * len(asked),
            reason="entry",
        )
        orders.append(order)
        asked.append(leg)
        if order.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING):
            return _wait(position)
        count = min(count, _baskets_so_far(position, [leg], orders))
    return _stop_buying(position, held, orders, "")


def _stop_buying(position: Position, held: Lease, orders: list[Order], refusal: str) -> bool:
    """Every leg that is to be asked has been: book the fills, then see what there is."""
    if not gather(orders):
        return _wait(position)
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    if not any(leg.held for leg in legs):
        why = refusal or _why_nothing(orders)
        states.transition(position, S.ABORTED, reason=f"nothing was bought: {why}", held=held, close_type=why[:40])
    elif is_balanced(position, legs):
        open_with(position, held, count, refusal or "all legs filled")
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


def completing(position: Position, held: Lease) -> bool:
    """Buy what the short legs lack while the basket still meets its margin, else go and unwind."""
    holds = position.profile.on_partial == Profile.PartialPolicy.HOLD
    over = position.deadline_at is None or clock.now() >= position.deadline_at
    orders = orders_of(position)
    blocked = _blocked(position)
    ended = settle_all(orders, wanted=lambda order: not blocked, cancel=over or bool(blocked))
    if not ended and not gather([o for o in orders if o.status != OrderStatus.RESTING]):
        return _wait(position)
    legs = list(position.legs.select_related("market"))
    if is_balanced(position, legs):
        if not ended:
            return _wait(position)
        open_with(position, held, baskets.matched(legs, position.target_count), "completed")
        return True
    if any(o.status in sending.OPEN_STATUSES for o in orders):
        return _wait(position)
    if blocked or over or (not holds and position.attempts >= TRIES):
        return to_unwinding(position, held, blocked or ("time is up" if over else "could not be completed"))
    sent = _complete_once(position, held, legs, orders, rests=holds)
    states.look_again(position, clock.now() + SOON / 4, attempts=position.attempts + 1)
    if not sent and not _rescue(position, held, legs):
        return to_unwinding(position, held, "completing no longer meets the margin")
    return True


def _complete_once(position: Position, held: Lease, legs: list[Leg], orders: list[Order], *, rests: bool) -> bool:
    wanted = baskets.most(legs, position.target_count)
    target, refusal = achievable(position, legs, orders, wanted, rests=rests)
    if refusal or target <= baskets.matched(legs, position.target_count):
        return False
    columns: dict[str, Any] = {}
    if rests:
        expires = (position.deadline_at or clock.now()) + 2 * SOON
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
            keep_back=CREATE * len(legs),
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
            keep_back=CREATE * len(legs),
            reason="completing loses less than an unwind",
        )
    return True


def to_unwinding(position: Position, held: Lease, why: str) -> bool:
    """Give up completing; keep the whole baskets and sell the rest."""
    legs = list(position.legs.all())
    count = baskets.matched(legs, position.target_count)
    states.transition(position, S.UNWINDING, reason=why, held=held, matched_count=count)
    return True


def open_with(position: Position, held: Lease, count: int, why: str) -> None:
    """The basket stands: from now on it is watched, not traded."""
    floor = position.decision.floor * count // position.decision.count
    cost = sum(leg.open_cost for leg in position.legs.all())
    states.transition(
        position,
        S.OPEN,
        reason=f"{count / 100:g} baskets open: {why}",
        held=held,
        matched_count=count,
        floor=floor,
        guaranteed=position.decision.guaranteed and floor > cost,
        next_step_at=None,
        deadline_at=None,
    )


def is_balanced(position: Position, legs: Iterable[Leg]) -> bool:
    """Whether every leg holds exactly what the whole baskets need, and there is at least one."""
    legs = list(legs)
    count = baskets.matched(legs, position.target_count)
    return count > 0 and not any(baskets.excess(leg, count, position.target_count) for leg in legs)


def settle_all(orders: list[Order], *, wanted: Callable[[Order], bool], cancel: bool = False) -> bool:
    """Bring every order left open by an earlier step to its end. True when all have ended."""
    done = [
        sending.settle(order, wanted=wanted(order), cancel=cancel)
        for order in orders
        if order.status in sending.OPEN_STATUSES
    ]
    return all(done)


def gather(orders: list[Order]) -> bool:
    """Book the fills of every order that has ended at the venue. True when nothing is missing."""
    ended = [sending.collect(order) for order in orders if order.status == OrderStatus.BOOKING]
    return all(ended)


def orders_of(position: Position) -> list[Order]:
    found = position.orders.select_related("leg", "leg__market", "profile", "position", "position__event")
    return list(found.order_by("created_at", "id"))


def bought(leg: Leg, orders: Iterable[Order]) -> int:
    """What the leg's purchases have filled by the venue's own answers, booked or not yet."""
    return sum(
        max(o.filled_count, o.reported_fill_count or 0)
        for o in orders
        if o.leg_id == leg.pk and o.action == Order.Action.BUY
    )


def _baskets_so_far(position: Position, asked: list[Leg], orders: list[Order]) -> int:
    counts = [baskets.whole(bought(leg, orders), leg.target_count, position.target_count) for leg in asked]
    return min(counts, default=position.target_count)


def achievable(
    position: Position, legs: list[Leg], orders: list[Order], count: int, *, rests: bool = False
) -> tuple[int, str]:
    """(baskets that may be bought now, up to ``count``, and ""), or (0, why nothing may be).

    Asked before every purchase: every limit once more, the books of now, and the margin of the baskets that the books
    allow. ``rests``: the order may wait for its price, so the depth of now does not matter.
    """
    profile, decision, target = position.profile, position.decision, position.target_count
    try:
        quoted = quotes.read(position.event)
        if not rests:
            count = min(count, *(_reach(leg, orders, quoted, target) for leg in legs))
        if count <= 0:
            return 0, "depth: the books hold no whole basket at the limits any more"
        todo = [(leg, baskets.needed(count, leg.target_count, target) - bought(leg, orders)) for leg in legs]
        todo = [(leg, lack) for leg, lack in todo if lack > 0]
        worst = {(leg.market_id, leg.side): walk.most_for(leg.limit_price, lack, quoted.fees) for leg, lack in todo}
        spent = sum(_spent(leg, orders, count, target, quoted.fees) for leg in legs)
        begun = any(max(o.filled_count, o.reported_fill_count or 0) for o in orders)
        intent = risk.Intent(profile, decision, spent + sum(worst.values()), worst, position, completes=begun)
        risk.standing(intent)
        risk.market(intent, quoted)
    except Infeasible as denied:
        return 0, str(denied)
    if rests:
        cost = spent + sum(worst.values())
    else:
        cost = spent + sum(
            walk.buy(quoted.asks(leg.market_id, leg.side), lack, leg.limit_price, quoted.fees).cost
            for leg, lack in todo
        )
    if not baskets.still_worth(decision, profile, count, cost, whole_plan=not orders):
        return 0, f"margin_gone: {count / 100:g} baskets would cost {cost} micro-dollars"
    return count, ""


def _reach(leg: Leg, orders: list[Order], quoted: quotes.Quotes, target: int) -> int:
    """Baskets that the leg suffices for with what it has and what its book offers at the limit."""
    offered = sum(size for price, size in quoted.asks(leg.market_id, leg.side) if price <= leg.limit_price)
    return baskets.whole(bought(leg, orders) + offered, leg.target_count, target)


def _spent(leg: Leg, orders: Iterable[Order], count: int, target: int, fees: FeeSchedule) -> int:
    """Cost of what ``count`` baskets need of what the leg has bought so far, by the venue's answers."""
    total = filled = 0
    for order in orders:
        got = max(order.filled_count, order.reported_fill_count or 0)
        if order.leg_id == leg.pk and order.action == Order.Action.BUY and got:
            at_limit = walk.most_for(order.price, got, fees)
            total += order.reported_cost if order.reported_cost is not None else at_limit
            filled += got
    used = min(filled, baskets.needed(count, leg.target_count, target))
    return -(-total * used // filled) if filled else 0


def _may_go_on(position: Position, order: Order) -> bool:
    """Whether an entry order of unknown outcome may still be placed: only if it could be sent anew now."""
    return not _blocked(position) and _fresh(order)


def _fresh(order: Order) -> bool:
    return clock.now() - order.created_at < SOON * 5


def _blocked(position: Position) -> str:
    try:
        risk.may_send(position.profile, reduces=False)
    except risk.Denied as denied:
        return str(denied)
    return ""


def _why_nothing(orders: list[Order]) -> str:
    refused = next((o.error_code for o in orders if o.error_code), "")
    return refused or "no fill at the limit"


def _wait(position: Position, seconds: float = 1.0) -> bool:
    states.look_again(position, clock.now() + timedelta(seconds=seconds))
    return False
