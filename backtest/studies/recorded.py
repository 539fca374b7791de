"""When profiles did what while a tape was recorded, by the database: their cycles, screenings, quotes and orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median, quantiles
from typing import Final

from django.conf import settings
from django.db.models import Case, F, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce

from backtest.replay.turns import Judged, Recorded
from kalbot.common import clock
from kalbot.common.trace import Stage
from strategies.cycle.cycle import BEAT
from strategies.models import Cycle, Decision, Mode, Profile, Screening
from trading.models import Order, Position, PositionEvent, PositionStatus

IMMEDIATE: Final = "immediate_or_cancel"
MS: Final = 1_000_000
"""Nanoseconds."""
RESTING: Final = (PositionStatus.PENDING, PositionStatus.QUOTING)
"""What a quote is until it has filled or ended."""


class CyclesUnknown(ValueError):
    """The cycles of a database do not say when each profile was judged."""


def recorded_run(profile: Profile) -> Recorded:
    """When ``profile`` was screened and judged and its decisions were taken up, by the database. Raises CyclesUnknown."""
    screened = Screening.objects.filter(profile=profile).order_by("at")
    wrote = [milliseconds(row.at) - row.duration_ms for row in screened]
    taken_up: dict[str, list[tuple[int, int]]] = {}
    began = Coalesce("position__created_at", "denial__at")
    rows = Decision.objects.filter(profile=profile).annotate(began=began).exclude(began=None)
    for event, decided, at in rows.values_list("event_id", "created_at", "began"):
        taken_up.setdefault(event, []).append((milliseconds(decided) * MS, milliseconds(at) * MS))
    waits = [at - decided for pairs in taken_up.values() for decided, at in pairs]
    usual = round(median(waits)) if waits else 0
    return Recorded(recorded_cycles(profile), [at * MS for at in wrote], taken_up, usual)


def quoted_at(profile: Profile, at_ms: int) -> list[str]:
    """The events that the profile quoted then, by the database. A further quote has no place while there are as many as it may have."""
    at = clock.from_ms(at_ms)
    ends = PositionEvent.objects.filter(position=OuterRef("pk")).exclude(to_status__in=RESTING)
    begun = Position.objects.filter(profile=profile, created_at__lte=at).exclude(decision__quote={})
    rows = begun.annotate(over=Subquery(ends.order_by("at", "pk").values("at")[:1]))
    return sorted(rows.filter(Q(over=None) | Q(over__gt=at)).values_list("event_id", flat=True))


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def recorded_cycles(profile: Profile) -> list[Judged]:
    """The cycles of the database in which ``profile`` was judged: beat's, and nudged ones in which something paid for it.

    The stream's prices reach a cycle a moment after they came, so what was decided on is read again when the newest price behind it had
    come, or at once where that was before its profile's turn. Raises CyclesUnknown for cycles of a version that did not say whose turn
    it was.
    """
    behind = _prices_behind(profile)
    found = []
    for row in Cycle.objects.order_by("started_at"):
        if row.candidates and not row.turns:
            raise CyclesUnknown(f"The cycle of {row.started_at:%Y-%m-%d %H:%M:%S} UTC does not say whom it judged.")
        mine = row.turns.get(str(profile.pk))
        if mine is None or (row.trigger != BEAT and not mine["events"]):
            continue
        began = milliseconds(row.started_at)
        events = {
            event: next((came for read, came in behind.get(event, ()) if read >= began + after), began + after)
            for event, after in mine["events"].items()
        }
        turn = began + mine["after_ms"]
        nudged = () if row.trigger == BEAT else tuple(sorted(events))
        moments = {event: at * MS for event, at in events.items()}
        found.append(Judged((began + row.prices_after_ms) * MS, turn * MS, moments, nudged, began * MS))
    return found


def _prices_behind(profile: Profile) -> dict[str, list[tuple[int, int]]]:
    """Event -> (time of a decision, of the newest price behind it) in their order, Unix milliseconds."""
    found: dict[str, list[tuple[int, int]]] = {}
    for row in Decision.objects.filter(profile=profile).order_by("created_at").only("event_id", "trace"):
        decided, received = (row.trace[stage.value] // 1000 for stage in (Stage.DECIDED, Stage.RECEIVED))
        found.setdefault(row.event_id, []).append((decided, received + 1))
    return found


def measured_latency(profiles: Sequence[Profile]) -> tuple[float, float, float]:
    """Milliseconds from an order's sending to the exchange's first word on it, p10, p50 and p90: the end of an immediate order, the
    beginning of one that rests; a little more than it takes to reach the book. Of all ``profiles``, whose orders go the same way. Paper
    orders take what the settings say."""
    if profiles[0].mode == Mode.SIM:
        return (float(settings.PAPER_LATENCY_MS),) * 3
    rows = Order.objects.filter(profile__in=profiles, sent_at__isnull=False)
    ended = Case(When(time_in_force=IMMEDIATE, then=F("ended_at")))
    moments = rows.annotate(answered=Coalesce(F("rested_at"), ended)).values_list("sent_at", "answered")
    took = [(at - sent).total_seconds() * 1000 for sent, at in moments if sent is not None and at is not None]
    if len(took) < 2:
        return (float(settings.PAPER_LATENCY_MS),) * 3
    tenths = quantiles(took, n=10)
    return round(tenths[0], 1), round(tenths[4], 1), round(tenths[8], 1)
