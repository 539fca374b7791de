"""The orders of a position that have not come to their end: resolved, refreshed, cancelled, booked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from kalbot.common import clock
from trading import states
from trading.execution.orders import cancel as cancelling
from trading.execution.orders import fills, record, submit
from trading.models import OPEN_ORDERS, Leg, Order, OrderError, OrderStatus, Position
from trading.venues import factory
from trading.venues.protocol import Refused, Unresolved


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


def advance(order: Order, *, wanted: bool, cancel: bool) -> bool:
    """Bring an order that another step left behind towards its end. True when it has ended.

    ``wanted``: an order of unknown outcome may still be placed; ``cancel``: a resting one is to go.
    """
    if order.status == OrderStatus.NEW:
        record.move(
            order,
            (OrderStatus.NEW,),
            OrderStatus.REJECTED,
            error_code=OrderError.NOT_SENT,
            ended_at=clock.now(),
        )
    if order.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN):
        record.move(order, (OrderStatus.SENDING,), OrderStatus.UNKNOWN)
        submit.resolve(order, wanted)
    if order.status == OrderStatus.RESTING:
        cancelling.refresh(order, cancel=cancel)
    if order.status == OrderStatus.BOOKING:
        fills.collect(order)
    return order.status not in OPEN_ORDERS


def advance_all(orders: list[Order], *, wanted: Callable[[Order], bool], cancel: bool = False) -> bool:
    """Bring every order left open by an earlier step towards its end. True when all have ended."""
    ended = [advance(order, wanted=wanted(order), cancel=cancel) for order in orders if order.status in OPEN_ORDERS]
    return all(ended)


def collect_all(orders: list[Order], then: fills.Then | None = None) -> bool:
    """Book the fills of every order that has ended at the venue, and ``then`` do what follows. True when nothing is missing."""
    return fills.collect_all([order for order in orders if order.status == OrderStatus.BOOKING], then)


def reread(orders: Iterable[Order]) -> bool:
    """Read purchases that ended with less than they wanted once more, and book what they filled after all. True when one did.

    An answer of nothing may be early: acting on it would abandon contracts, or buy them a second time.
    """
    more = False
    for order in orders:
        if order.action != Order.Action.BUY or order.status != OrderStatus.DONE or order.filled_count >= order.count:
            continue
        try:
            record.no_transaction()
            answer = factory.venue_for(order.mode).fetch(order)
        except (Refused, Unresolved):
            continue
        if answer.fill_count > order.filled_count and record.move(
            order, (OrderStatus.DONE,), OrderStatus.BOOKING, reported_fill_count=answer.fill_count
        ):
            fills.collect(order)
            more = True
    return more


def wait(position: Position, seconds: float = 1.0) -> bool:
    """Have the sweeper step the position in ``seconds``; returns False, the result of a phase that waits."""
    states.schedule(position, clock.now() + timedelta(seconds=seconds))
    return False
