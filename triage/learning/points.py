"""Numbers that sources forecast, stored when they are first heard in each lead bucket and settled by the exchange's value."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from math import isfinite
from typing import Final

from django.db.models import Exists, OuterRef

from kalbot.common import clock
from markets.models import Market
from markets.terms.settled_value import Unit
from triage.learning import cells
from triage.learning.agreement import REPORT
from triage.learning.truth import UNDECIDED, Problem, Truth, truths
from triage.models import PointForecast
from triage.scoring.ranked import crps, crps_normal, normal_cdf
from triage.sources.protocol import Point, Report

log = logging.getLogger(__name__)

WAITS: Final = timedelta(days=7)
"""So long after an event's result its value may still be published; then the forecast is closed without one."""
CLOSED: Final = ("settled_on", "problem", "settled_at", "pit", "crps")
REVISED_WITHIN: Final = timedelta(days=14)
"""So long after a forecast was closed the exchange's value may still be corrected."""


def store(reports: Mapping[str, Iterable[Report]], now_ms: int) -> int:
    """Store the numbers behind these opinions (event ticker -> reports) that are the first in their bucket; returns how many."""
    rows = {
        (report.source, event, lead_of(point)): _row(report.source, event, point, now_ms)
        for event, lines in reports.items()
        for report in lines
        if report.opinion is not None
        and (point := report.opinion.point) is not None
        and point.issued_ms > 0
        and is_usable(point)
    }
    if not rows:
        return 0
    known = PointForecast.objects.filter(event_id__in={event for _, event, _ in rows})
    seen = set(known.values_list("source", "event_id", "lead"))
    fresh = [row for key, row in rows.items() if key not in seen]
    PointForecast.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


def is_usable(point: Point) -> bool:
    """Whether errors can be learned from the number: every figure of it finite, and a spread to measure by."""
    figures = (point.value, point.lead_hours, point.published_spread, point.bias, point.spread)
    return all(map(isfinite, figures)) and point.published_spread > 0


def lead_of(point: Point) -> str:
    """The bucket under which a number is kept."""
    return REPORT if point.is_report else cells.lead_bucket(point.lead_hours)


def _row(source: str, event: str, point: Point, now_ms: int) -> PointForecast:
    return PointForecast(
        source=source,
        subject=point.subject,
        event_id=event,
        unit=point.unit,
        lead=lead_of(point),
        lead_hours=point.lead_hours,
        issued_at=clock.from_ms(point.issued_ms),
        formed_at=clock.from_ms(now_ms),
        value=point.value,
        published_spread=point.published_spread,
        bias=point.bias,
        spread=point.spread,
        version=point.version,
        chances=dict(point.chances),
    )


def waiting(limit: int = 500) -> list[PointForecast]:
    """Forecasts that have not been settled although every market of their event has a result: those whose event has a value before
    those that may wait a week for one, each oldest first."""
    undecided = Market.objects.filter(event_id=OuterRef("event_id"), result="")
    listed = Market.objects.filter(event_id=OuterRef("event_id"))
    rows = PointForecast.objects.filter(~Exists(undecided), Exists(listed), settled_at=None)
    valued = Exists(Market.objects.filter(event_id=OuterRef("event_id")).exclude(expiration_value=""))
    return list(rows.alias(valued=valued).order_by("-valued", "pk")[:limit])


def settle(rows: Iterable[PointForecast]) -> int:
    """Give forecasts the value of their events; one without a readable value waits a week for it. Returns how many were closed."""
    listed = list(rows)
    found = truths({row.event_id: Unit(row.unit) for row in listed})
    closed = []
    for row in listed:
        truth = found.get(row.event_id)
        if truth is None:
            continue
        late = clock.now() - row.formed_at > WAITS + timedelta(hours=row.lead_hours)
        if truth.problem == Problem.NO_VALUE and not late:
            continue
        _close(row, truth)
        closed.append(row)
    PointForecast.objects.bulk_update(closed, CLOSED, batch_size=200)
    return len(closed)


def _close(row: PointForecast, truth: Truth) -> None:
    """What the event settled on, and how it lies in what was said."""
    row.settled_on, row.problem, row.settled_at = truth.value, truth.problem, clock.now()
    row.pit = row.crps = None
    if truth.value is not None:
        row.pit, row.crps = fallen(row, truth.value), missed(row, truth.value)


def fallen(row: PointForecast, value: float) -> float | None:
    """Where a value lies in what was said: among its chances, else in the normal distribution that was applied; None of neither."""
    if row.chances:
        return pit(row.chances, value)
    return normal_cdf((value - row.value - row.bias) / row.spread) if row.spread > 0 else None


def missed(row: PointForecast, value: float) -> float | None:
    """The continuous ranked probability score of what was said, in the unit of the number."""
    if row.chances:
        return crps({float(said): p for said, p in row.chances.items()}, value)
    return crps_normal(row.value + row.bias, row.spread, value)


def revised() -> int:
    """Closed forecasts of events whose value the exchange has corrected, published late or taken back get what it says now; one whose
    event is undecided again waits like any other. Returns how many changed."""
    changed = Market.objects.filter(event_id=OuterRef("event_id"), updated_at__gt=OuterRef("settled_at"))
    rows = list(PointForecast.objects.filter(Exists(changed), settled_at__gt=clock.now() - REVISED_WITHIN))
    found = truths({row.event_id: Unit(row.unit) for row in rows})
    corrected = []
    for row in rows:
        truth = found.get(row.event_id)
        if truth is None:
            log.warning("%s is undecided again, it had settled on %s", row.event_id, row.settled_on)
            _close(row, UNDECIDED)
            row.settled_at = None
        elif (truth.value, truth.problem) == (row.settled_on, row.problem):
            continue
        else:
            log.warning("%s settled on %s, before that %s", row.event_id, truth.value, row.settled_on)
            _close(row, truth)
        corrected.append(row)
    PointForecast.objects.bulk_update(corrected, CLOSED, batch_size=200)
    return len(corrected)


def pit(chances: Mapping[str, float], value: float) -> float | None:
    """Probability integral transform of a whole-number distribution: what was given to less than ``value``, and half of what was given
    to it. Uniform on 0 to 1 when what is said is what comes. None where nothing was said.

    >>> pit({"80": 0.25, "81": 0.5, "82": 0.25}, 81.0)
    0.5
    """
    total = sum(chances.values())
    if not total:
        return None
    below = sum(p for said, p in chances.items() if float(said) < value)
    return (below + sum(p for said, p in chances.items() if float(said) == value) / 2) / total
