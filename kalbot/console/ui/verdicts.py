"""The words for a verdict. "Candidate" is the screening's: books worth watching, by generous quotes; that is not yet something to buy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, Q, QuerySet

from kalbot.common import clock
from strategies.models import NearMiss, Profile, Verdict
from strategies.reasons import Reason, sentence_of

TRADABLE: Final = "tradable now"
WATCHED: Final = "watched"
NEAR_MISS: Final = "near miss"
REJECTED: Final = "rejected"
FRESH: Final = timedelta(minutes=1)
"""How long the last evaluation on live prices speaks for now."""


def tradable() -> Q:
    """Verdicts whose last evaluation on live prices passed, and is fresh."""
    return Q(status="candidate", live_constraint=Reason.DECIDED.value, live_at__gte=clock.now() - FRESH)


def word(verdict: Verdict) -> str:
    """How people read this verdict."""
    if verdict.status != "candidate":
        return str(verdict.status).replace("_", " ")
    if verdict.live_constraint != Reason.DECIDED.value or verdict.live_at is None:
        return WATCHED
    return TRADABLE if verdict.live_at >= clock.now() - FRESH else WATCHED


def measured() -> QuerySet[NearMiss]:
    """Open near misses that are some way from passing. Those without a distance pass, and wait for their turn."""
    return NearMiss.objects.filter(ended_at=None, distance_ppm__gt=0)


def waiting(profile: Profile) -> list[dict[str, Any]]:
    """What passes and waits for its turn, by what it waits for: {"number", "says"}, the most first."""
    rows = NearMiss.objects.filter(profile=profile, ended_at=None, distance_ppm=0).order_by()
    groups = rows.values_list("constraint").annotate(number=Count("pk")).order_by("-number")
    return [{"number": number, "says": sentence_of(code)} for code, number in groups]


def by_event(misses: Iterable[NearMiss]) -> list[tuple[NearMiss, str]]:
    """The nearest miss of each event, and the profiles that miss it for the same reason, nearest first: an event is one line."""
    found: dict[str, list[NearMiss]] = {}
    for miss in misses:
        found.setdefault(miss.event_id, []).append(miss)
    return [
        (same[0], ", ".join(dict.fromkeys(one.profile.name for one in same if one.constraint == same[0].constraint)))
        for same in found.values()
    ]
