"""A lock that the machine set ends when its cause has ended, before its time, with a note of what ended it.

A cause ends by evidence, never by silence: the contracts are sold or settled, the difference is resolved, the exchange takes orders
again, a later position has won. What is only a count of past events (baskets unwound, baskets of which nothing was bought) has no
such evidence while nothing is bought, and ends by its time alone. A person's lock is a person's to lift.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from django.db.models import DateTimeField, Q

from kalbot.common import clock
from kalbot.common.db.prepared import Param, Prepared
from trading.models import (
    ACTIVE,
    OPEN_ORDERS,
    Discrepancy,
    Lock,
    Order,
    OrderStatus,
    Position,
    PositionStatus,
)
from trading.safety import protections

BEING_SOLD: Final = (PositionStatus.UNWINDING, PositionStatus.EXITING)
log = logging.getLogger(__name__)


def end() -> int:
    """End every machine's lock in force whose cause has ended. Returns how many."""
    count = 0
    for lock in _IN_FORCE.rows(now=clock.now()):
        note = ENDED[lock.code](lock) if lock.code in ENDED else ""
        if note:
            count += close(lock, note)
    return count


_IN_FORCE: Final = Prepared(
    lambda: Lock.objects.filter(until__gt=Param("now", DateTimeField()), actor=Lock.MACHINE).select_related("profile")
)


def close(lock: Lock, note: str) -> int:
    """End ``lock`` now, once, with a note of who or what ended it. 0 when it was prolonged, ended or removed in between."""
    now = clock.now()
    in_force = Lock.objects.filter(pk=lock.pk, until=lock.until, until__gt=now)
    ended = in_force.update(until=now, ended_at=now, end_note=note[:300])
    if ended:
        log.warning("lock of %s lifted: %s (%s)", lock.profile or "all profiles", lock.code, note)
    return ended


def _sold(lock: Lock) -> str:
    """Nothing of the profile is being sold any more, but for exits that wait for their prices, and nothing is held that could not be."""
    stuck = Q(status__in=BEING_SOLD) | ~Q(residual_code="")
    positions = Position.objects.filter(stuck, status__in=ACTIVE, **_of(lock)).exclude(protections.EXIT_WAITS)
    return "" if positions.exists() else "what could not be sold is sold or settled"


def _resolved(lock: Lock) -> str:
    """Every difference that concerns the profile is resolved."""
    concerned = Q()
    if lock.profile is not None:
        concerned = Q(profile=lock.profile) | Q(profile=None, mode=lock.profile.mode)
    differences = Discrepancy.objects.filter(concerned, resolved_at=None)
    return "" if differences.exists() else "the difference is resolved"


def _won(lock: Lock) -> str:
    """The last positions are not all losses any more."""
    if lock.profile is None or protections.is_losing(lock.profile):
        return ""
    return "a later position did not lose"


def _taken(lock: Lock) -> str:
    """The exchange took an order that was sent after the last refusal."""
    refused = Order.objects.filter(status=OrderStatus.REJECTED, **_of(lock)).exclude(
        error_code__in=protections.OWN_ERRORS
    )
    last = refused.order_by("-ended_at").values_list("ended_at", flat=True).first()
    taken = Order.objects.exclude(exchange_order_id="").exclude(status=OrderStatus.REJECTED).filter(**_of(lock))
    known = taken.filter(Q(status__in=OPEN_ORDERS) | Q(status=OrderStatus.DONE))
    if last is None or not known.filter(sent_at__gt=last).exists():
        return ""
    return "the exchange takes orders again"


def _of(lock: Lock) -> dict[str, Any]:
    """The rows that a lock concerns: its profile's, or all."""
    return {} if lock.profile is None else {"profile": lock.profile}


ENDED: Final[dict[str, Callable[[Lock], str]]] = {
    Lock.Code.RESIDUAL: _sold,
    Lock.Code.DIFFERENCE: _resolved,
    Lock.Code.LOSS_STREAK: _won,
    Lock.Code.REJECT_STORM: _taken,
}
"""What ends the cause of a lock, by its code; each gives the note, or empty text while the cause stands. A code that is not here ends by
its time."""
