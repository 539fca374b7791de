"""Finds in the database the work that a lost message or a dead worker left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db import InterfaceError, OperationalError
from django.db.models import BigIntegerField, DateTimeField, Q, QuerySet

from kalbot.common import cache, clock
from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.db.retry import retried
from strategies.models import Decision
from trading import leases
from trading.execution import executor
from trading.models import (
    OPEN_ORDERS,
    WORKING,
    Denial,
    ExitRequest,
    MarkOut,
    Order,
    Position,
    PositionStatus,
    Reconciliation,
)
from trading.quoted import markouts, queue
from trading.reconciliation import late_fills, overdue
from trading.safety import lock_causes
from trading.venues import groups, prints

LONGEST_WAIT: Final = timedelta(seconds=120)
"""No step is put off for longer: a later one was scheduled before a clock was set back."""
AHEAD: Final = timedelta(seconds=5)
"""Clocks of several hosts differ, but not by more: what was later than that was written before a clock was set back."""
MOMENTS: Final = ("sent_at", "rested_at", "ended_at", "moved_at")
"""Of an order: how long ago they were decides when something may be done about it."""
TAKES_RISK_AWAY: Final = (PositionStatus.UNWINDING, PositionStatus.EXITING, PositionStatus.COMPLETING)
DECISION_GRACE: Final = timedelta(seconds=3)
DECISION_WINDOW: Final = timedelta(hours=1)
"""Decisions that are younger are searched each time; older ones by a process that did not search in between: it begins, or slept."""
log = logging.getLogger(__name__)


def sweep(*, forgotten: bool = True) -> int:
    """Cancel what rests for nobody, reopen what holds contracts that nobody acts on, lift locks whose cause has ended, step every
    position that is due, execute every decision that no worker took up, and measure quotes. Returns how many. ``forgotten`` False: no
    message can be lost, so a decision that waits will be taken up by whoever has its message."""
    count = sum(_part(work) for work in (take_future_for_now, late_fills.withdraw_left, late_fills.reopen_all))
    count += sum(_part(work) for work in (overdue.act, lock_causes.end))
    count += sum(_stepped(position_id) for position_id in due_positions())
    _part(late_fills.take_back_names)
    for decision_id in forgotten_decisions() if forgotten else ():
        _guarded(executor.execute, decision_id)
        count += 1
    return count + _measured()


def sweep_exits() -> int:
    """Step every position that is due and whose next step takes risk away. Returns how many. ``sweep`` does the same and more, and may
    be busy with purchases for long."""
    return sum(_stepped(position_id) for position_id in due_exits())


def _stepped(position_id: int) -> bool:
    """Step a position unless another worker has since it was listed: it would be tried again before its time."""
    if not _STILL_DUE.rows(position=position_id, **_moments()):
        return False
    _guarded(executor.step, position_id)
    return True


def _part(work: Callable[[], int | None]) -> int:
    """One part of the sweep: a row that it cannot deal with must not keep every position waiting. A database that is away ends it all."""
    try:
        return work() or 0
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("%s failed; it will be tried again", work.__qualname__)
        return 0


def take_future_for_now() -> None:
    """Moments of the future, of requests and of orders whose position is at work, count as of now: else all that waits until they are
    long enough ago would wait for as long as the clock was set back. When a row was created stays: an order of unknown age is not sent. A
    comparison of the future does not count: what was spent since would be taken for part of the cash that it saw."""
    now = clock.now()
    later = now + AHEAD
    ExitRequest.objects.filter(status=ExitRequest.Status.OPEN, created_at__gt=later).update(created_at=now)
    compared = Reconciliation.objects.filter(started_at__gt=later, error="")
    compared.update(error="it began before a clock was set back")
    if _ORDERS_AHEAD.rows(later=later):
        orders = _orders_at_work()
        for moment in MOMENTS:
            orders.filter(**{f"{moment}__gt": later}).update(**{moment: now})


def _orders_at_work() -> QuerySet[Order]:
    return Order.objects.filter(Q(position__status__in=WORKING) | Q(status__in=OPEN_ORDERS))


_ORDERS_AHEAD: Final = PreparedColumns(
    lambda: _orders_at_work().filter(moved_at__gt=Param("later", DateTimeField())).values_list("pk")[:1]
)


def _measured() -> int:
    """Trades where paper quotes rest, what fills of quotes are worth by now, the places of quotes in their queues, and order groups of
    what is quoted no more: a fault there keeps nothing from trading. A replay has its prints from the tape and needs no exchange."""
    try:
        if cache.is_isolated():
            return groups.delete_ended() + markouts.measure()
        return groups.delete_ended() + prints.fetch() + markouts.measure() + queue.measure()
    except Exception:
        log.exception("quotes were not measured; it will be tried again")
        return 0


def due_positions() -> list[int]:
    """Positions that have something to do now and whose lease is free, those first whose next step takes risk away."""
    return list(dict.fromkeys([*due_exits(), *(pk for (pk,) in _DUE.rows(**_moments()))]))


def due_exits() -> list[int]:
    """Those of them that are unwound, exited or completed, or are to be."""
    return list(dict.fromkeys(pk for (pk,) in _DUE_EXITS.rows(**_moments())))


def _moments() -> dict[str, datetime]:
    """What ``_due`` takes."""
    now = clock.now()
    return {"now": now, "lapses": now + leases.LONGEST_LEASE, "latest": now + LONGEST_WAIT}


def _due(now: datetime | Param, lapses: datetime | Param, latest: datetime | Param) -> QuerySet[Position]:
    due = Q(next_step_at=None) | Q(next_step_at__lte=now) | Q(next_step_at__gt=latest)
    working = Q(status__in=WORKING) & due
    requested = Q(status=PositionStatus.OPEN, exit_requests__status=ExitRequest.Status.OPEN)
    return Position.objects.filter(leases.is_free(now, lapses) & (working | requested)).order_by("next_step_at", "id")


def _due_then() -> QuerySet[Position]:
    return _due(*(Param(name, DateTimeField()) for name in ("now", "lapses", "latest")))


_EXIT: Final = Q(status__in=TAKES_RISK_AWAY) | Q(exit_requests__status=ExitRequest.Status.OPEN)
_DUE: Final = PreparedColumns(lambda: _due_then().values_list("id"))
_STILL_DUE: Final = PreparedColumns(
    lambda: _due_then().filter(pk=Param("position", BigIntegerField())).values_list("id")[:1]
)
_DUE_EXITS: Final = PreparedColumns(lambda: _due_then().filter(_EXIT).values_list("id"))


def next_due() -> datetime | None:
    """From when on a sweep has something to do by what rows say now; None while nothing is open. Clocks set back are left out."""
    working = Q(status__in=WORKING)
    requested = Q(status=PositionStatus.OPEN, exit_requests__status=ExitRequest.Status.OPEN)
    moments = Position.objects.filter(working | requested).values_list("next_step_at", flat=True)
    found = [clock.now() if moment is None else moment for moment in moments]
    if MarkOut.objects.filter(is_done=False).exists():
        found.append(clock.now())
    return min(found, default=None)


def forgotten_decisions() -> list[object]:
    """Decisions with neither position nor denial, whose message was lost. Old ones are denied as expired by the executor."""
    global _searched_at
    now, last = clock.now(), _searched_at
    was_there = last is not None and last <= now < last + DECISION_WINDOW - DECISION_GRACE
    since = now - DECISION_WINDOW if was_there else datetime.min.replace(tzinfo=UTC)
    found = _FORGOTTEN.rows(since=since, before=now - DECISION_GRACE, ahead=now + DECISION_GRACE)
    if was_there or not found:
        _searched_at = now  # what was found after an absence may fail, or this process may die: it is searched again
    return [pk for (pk,) in found]


_searched_at: datetime | None = None
"""When this process searched for forgotten decisions last."""


def _forgotten() -> QuerySet[Decision, Any]:
    since, before, ahead = (Param(name, DateTimeField()) for name in ("since", "before", "ahead"))
    # one of the future was made before a clock was set back
    recent = Decision.objects.filter(Q(created_at__lt=before) | Q(created_at__gt=ahead), created_at__gt=since)
    return recent.filter(position=None).exclude(pk__in=Denial.objects.values("decision_id")).values_list("pk")


_FORGOTTEN: Final = PreparedColumns(_forgotten)


def _guarded(work: Callable[[Any], object], key: object) -> None:
    """One position that fails must not keep the others waiting; one that lost a race in the database goes on at once."""
    try:
        retried(partial(work, key))
    except Exception:
        log.exception("%s(%s) failed; it will be tried again", getattr(work, "__name__", work), key)
