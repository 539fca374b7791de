"""The orders of a position that have not come to their end: resolved, refreshed, cancelled, booked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import BigIntegerField, DateTimeField, F, Q, QuerySet

from kalbot.common import clock
from kalbot.common.db.fetch import Fetch, rows_of
from kalbot.common.db.prepared import Param, Prepared
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
    return _ORDERS.rows(position=position.pk)


def reading(position: Position, ended: datetime, refused: datetime) -> Fetch[list[Order]]:
    """Those of its orders, oldest first, that are open, may yet turn out to have filled, or were made smaller by a person, and those that
    ended since ``ended`` or were refused since ``refused``; to be read with other things, for ``attached``. A quote that moves often has
    thousands that are over."""
    return rows_of(_AT_WORK, position=position.pk, ended=ended, refused=refused)


def attached(orders: list[Order], position: Position, legs: Iterable[Leg]) -> list[Order]:
    """The orders of ``reading`` with the position and its legs that are at hand."""
    of_id = {leg.pk: leg for leg in legs}
    for order in orders:
        order.position, order.profile, order.leg = position, position.profile, of_id[order.leg_id]
    return orders


def legs_of(position: Position) -> list[Leg]:
    """The position's legs with their markets, in the order in which they are bought."""
    return _LEGS.rows(position=position.pk)


def reading_legs(position: Position) -> Fetch[list[Leg]]:
    """``legs_of``, to be read with other things."""
    return rows_of(_LEGS, position=position.pk)


_LEGS: Final = Prepared(
    lambda: (
        Leg.objects.filter(position=Param("position", BigIntegerField()))
        .select_related("market")
        .order_by("position_id", "sequence", "id")
    )
)


def _of_position() -> QuerySet[Order]:
    return Order.objects.filter(position=Param("position", BigIntegerField())).order_by("created_at", "id")


def _at_work() -> QuerySet[Order]:
    ended, refused = (Param(name, DateTimeField()) for name in ("ended", "refused"))
    lately = Q(ended_at__gt=ended) | Q(status=OrderStatus.REJECTED, ended_at__gt=refused)
    is_short = Q(status=OrderStatus.DONE, filled_count__lt=F("count"))
    is_refused = Q(status=OrderStatus.REJECTED) & ~Q(error_code__in=sorted(OURS))
    unproved = Q(is_short | is_refused, is_final=False)
    return _of_position().filter(Q(status__in=OPEN_ORDERS) | lately | unproved | Q(shrunk_to__isnull=False))


_ORDERS: Final = Prepared(
    lambda: _of_position().select_related("leg", "leg__market", "profile", "position", "position__event")
)
_AT_WORK: Final = Prepared(_at_work)


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
    or rests after all, whoever has stored that first; None when one cannot be read yet.

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
            record.rests_after_all(order)
            more = True
        elif answer.fill_count > order.filled_count:
            if record.move(order, (OrderStatus.DONE,), OrderStatus.BOOKING, reported_fill_count=answer.fill_count):
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
