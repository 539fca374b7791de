"""Which changes of a position are one incident: a basket may go back and forth between being sold and being completed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from trading.models import TERMINAL, PositionEvent, PositionStatus

ENDS: Final = (PositionStatus.OPEN, *TERMINAL)
QUIET: Final = timedelta(minutes=10)
"""A basket that has to be sold again sooner after it was open or had ended is still the same incident."""

Change = tuple[int, datetime, str]
"""Key of the event, when, and the status after it."""


def key_of(row: PositionEvent) -> str:
    """The notification's key of a change: the same for every unwinding of one incident, and for every time a position is open; a position
    opens once, what comes after is a return."""
    if row.to_status == PositionStatus.UNWINDING:
        changes = PositionEvent.objects.filter(position=row.position_id, pk__lte=row.pk).order_by("pk")
        return f"unwinding:{first(changes.values_list('pk', 'at', 'to_status'))}"
    if row.to_status == PositionStatus.OPEN:
        return f"opened:{row.position_id}"
    return f"position event:{row.pk}"


def first(changes: Iterable[Change]) -> int:
    """The key of the unwinding with which the last incident among these changes began; 0 without one."""
    began, ended = 0, None
    for key, at, status in changes:
        if status in ENDS:
            ended = ended or at
        elif status == PositionStatus.UNWINDING:
            if not began or (ended is not None and at - ended > QUIET):
                began = key
            ended = None
    return began
