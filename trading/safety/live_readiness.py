"""Live trading begins only after a reconciliation: each process refuses new live orders until one has ended well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import DateTimeField, Expression, QuerySet

from kalbot.common import clock
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from strategies.models import Mode
from trading.models import Reconciliation

MAX_AGE: Final = timedelta(minutes=15)
"""An older comparison does not count: the schedule has stopped working."""

_required_since: datetime = clock.now()


def is_reconciled() -> bool:
    """Whether our books were compared with the exchange's since this process began, and lately."""
    return reading().now()


def reading() -> Fetch[bool]:
    """``is_reconciled``, to be read with other things."""
    return Fetch(((_COMPARED, {"since": counts_since()}),), lambda rows: bool(rows[0]))


def is_compared() -> bool:
    """Whether our books were compared with the exchange's lately, by whichever process: for people to read."""
    return reconciliations(clock.now() - MAX_AGE).exists()


def counts_since() -> datetime:
    """A comparison counts for this process if it began at this time or later. What is required since a time of the future, for a clock was
    set back, is required from now on."""
    global _required_since
    now = clock.now()
    _required_since = min(_required_since, now)
    return max(_required_since, now - MAX_AGE)


def reconciliations(since: datetime | Expression) -> QuerySet[Reconciliation]:
    """Comparisons of the live books that began at ``since`` or later and ended well."""
    return Reconciliation.objects.filter(mode=Mode.LIVE, error="", finished_at__isnull=False, started_at__gte=since)


_COMPARED: Final = PreparedColumns(
    lambda: reconciliations(Param("since", DateTimeField())).order_by().values_list("pk")[:1]
)


def require_reconciliation() -> None:
    """Demand a new reconciliation before this process sends its next live order."""
    global _required_since
    _required_since = clock.now()
