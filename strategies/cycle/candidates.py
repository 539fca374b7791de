"""What a cycle reads from the database before it looks at prices: candidates, what blocks them, and how much money is left.

Positions belong to the room above; what is needed of them is reached through the decision that they hang on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from django.db.models import Count, F, Q, QuerySet, Sum

from strategies.models import Decision, Profile, Verdict

ENDED: Final = ("aborted", "closed", "settled")
"""Statuses in which a position holds nothing any more."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One verdict row that a cycle may act on, with what the last look wrote into it."""

    verdict_id: int
    event: str
    decisions: int
    live_constraint: str
    live_value: str
    live_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a profile has open: events that are taken, how many, and what is left of its capital (micro-dollars)."""

    taken: dict[str, str]
    open_count: int
    room: int


def of(profile: Profile, events: Sequence[str] | None = None) -> list[Candidate]:
    """The profile's candidates, the most promising first; only those of ``events`` when given."""
    rows = Verdict.objects.filter(profile=profile, status=Verdict.Status.CANDIDATE).order_by("distance_ppm", "pk")
    if events is not None:
        rows = rows.filter(event_id__in=events)
    columns = ("pk", "event_id", "decisions", "live_constraint", "live_value", "live_at")
    return [Candidate(*row) for row in rows.values_list(*columns)]


def interested(profiles: Sequence[Profile], events: Sequence[str]) -> list[Profile]:
    """Those of ``profiles`` that have one of ``events`` as a candidate."""
    rows = Verdict.objects.filter(event_id__in=events, status=Verdict.Status.CANDIDATE)
    wanted = set(rows.values_list("profile_id", flat=True))
    return [profile for profile in profiles if profile.pk in wanted]


def open_decisions(profile: Profile) -> QuerySet[Decision]:
    """Decisions that were not denied and whose position, if there is one yet, has not ended."""
    alive = Q(position__isnull=True, denial__isnull=True) | (Q(position__isnull=False) & ~Q(position__status__in=ENDED))
    return Decision.objects.filter(alive, profile=profile)


def standing(profile: Profile, at: datetime) -> Standing:
    """See Standing. An event is taken while a decision of it is open, and for the cooldown after one was taken or ended."""
    since = at - timedelta(seconds=profile.cooldown_seconds)
    recent = Decision.objects.filter(Q(created_at__gt=since) | Q(position__ended_at__gt=since), profile=profile)
    taken = dict.fromkeys(recent.values_list("event_id", flat=True), "cooldown")
    alive = open_decisions(profile)
    taken.update(dict.fromkeys(alive.values_list("event_id", flat=True), "open_position"))
    totals = alive.aggregate(
        count=Count("pk"),
        waiting=Sum("max_cost", filter=Q(position__isnull=True), default=0),
        committed=Sum(F("position__cost") + F("position__reserved"), default=0),
    )
    return Standing(taken, totals["count"], profile.capital - totals["waiting"] - totals["committed"])


def in_blackout(profile: Profile, at: datetime) -> bool:
    """Whether ``at`` (UTC) lies in one of the profile's daily pauses; a pause may run over midnight."""
    clock = at.time()
    for pair in profile.blackout:
        start, end = (time.fromisoformat(text) for text in pair)
        if (start <= clock < end) if start <= end else (clock >= start or clock < end):
            return True
    return False
