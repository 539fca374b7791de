"""The orders of a position that are in the air: asked about, looked at, cancelled, booked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from kalbot.common import clock
from trading import states
from trading.execution.orders import submit
from trading.models import Leg, Order, OrderStatus, Position


def orders_of(position: Position) -> list[Order]:
    """The position's orders, oldest first."""
    found = position.orders.select_related("leg", "leg__market", "profile", "position", "position__event")
    return list(found.order_by("created_at", "id"))


def bought(leg: Leg, orders: Iterable[Order]) -> int:
    """What the leg's purchases have filled by the venue's own answers, booked or not yet."""
    return sum(
        max(o.filled_count, o.reported_fill_count or 0)
        for o in orders
        if o.leg_id == leg.pk and o.action == Order.Action.BUY
    )


def settle_all(orders: list[Order], *, wanted: Callable[[Order], bool], cancel: bool = False) -> bool:
    """Bring every order left open by an earlier step to its end. True when all have ended."""
    done = [
        submit.settle(order, wanted=wanted(order), cancel=cancel)
        for order in orders
        if order.status in submit.OPEN_STATUSES
    ]
    return all(done)


def gather(orders: list[Order]) -> bool:
    """Book the fills of every order that has ended at the venue. True when nothing is missing."""
    ended = [submit.collect(order) for order in orders if order.status == OrderStatus.BOOKING]
    return all(ended)


def wait(position: Position, seconds: float = 1.0) -> bool:
    """Have the sweeper look again in ``seconds``; returns False, the answer of a phase that waits."""
    states.look_again(position, clock.now() + timedelta(seconds=seconds))
    return False
