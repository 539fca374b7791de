"""Live trading begins only after a reconciliation: each process refuses new live orders until one has ended well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kalbot.common import clock
from strategies.models import Mode
from trading.models import Reconciliation

LONGEST: Final = timedelta(minutes=15)
"""Older than this, a comparison says nothing any more: the schedule has stopped working."""

_started: datetime = clock.now()


def is_open() -> bool:
    """Whether our books were compared with the exchange's since this process began, and lately."""
    since = max(_started, clock.now() - LONGEST)
    return Reconciliation.objects.filter(
        mode=Mode.LIVE, error="", finished_at__isnull=False, started_at__gte=since
    ).exists()


def ensure_open() -> bool:
    """Reconcile now if that has not been done yet. Blocks; False if the exchange could not be compared."""
    if is_open():
        return True
    from trading import reconcile

    reconcile.run(Mode.LIVE, "start")
    return is_open()


def close() -> None:
    """Ask for a new reconciliation before the next live order: after a reconnect, or when a process begins."""
    global _started
    _started = clock.now()
