"""What a cycle reads from the database before it reads prices: candidates, what blocks them, and how much money is left.

What is needed of positions comes through ``holdings``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markets import selectors
from strategies.cycle import holdings
from strategies.models import Decision, Profile, Verdict
from strategies.reasons import Reason


@dataclass(frozen=True, slots=True)
class Candidate:
    """One verdict row that a cycle may act on, with what the last evaluation wrote into it."""

    verdict_id: int
    event: str
    decisions: int
    live_constraint: str
    live_value: str
    live_at: datetime | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a profile has open: events that are blocked, the number of baskets, the capital left (micro-dollars), the number of
    baskets that are being quoted."""

    blocked: dict[str, Reason]
    open_count: int
    capital_left: int
    quotes: int = 0


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


def exposure(profile: Profile, at: datetime) -> Exposure:
    """See Exposure. An event is blocked while a decision of it is open, and for the cooldown after one was taken or ended."""
    positions = holdings.current()
    since = at - timedelta(seconds=profile.cooldown_seconds)
    taken = Decision.objects.filter(created_at__gt=since, profile=profile).values_list("event_id", flat=True)
    ended = positions.ended_since(profile, since).values_list("event_id", flat=True)
    blocked = dict.fromkeys([*taken, *ended], Reason.COOLDOWN)
    open_events = positions.open_decisions(profile).values_list("event_id", flat=True)
    blocked.update(dict.fromkeys(open_events, Reason.OPEN_POSITION))
    for event, cause in selectors.overlapping(blocked).items():
        blocked[event] = blocked[cause]
    committed = positions.committed(profile)
    made = 0 if profile.profits == Profile.Profits.WAIT else committed.made
    return Exposure(blocked, committed.decisions, profile.working + made - committed.money, committed.quotes)
