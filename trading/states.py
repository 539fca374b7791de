"""How a position changes: one conditional UPDATE whose row count says who won, with its event row in the same transaction."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import BigIntegerField, QuerySet

from kalbot.common import clock, counters, events, trace
from kalbot.common.db import direct, instances, pipeline
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.trace import Stage
from markets import selectors, watchlist
from trading.accounting import collateral, ledger, totals
from trading.accounting.ledger import Overtaken as Overtaken
from trading.accounting.position_booking import PositionBooking
from trading.leases import Lease
from trading.models import TERMINAL, ExitRequest, LiveEventClaim, Position, PositionEvent, PositionStatus

ALLOWED: Final[dict[str, frozenset[str]]] = {
    PositionStatus.PENDING: frozenset({PositionStatus.EXECUTING, PositionStatus.QUOTING, PositionStatus.ABORTED}),
    PositionStatus.QUOTING: frozenset(
        {
            PositionStatus.COMPLETING,
            PositionStatus.OPEN,
            PositionStatus.UNWINDING,
            PositionStatus.ABORTED,
            PositionStatus.SETTLED,
        }
    ),
    PositionStatus.EXECUTING: frozenset(
        {
            PositionStatus.COMPLETING,
            PositionStatus.OPEN,
            PositionStatus.UNWINDING,
            PositionStatus.ABORTED,
            PositionStatus.SETTLED,
        }
    ),
    PositionStatus.COMPLETING: frozenset(
        {
            PositionStatus.QUOTING,
            PositionStatus.OPEN,
            PositionStatus.UNWINDING,
            PositionStatus.ABORTED,
            PositionStatus.SETTLED,
        }
    ),
    PositionStatus.UNWINDING: frozenset(
        {
            PositionStatus.COMPLETING,
            PositionStatus.OPEN,
            PositionStatus.ABORTED,
            PositionStatus.EXITING,
            PositionStatus.SETTLED,
        }
    ),
    PositionStatus.OPEN: frozenset(
        {PositionStatus.EXITING, PositionStatus.UNWINDING, PositionStatus.CLOSED, PositionStatus.SETTLED}
    ),
    PositionStatus.EXITING: frozenset({PositionStatus.OPEN, PositionStatus.CLOSED, PositionStatus.SETTLED}),
    PositionStatus.ABORTED: frozenset({PositionStatus.UNWINDING}),
    PositionStatus.CLOSED: frozenset({PositionStatus.UNWINDING}),
    PositionStatus.SETTLED: frozenset({PositionStatus.UNWINDING}),
}
"""``exiting -> open`` and ``unwinding -> open`` are ends with an explicit residual or with the matched baskets kept;
``open -> closed``: somebody else sold what was held; ``unwinding -> completing`` when the rest can be bought after all.
What ended is reopened, as ``unwinding``, by a fill that came late.
An amended result changes a settled position's numbers by entries, not its status."""

OF_LEASE: Final = ("lease_token", "lease_until")
WATCH_PRIORITY: Final = 100


def transition(
    position: Position,
    to: str,
    *,
    reason: str,
    actor: str = "kalbot",
    lease: Lease | None = None,
    data: dict[str, Any] | None = None,
    booking: PositionBooking | None = None,
    **changes: Any,
) -> None:
    """Move ``position`` to ``to`` if it is still where ``position.status`` says; Overtaken otherwise.

    Ends release what is reserved, give up the live claim and stamp ``ended_at``. ``changes`` are further columns; a residual that is not
    among them has ended with the phase. A ``booking`` of the position, not written yet, is written with it.
    """
    if to not in ALLOWED[position.status]:
        raise ValueError(f"a position cannot go from {position.status} to {to}")
    now = clock.now()
    changes = {"residual": "", "residual_code": ""} | changes  # what held up the phase before does not hold up this one
    if to in TERMINAL:
        changes |= {"ended_at": now, "next_step_at": None, "residual": "", "residual_code": ""}
    if to == PositionStatus.OPEN and position.opened_at is None:
        changes["opened_at"] = now
        trace.mark(position.trace, Stage.STORED)
    changes |= {"status": to, "attempts": 0, "waits": 0, **_traced(position)}
    before = position.status
    with transaction.atomic(savepoint=booking is None):
        if lease is not None:
            lease.renew()
        if booking is None:
            moved = Position.objects.filter(pk=position.pk, status=before).update(**changes)
        else:
            moved = booking.position.status == before
        if not moved:
            raise Overtaken(f"position {position.pk} is no longer {before}")
        noted = note(position, reason, actor=actor, data=data, to=to)
        releases = to in TERMINAL or to == PositionStatus.OPEN
        if booking is not None:
            if releases:
                booking.release(noted.pk, ends=to in TERMINAL)
            booking.write(**changes)
        elif releases:
            ledger.release(position, noted.pk, 0 if to in TERMINAL else collateral.exit_reserve(position))
        if to in TERMINAL:
            ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).update(
                status=ExitRequest.Status.CANCELLED, result=f"the position is {to}"[:300], ended_at=now
            )
            totals.raise_best(position.profile_id)
            LiveEventClaim.objects.filter(position=position).delete()
            watchlist.replace(f"position:{position.pk}", [], 0)
        _watch_quote(position, before, to)
        announce(position, before, to, actor=actor, reason=reason)
    if booking is None:
        reload(position)
    else:
        show(position, booking.position)


def _watch_quote(position: Position, before: str, to: str) -> None:
    """Have the stream report every move of the event's prices while something of the position rests there."""
    source = f"{watchlist.QUOTE_SOURCE}{position.pk}"
    if to == PositionStatus.QUOTING:
        watchlist.keep(source, position.event_id, WATCH_PRIORITY)
    elif before == PositionStatus.QUOTING:
        watchlist.replace(source, [], 0)


def announce(position: Position, before: str, to: str, *, reason: str, actor: str = "kalbot") -> None:
    """Log that a position changed, once the transaction that changes it has committed; count how long it took to begin."""
    events.emit(
        events.Event.POSITION,
        position=position.pk,
        profile=position.profile_id,
        mode=position.mode,
        event_ticker=position.event_id,
        before=before,
        status=to,
        actor=actor,
        reason=reason,
    )
    if to == PositionStatus.OPEN and position.opened_at is None and not position.decision.quote:
        # how long a quote rests is not ours to speed up
        stages = position.decision.trace | position.trace
        transaction.on_commit(partial(trace.count, stages, trace.AFTER), robust=True)
    if to == PositionStatus.EXECUTING:
        waited = (clock.now() - position.decision.created_at).total_seconds()
        transaction.on_commit(lambda: counters.observe("decision_to_order", waited, {"mode": position.mode}))


def _traced(position: Position) -> dict[str, trace.Trace]:
    """The trace as a column to be written, for as long as the position is being bought."""
    return {"trace": position.trace} if position.opened_at is None else {}


def reload(position: Position) -> None:
    """The position's own columns as they are now. Its profile, decision and event stay as they were loaded, and so does the lease: what
    another worker took meanwhile is not ours."""
    _take_over(position, _COLUMNS.rows(position=position.pk))


def _take_over(position: Position, rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        raise Position.DoesNotExist(position.pk)
    for name, value in _COLUMNS.named(rows)[0].items():
        if name not in OF_LEASE:
            setattr(position, name, value)


def _columns() -> QuerySet[Position, Any]:
    names = [column.attname for column in Position._meta.concrete_fields]
    return Position.objects.filter(pk=Param("position", BigIntegerField())).values_list(*names)


_COLUMNS: Final = PreparedColumns(_columns)


def show(position: Position, row: Position) -> None:
    """The position's own columns as ``row`` has them."""
    for column in Position._meta.concrete_fields:
        if column.attname not in OF_LEASE:
            setattr(position, column.attname, getattr(row, column.attname))


def watch(position: Position, *, is_new: bool = False) -> None:
    """Have the stream keep the event's books for as long as the position lives."""
    watchlist.keep(f"position:{position.pk}", position.event_id, WATCH_PRIORITY, is_new=is_new)


def watching(position: Position) -> list[Statement]:
    """Statements that do the same for a position that is new."""
    return watchlist.keeping(f"position:{position.pk}", position.event_id, WATCH_PRIORITY)


def note(
    position: Position, reason: str, *, actor: str = "kalbot", data: dict[str, Any] | None = None, to: str = ""
) -> PositionEvent:
    """Write what happened to a position."""
    made = event_of(position, reason, actor=actor, data=data, to=to)
    direct.insert([made])
    return made


def event_of(
    position: Position, reason: str, *, actor: str = "kalbot", data: dict[str, Any] | None = None, to: str = ""
) -> PositionEvent:
    """What happened to a position, not stored yet."""
    return instances.new(
        PositionEvent,
        position=position,
        from_status=position.status,
        to_status=to or position.status,
        actor=actor,
        reason=reason[:300],
        data=data or {},
    )


def claim(position: Position, subaccount: int) -> None:
    """Claim each event in which the position has contracts, if it has not. IntegrityError where another position has one of them."""
    rows = [
        instances.new(LiveEventClaim, event_id=event, subaccount=subaccount, position=position)
        for event in selectors.books_of(position.event)
    ]
    direct.insert(rows)


def schedule(position: Position, at: datetime | None, **changes: Any) -> None:
    """When the sweeper steps the position next, with further columns, as the worker that has its lease sees it. Overtaken where another
    worker has taken it meanwhile, or where it does something else by now: nothing is written then."""
    columns = {"next_step_at": at, **changes, **_traced(position)}
    mine: dict[str, Any] = {"id": position.pk, "status": position.status, "lease_token": position.lease_token}
    is_new = any(getattr(position, name) != value for name, value in columns.items() if name != "next_step_at")
    send = pipeline.rows_of if is_new else pipeline.rows_soon  # a step that is lost comes early, which is as good
    moved, rows = send(direct.updating(Position, columns, **mine), _COLUMNS.statement(position=position.pk))
    if not moved:
        raise Overtaken(f"position {position.pk} is no longer {position.status}, or was taken over")
    _take_over(position, _COLUMNS.made(rows))
