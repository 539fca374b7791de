"""The orders of a position that have not come to their end: resolved, refreshed, cancelled, booked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from kalbot.common import clock
from trading import states
from trading.denials import DenialCode
from trading.execution.orders import cancel as cancelling
from trading.execution.orders import fills, record, submit
from trading.models import OPEN_ORDERS, Leg, Order, OrderError, OrderStatus, Position
from trading.venues import factory
from trading.venues.protocol import Ack, Refused, Unresolved

OURS: Final = frozenset({OrderError.NOT_SENT, OrderError.NEVER_ARRIVED, OrderError.NO_CREDENTIALS, *DenialCode})
"""Codes of orders that did not leave, or whose absence was proved."""
READ_WAITS: Final = (0.0, 0.1, 0.3)
"""Seconds before each read of an order that ended with less than it wanted."""
UNREADABLE_FOR: Final = timedelta(seconds=20)
"""So long an order that the venue does not show is waited for before its answer counts."""
log = logging.getLogger(__name__)


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


def kept(leg: Leg, orders: Iterable[Order]) -> int:
    """What of the leg's purchases has not left it again, by the venue's own answers: sold, or taken out because a person sold it."""
    orders = list(orders)
    sold = sum(
        max(o.filled_count, o.reported_fill_count or 0)
        for o in orders
        if o.leg_id == leg.pk and o.action == Order.Action.SELL
    )
    return max(0, bought(leg, orders) - max(sold, leg.sold_count))


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


def find_refused(orders: Iterable[Order]) -> bool:
    """Look up the purchases that were refused within a request of several orders: such a refusal has no status of its own, so its code
    may stand for a failure after the order was taken. What exists is booked, or rests. True when it is known of each."""
    known = True
    for order in orders:
        if not (is_refused_in_batch(order) and order.action == Order.Action.BUY):
            continue
        try:
            record.no_transaction()
            answer = factory.venue_for(order.mode).find(order)
        except (Refused, Unresolved) as error:
            log.warning("order %s: whether its refusal holds is not known yet (%s)", order.pk, error)
            known = False
            continue
        if answer is None:
            record.confirm(order)
        elif record.revive(order):
            record.acknowledge(order, answer)
            fills.collect(order)
    return known


def is_refused_in_batch(order: Order) -> bool:
    """Whether the row's refusal is the exchange's own, of one order among several, and nobody has seen that the order does not exist."""
    return order.status == OrderStatus.REJECTED and order.error_code not in OURS and not order.is_final


def is_short(order: Order, action: str = Order.Action.BUY) -> bool:
    """Whether the order has ended with less than it wanted, and that is not known to be final."""
    ended = order.action == action and order.status == OrderStatus.DONE
    return ended and order.filled_count < order.count and not order.is_final


def reread(orders: Iterable[Order], action: str = Order.Action.BUY) -> bool | None:
    """Read purchases (or sales) that ended with less than they wanted once more, and book what they filled after all. True when one did,
    or rests after all, None when one cannot be read yet.

    An answer of nothing may be early: acting on it would abandon contracts, or trade them a second time.
    """
    more, known = False, True
    for order in orders:
        if not is_short(order, action):
            continue
        answer = _read_again(order)
        if answer is None:
            known = known and clock.now() - (order.moved_at or order.created_at) > UNREADABLE_FOR
        elif answer.remaining_count:
            more = record.rests_after_all(order) or more
        elif answer.fill_count > order.filled_count and record.move(
            order, (OrderStatus.DONE,), OrderStatus.BOOKING, reported_fill_count=answer.fill_count
        ):
            fills.collect(order)
            more = True
    return more if known or more else None


def _read_again(order: Order) -> Ack | None:
    """The order as the venue shows it, tried for a moment; None where it does not."""
    for pause in READ_WAITS:
        clock.sleep(pause)
        try:
            record.no_transaction()
            return factory.venue_for(order.mode).fetch(order)
        except (Refused, Unresolved) as error:
            log.info("order %s cannot be read again (%s)", order.pk, error)
    return None


def wait(position: Position, seconds: float = 1.0) -> bool:
    """Have the sweeper step the position in ``seconds``; returns False, the result of a phase that waits."""
    states.schedule(position, clock.now() + timedelta(seconds=seconds))
    return False
