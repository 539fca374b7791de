"""A quote's orders: placed with an expiry, prolonged in their place of the queue, withdrawn and read back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from django.conf import settings

from kalbot.common import clock
from strategies.models import Mode
from trading.execution.orders import batch, cancel, fills, gate, inflight, record, submit
from trading.execution.orders.batch import Wanted
from trading.leases import Lease
from trading.models import OPEN_ORDERS, Order, OrderStatus, Position
from trading.venues import factory
from trading.venues.protocol import Refused, Unresolved

CHECKED_EVERY: Final = 5.0
"""Seconds after which a resting order is read although no message said that it changed."""
ENDED_LATELY: Final = timedelta(seconds=10)
MOST_CHECKED: Final = 10_000
log = logging.getLogger(__name__)
_checked: dict[Any, float] = {}


def place(lease: Lease, position: Position, wanted: Sequence[Wanted], keep_back: int) -> list[Order]:
    """Rest ``wanted``, one order a leg, until they are prolonged or expire."""
    columns: dict[str, Any] = {
        "action": Order.Action.BUY,
        "purpose": Order.Purpose.QUOTE,
        "time_in_force": "good_till_canceled",
        "expires_at": _expiry(),
        "order_group": position.order_group,
        "keep_back": keep_back,
        "reason": "quote",
    }
    if len(wanted) > 1:
        placed = batch.place_all(lease, position, wanted, **columns)
    else:
        placed = [submit.place(lease, position, one.leg, price=one.price, count=one.count, **columns) for one in wanted]
    _checked.update((order.pk, clock.monotonic()) for order in placed if order.status == OrderStatus.RESTING)
    return placed


def due(orders: Iterable[Order]) -> list[Order]:
    """Those of the open orders that are brought up to date now: unclear ones, and resting ones of which no message would say that they
    filled, or that have not been read for a while."""
    return [o for o in orders if o.status in OPEN_ORDERS and (o.status != OrderStatus.RESTING or _is_due(o))]


def refresh(orders: Iterable[Order]) -> None:
    """Bring open orders up to date: what is unclear is resolved, what ended is booked."""
    for order in orders:
        inflight.advance(order, wanted=False, cancel=False)


def ended_lately(orders: Iterable[Order]) -> list[Order]:
    """Quotes that ended a moment ago with less than they wanted and are read again now: an answer that one is not in the book may be
    early."""
    late = clock.now() - ENDED_LATELY
    quotes = [o for o in orders if o.purpose == Order.Purpose.QUOTE and inflight.is_short(o)]
    return [o for o in quotes if o.ended_at is not None and o.ended_at > late and _is_due(o)]


def withdraw(orders: Iterable[Order]) -> bool:
    """Cancel what rests and read what it filled. True when each has ended and its fills are booked."""
    return inflight.advance_all(list(orders), wanted=lambda order: False, cancel=True)


def prolong(order: Order, lease: Lease, keep_back: int) -> None:
    """Let a resting quote expire later, if half of its time is over and that leaves ``keep_back`` write tokens. The row says so first,
    so that it never promises an earlier end than the exchange keeps to; an unclear answer leaves it to expire or to be read. Nothing leaves
    once a new quote might not (``gate``)."""
    if order.expires_at is None or order.expires_at - clock.now() > timedelta(
        seconds=settings.KALBOT_QUOTE_SECONDS / 2
    ):
        return
    until = _expiry()
    if not record.move(order, (OrderStatus.RESTING,), OrderStatus.RESTING, expires_at=until):
        return
    try:
        record.no_transaction()
        answer = factory.venue_for(order.mode).prolong(order, until, keep_back, gate.of_prolonging(order, lease))
    except (Refused, Unresolved) as error:
        log.warning("order %s: not prolonged (%s)", order.pk, error)
        inflight.advance(order, wanted=False, cancel=False)
        return
    cancel.note_moved(order, answer)
    is_resized = record.is_resized(order, answer)
    if is_resized or answer.fill_count > (order.reported_fill_count or 0) or not answer.remaining_count:
        record.acknowledge(order, answer)
        fills.collect(order, waits=(0.0,))


def _is_due(order: Order) -> bool:
    """Whether a resting order is read now: always on paper, whose exchange only moves when it is read."""
    if order.mode != Mode.LIVE:
        return True
    now = clock.monotonic()
    if now - _checked.get(order.pk, float("-inf")) < CHECKED_EVERY:
        return False
    if len(_checked) >= MOST_CHECKED:
        _checked.clear()
    _checked[order.pk] = now
    return True


def _expiry() -> Any:
    return clock.now() + timedelta(seconds=settings.KALBOT_QUOTE_SECONDS)
