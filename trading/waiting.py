"""What each open position waits for, in words, since when, and when it is tried again: one reading for every page, export and program.

A residual says it itself. Where there is none, what a position waits for is read from its orders and its status.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kalbot.common import clock
from kalbot.common.wording import many
from strategies.models import Mode
from trading.models import (
    ACTIVE,
    WORKING,
    ExitRequest,
    Order,
    OrderStatus,
    Position,
    PositionEvent,
    PositionStatus,
)
from trading.safety import live_readiness

OF_ORDERS: Final[dict[str, str]] = {
    OrderStatus.UNKNOWN: "for proof of what became of",
    OrderStatus.SENDING: "for the exchange's answer to",
    OrderStatus.NEW: "for the request of",
    OrderStatus.BOOKING: "for the fills to be booked of",
    OrderStatus.RESTING: "for fills of",
}
"""What orders that have not ended are waited for; the first that applies is said."""
OF_STATUS: Final[dict[str, str]] = {
    PositionStatus.PENDING: "for a worker that sends its first order",
    PositionStatus.QUOTING: "for its next quotes",
    PositionStatus.EXECUTING: "for the next order of the purchase",
    PositionStatus.COMPLETING: "for the next try to complete it",
    PositionStatus.OPEN: "for settlement",
    PositionStatus.UNWINDING: "for the next try to sell what has no basket",
    PositionStatus.EXITING: "for the next sale of the exit",
}
"""What a position without a residual and without open orders waits for."""
AT_WORK: Final = "for nothing: a worker is at it now"
UNREAD: Final = "for proof of what its ended orders filled"
UNCOMPARED: Final = "for the account to be compared with the exchange"
REQUESTED: Final = "for a worker that begins its exit"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What an open position waits for. ``what``: the residual's own sentence, or words that begin with "for". ``next_try``: when it is
    stepped again; None where nothing is tried but something has to happen, or a worker is at it. It may have passed: then it is due."""

    what: str
    since: datetime
    next_try: datetime | None
    is_usual: bool = False
    """Whether an open basket waits for its settlement, as nearly all do: lists leave that out."""


def of(position: Position) -> Waiting | None:
    """What ``position`` waits for; None when it has ended."""
    return of_all([position]).get(position.pk)


def of_all(positions: Iterable[Position]) -> dict[int, Waiting]:
    """What each of the positions waits for, by id, in at most four queries; those that have ended are absent."""
    rows = [one for one in positions if one.status in ACTIVE]
    if not rows:
        return {}
    orders: dict[int, list[Order]] = defaultdict(list)
    working = [one.pk for one in rows if one.status in WORKING]
    if working:
        columns = ("position", "status", "created_at")
        for order in Order.objects.filter(position__in=working).only(*columns).order_by("created_at", "id"):
            orders[order.position_id].append(order)
    requests = ExitRequest.objects.filter(position__in=rows, status=ExitRequest.Status.OPEN)
    requested = dict(requests.values_list("position", "created_at"))
    since = _since(rows)
    buys_live = any(one.mode == Mode.LIVE and one.status == PositionStatus.EXECUTING for one in rows)
    compared = not buys_live or live_readiness.is_compared()
    return {one.pk: _of(one, orders[one.pk], requested.get(one.pk), since[one.pk], compared) for one in rows}


def _of(
    position: Position, orders: list[Order], requested: datetime | None, since: datetime, compared: bool
) -> Waiting:
    tried = position.status in WORKING or requested is not None
    next_try = position.next_step_at if tried else None
    if position.residual:
        return Waiting(position.residual, since, next_try)
    for status, words in OF_ORDERS.items():
        held_up = [order for order in orders if order.status == status]
        if held_up:
            return Waiting(f"{words} {many(len(held_up), 'order')}", held_up[0].created_at, next_try)
    now = clock.now()
    if tried and position.lease_until is not None and position.lease_until > now:
        return Waiting(AT_WORK, since, None)
    if position.status == PositionStatus.OPEN and requested is not None:
        return Waiting(REQUESTED, requested, next_try)
    if position.status == PositionStatus.EXECUTING and not compared and position.mode == Mode.LIVE:
        return Waiting(UNCOMPARED, since, next_try)
    if position.status == PositionStatus.EXECUTING and orders:
        return Waiting(UNREAD, max(order.created_at for order in orders), next_try)
    return Waiting(OF_STATUS[position.status], since, next_try, is_usual=position.status == PositionStatus.OPEN)


def _since(rows: list[Position]) -> dict[int, datetime]:
    """Since when each position has its status and its residual, by its id: every change of either writes an event, and so does much
    that changes neither."""
    found = {one.pk: one.created_at for one in rows}
    states = {one.pk: (one.status, one.residual) for one in rows}
    events = PositionEvent.objects.filter(position__in=rows).order_by("id")
    for pk, before, after, reason, at in events.values_list("position", "from_status", "to_status", "reason", "at"):
        status, residual = states[pk]
        if after == status and (before != after or (residual and residual[:100] in reason)):
            found[pk] = at
    return found
