"""Live trading begins only after a reconciliation: each process refuses new live orders until one has ended well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from kalbot.common import clock
from strategies.models import Mode
from trading.models import Reconciliation

MAX_AGE: Final = timedelta(minutes=15)
"""An older comparison does not count: the schedule has stopped working."""

_required_since: datetime = clock.now()


def is_reconciled() -> bool:
    """Whether our books were compared with the exchange's since this process began, and lately."""
    since = max(_required_since, clock.now() - MAX_AGE)
    return Reconciliation.objects.filter(
        mode=Mode.LIVE, error="", finished_at__isnull=False, started_at__gte=since
    ).exists()


def require_reconciliation() -> None:
    """Demand a new reconciliation before this process sends its next live order."""
    global _required_since
    _required_since = clock.now()
