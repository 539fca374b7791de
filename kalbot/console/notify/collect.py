"""Reads rows that other packages wrote and turns what is worth a person's attention into notifications.

Lower packages know nothing of this. Each reader begins a little before the place where the last one ended, because a row with a
lower id may be committed later; the unique key of a notification keeps it from being reported twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, QuerySet

from kalbot.common import clock
from kalbot.console.notify import incidents, summaries, terms
from kalbot.console.notify.drafts import Draft, store
from kalbot.console.notify.models import Cursor, EventKind, Notification, Severity
from kalbot.console.notify.parts import parts
from kalbot.console.ui import formats
from markets.models import Certificate
from trading.denials import DenialCode
from trading.models import ACTIVE, Discrepancy, ExitRequest, Lock, Position, PositionEvent, PositionStatus, TradingState
from triage.models import Advice, Recommendation

log = logging.getLogger(__name__)
OVERLAP: Final = timedelta(minutes=2)
MOST: Final = 500
"""Rows that are read and stored at once."""
WHOLE: Final = ("parts", "summaries")
"""What is judged as it is now instead of being read from rows."""
PART_OF_A_TRY: Final = (DenialCode.ORDER_UNSETTLED, DenialCode.ORDER_UNKNOWN)
"""What a position waits for between two orders. An order that stays unknown is a notification of its own."""
HELD_UP: Final[dict[str, str]] = {
    PositionStatus.QUOTING: "Nothing rests",
    PositionStatus.COMPLETING: "Waits to be completed",
}
"""What a residual means while nothing is to be sold."""
STATUS_KINDS: Final[dict[str, EventKind]] = {
    PositionStatus.OPEN: EventKind.OPENED,
    PositionStatus.UNWINDING: EventKind.UNWINDING,
    PositionStatus.ABORTED: EventKind.ABORTED,
    PositionStatus.CLOSED: EventKind.CLOSED,
    PositionStatus.SETTLED: EventKind.CLOSED,
}


def collect(now: datetime | None = None) -> int:
    """One pass over everything; returns how many notifications are new. A reader that fails is logged and holds up no other."""
    now = now or clock.now()
    return sum(_tried(name, partial(_read, name, reader, now)) for name, reader in READERS.items()) + sum(
        _tried(name, partial(_store_all, name, now)) for name in WHOLE
    )


def _tried(name: str, work: Callable[[], int]) -> int:
    try:
        return work()
    except Exception:
        log.exception("notifications of %s could not be collected", name)
        return 0


def _store_all(name: str, now: datetime) -> int:
    return store(parts(now) if name == "parts" else summaries.due(now))


def _read(name: str, reader: Callable[[datetime], Iterable[tuple[datetime, Draft]]], now: datetime) -> int:
    """What the reader finds is stored in pieces, and the cursor goes on behind each: however much there is, none is lost."""
    cursor, fresh = Cursor.objects.get_or_create(name=name, defaults={"at": now})
    if fresh:  # what happened before notifications were there is history
        return 0
    found, new, last = iter(reader(max(cursor.at - OVERLAP, _first(cursor)))), 0, cursor.at
    while piece := list(islice(found, MOST)):
        new += store(draft for _, draft in piece)
        last = max(last, *(at for at, _ in piece))
        Cursor.objects.filter(name=name).update(at=last)
    return new


def _first(cursor: Cursor) -> datetime:
    """The moment the cursor was made: nothing older is ever reported."""
    begun = cursor.state.get("begun")
    if begun is None:
        begun = cursor.at.isoformat()
        Cursor.objects.filter(name=cursor.name).update(state={**cursor.state, "begun": begun})
    return datetime.fromisoformat(begun)


def _since(rows: QuerySet[Any], field: str, since: datetime) -> Iterable[Any]:
    return rows.filter(**{f"{field}__gt": since}).order_by(field, "pk").iterator(MOST)


def position_events(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Positions that opened, ended, or have to be sold: one notification an incident, however often it goes back and forth."""
    rows = PositionEvent.objects.filter(to_status__in=list(STATUS_KINDS)).exclude(from_status=F("to_status"))
    for row in _since(rows.select_related("position__profile", "position__event"), "at", since):
        position = row.position
        kind = STATUS_KINDS[row.to_status]
        lines = [row.reason, *_money(position, row.to_status)]
        title = _title(kind, position, row.to_status)
        yield row.at, _of_position(kind, incidents.key_of(row), position, title, lines)


def residuals(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Contracts that are held because they could not be sold: once while they are being sold, whatever is in the way of the last try, and
    once for each reason for which they are left."""
    held = Position.objects.filter(status__in=ACTIVE).exclude(residual="").exclude(residual_code__in=PART_OF_A_TRY)
    for position in held.select_related("profile", "event").iterator(MOST):
        why = position.residual_code if position.status == PositionStatus.OPEN else position.status
        key = f"residual:{position.pk}:{why}"
        title = f"{HELD_UP.get(position.status, 'Held without a way to sell')}: {_name(position)}"
        yield since, _of_position(EventKind.RESIDUAL, key, position, title, [position.residual])


def _title(kind: EventKind, position: Position, to_status: str) -> str:
    verbs = {
        EventKind.OPENED: "Opened",
        EventKind.UNWINDING: "Unwinding",
        EventKind.ABORTED: "Aborted",
        EventKind.CLOSED: "Settled" if to_status == PositionStatus.SETTLED else "Closed",
    }
    gain = f" {formats.gain(position.realised)}" if kind is EventKind.CLOSED else ""
    return f"{verbs[kind]}{gain}: {_name(position)}"


def _name(position: Position) -> str:
    return f"{position.event.title or position.event_id} ({position.profile.name}, {position.mode})"


def _money(position: Position, to_status: str) -> list[str]:
    if to_status == PositionStatus.OPEN:
        return [f"Cost {formats.money(position.cost)}, fees {formats.money(position.fees)} of it."]
    if to_status in (PositionStatus.CLOSED, PositionStatus.SETTLED):
        received = formats.money(position.proceeds + position.payout)
        return [
            f"Received {received}, realised {formats.gain(position.realised)}, fees {formats.money(position.fees)}."
        ]
    return []


def _of_position(kind: EventKind, key: str, position: Position, title: str, lines: Iterable[str]) -> Draft:
    return Draft(
        kind=kind,
        key=key,
        title=title,
        body="\n".join(line for line in lines if line),
        profile_id=position.profile_id,
        mode=position.mode,
        path=f"/admin/trading/position/{position.pk}/change/",
    )


def exits(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Exits that somebody or something requested."""
    rows = ExitRequest.objects.select_related("position__profile", "position__event")
    for row in _since(rows, "created_at", since):
        title = f"Exit requested by {row.actor}: {_name(row.position)}"
        yield (
            row.created_at,
            _of_position(EventKind.EXIT_REQUESTED, f"exit:{row.pk}", row.position, title, [row.reason]),
        )


def advice(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Recommendations to exit."""
    rows = Recommendation.objects.filter(advice=Advice.EXIT).select_related("position__profile", "position__event")
    for row in _since(rows, "opened_at", since):
        title = f"Triage recommends an exit: {_name(row.position)}"
        yield row.opened_at, _of_position(EventKind.EXIT_WANTED, f"advice:{row.pk}", row.position, title, [row.detail])


def discrepancies(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Differences with the exchange, one a row: a row ends when the amount changes, and another one begins. What a row says of itself may
    change with every comparison, and is no news."""
    for row in _since(Discrepancy.objects.filter(resolved_at=None), "last_seen_at", since):
        if Notification.objects.filter(key__startswith=f"discrepancy:{row.pk}:").exists():
            continue
        lines = [f"{row.key}.", f"Ours: {row.ours or '-'}. Theirs: {row.theirs or '-'}."]
        yield (
            row.last_seen_at,
            Draft(
                kind=EventKind.DISCREPANCY,
                key=f"discrepancy:{row.pk}:",
                title=f"Difference with the exchange: {row.get_code_display()}",
                body="\n".join(lines),
                profile_id=row.profile_id,
                mode=row.mode,
                path="/admin/trading/discrepancy/",
            ),
        )


def explained(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Differences that were reported and are none any more; one that is open with another amount is not explained."""
    again = Discrepancy.objects.filter(code=OuterRef("code"), key=OuterRef("key"), resolved_at=None)
    rows = Discrepancy.objects.exclude(resolved_at=None).exclude(Exists(again))
    for row in _since(rows, "resolved_at", since):
        if Notification.objects.filter(key__startswith=f"discrepancy:{row.pk}:").exists():
            yield (
                row.resolved_at,
                Draft(
                    kind=EventKind.DISCREPANCY,
                    key=f"explained:{row.pk}:{row.resolved_at.isoformat()}",
                    title=f"Explained: {row.get_code_display()}",
                    body="\n".join(line for line in (f"{row.key}.", row.resolution) if line),
                    severity=Severity.WARNING,
                    profile_id=row.profile_id,
                    mode=row.mode,
                    path="/admin/trading/discrepancy/",
                ),
            )


def trading_states(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Halted, reduced, resumed."""
    for row in _since(TradingState.objects.select_related("profile"), "changed_at", since):
        who = row.profile.name if row.profile else "all profiles"
        yield (
            row.changed_at,
            Draft(
                kind=EventKind.TRADING_STATE,
                key=f"trading state:{row.scope}:{row.state}:{row.changed_at.isoformat()}",
                title=f"Trading is {row.state} for {who}",
                body=f"By {row.actor}: {row.reason}",
                severity=Severity.WARNING if row.state == TradingState.State.ACTIVE else None,
                profile_id=row.profile_id,
                mode=row.profile.mode if row.profile else "",
                path="/admin/operate/",
            ),
        )


def locks(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """New baskets are locked for a while."""
    for row in _since(Lock.objects.select_related("profile"), "created_at", since):
        who = row.profile.name if row.profile else "all profiles"
        yield (
            row.created_at,
            Draft(
                kind=EventKind.LOCK,
                key=f"lock:{row.pk}",
                title=f"No new baskets for {who} until {row.until:%Y-%m-%d %H:%M} UTC",
                body=row.reason,
                profile_id=row.profile_id,
                mode=row.profile.mode if row.profile else "",
                path="/admin/trading/lock/",
            ),
        )


def certificates(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Certificates that ended while positions rest on them."""
    gone = Certificate.objects.exclude(status=Certificate.Status.GRANTED).exclude(ended_at=None).select_related("event")
    for row in _since(gone, "ended_at", since):
        held = list(Position.objects.filter(event_id=row.event_id, status__in=ACTIVE).select_related("profile"))
        if held:
            who = ", ".join(f"#{one.pk} of {one.profile.name} ({one.mode})" for one in held)
            yield (
                row.ended_at,
                Draft(
                    kind=EventKind.CERTIFICATE,
                    key=f"certificate:{row.pk}",
                    title=f"Certificate withdrawn under an open position: {row.event.title or row.event_id}",
                    body=f"{row.reason}\nPositions: {who}.",
                    mode="live" if any(one.mode == "live" for one in held) else "sim",
                    path=f"/admin/markets/event/{row.event_id}/change/",
                ),
            )


READERS: Final[dict[str, Callable[[datetime], Iterable[tuple[datetime, Draft]]]]] = {
    "position events": position_events,
    "residuals": residuals,
    "exits": exits,
    "advice": advice,
    "discrepancies": discrepancies,
    "explained differences": explained,
    "trading states": trading_states,
    "locks": locks,
    "certificates": certificates,
    "contract terms": terms.demotions,
}
