"""After settlements: values are filled in, forecasts settled and scored, and a new version of errors and weights is estimated."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from markets import connect
from markets.catalogue import settled_values
from markets.kalshi.errors import KalshiError
from triage.learning import current, points
from triage.learning.agreement import REPORT, disputed
from triage.learning.estimator import VERSION
from triage.learning.table import Settled, learn
from triage.models import LearnedErrors, PointForecast
from triage.scoring import family_gates, forecasts
from triage.scoring.combination import learn_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did. ``version``: of the new row, 0 = nothing new had settled."""

    filled: int = 0
    settled: int = 0
    scored: int = 0
    version: int = 0


def run() -> Run:
    """Settle what is decided, then learn from it. The exchange being away only means that its values come later."""
    rows = points.waiting()
    filled = fill_values({row.event_id for row in rows})
    settled, scored = points.settle(rows) + points.revised(), forecasts.score_settled()
    if not settled and not scored:
        return Run(filled)
    family_gates.refresh()
    return Run(filled, settled, scored, write_version().pk)


def fill_values(events: Iterable[str]) -> int:
    """Values that these events' settled markets lack, from the exchange; 0 when it cannot be reached."""
    missing = settled_values.missing(events)
    if not missing:
        return 0
    try:
        with connect.client() as client:
            return settled_values.fill(client, missing)
    except (KalshiError, KalbotError) as error:
        log.warning("values of %d settled markets cannot be read: %s", len(missing), error)
        return 0


def write_version() -> LearnedErrors:
    """Estimate everything from all that has settled; the row is in force from now on."""
    rows = settled_points()
    row = LearnedErrors.objects.create(
        estimator=VERSION,
        settled=len(rows),
        cells=learn(rows, clock.now_ms()),
        weights=learn_weights(forecasts.settled_pairs()),
    )
    current.forget()
    log.info("learned errors version %d from %d settled forecasts", row.pk, len(rows))
    return row


def settled_points() -> list[Settled]:
    """Every forecast that settled on a readable, undisputed value, of stations that are not in dispute themselves."""
    rows = PointForecast.objects.exclude(settled_on=None).exclude(lead=REPORT).exclude(subject__in=disputed())
    rows = rows.order_by("settled_at", "pk")
    return [
        Settled(
            row.source,
            row.subject,
            row.event_id.rpartition("-")[2],
            int(row.issued_at.timestamp() * 1000),
            row.lead_hours,
            row.value,
            row.settled_on,
            row.published_spread,
            int(row.settled_at.timestamp() * 1000),
        )
        for row in rows
        if row.settled_on is not None and row.settled_at is not None
    ]
