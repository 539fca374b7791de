"""A profile's day: since when its daily loss counts, and what it has made since.

Every page of the console shows whether the daily loss stops a profile, so the entries of the day are not added up for each: what a profile
had made when its day began does not change, and the running total of now, less that, is what it has made since.
"""

from __future__ import annotations

import time as clocks
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from kalbot.common import clock
from strategies.models import Profile
from trading.limits import facts
from trading.models import ProfileBalance

KEPT_SECONDS: Final = 60
"""How long what a profile had at its midnight is relied on before it is added up again: totals may be mended from their entries."""
SETTLED: Final = timedelta(minutes=1)
"""A booking that was begun before midnight has been committed by then, and belongs to the day before."""
_kept: dict[int, tuple[datetime, float, int]] = {}
"""By profile id: (its midnight, until when on the monotonic clock, the realised account then)."""


def forget() -> None:
    """As after a start."""
    _kept.clear()


def realised_today(profiles: Iterable[Profile]) -> dict[int, int]:
    """Profit of each since midnight of its own time zone, micro-dollars, by profile id: of this moment. One query, and once a minute
    one more for all whose day began at the same moment."""
    owners, found = by_midnight(profiles), dict[int, int]()
    every = [pk for group in owners.values() for pk in group]
    running = dict(ProfileBalance.objects.filter(profile__in=every).values_list("profile", "realised"))
    for since, group in owners.items():
        known = {pk: before for pk in group if (before := _before(pk, since)) is not None}
        found |= {pk: before - running.get(pk, 0) for pk, before in known.items()}
        found |= _added_up(since, [pk for pk in group if pk not in known])
    return found


def _before(profile_id: int, since: datetime) -> int | None:
    """The realised account of a profile when its day began, if that is known; a loss is positive."""
    of, until, before = _kept.get(profile_id, (None, 0.0, 0))
    return before if of == since and clocks.monotonic() < until else None


def _added_up(since: datetime, profiles: Sequence[int]) -> dict[int, int]:
    """Profit of each by the entries since a moment, read in one statement with the running totals, so that both are of one moment."""
    if not profiles:
        return {}
    booked = facts.results(since).filter(profile=OuterRef("profile")).order_by()
    summed = Subquery(booked.values("profile").annotate(total=Sum("result")).values("total"))
    rows = ProfileBalance.objects.filter(profile__in=profiles).annotate(lost=Coalesce(summed, 0))
    sums = {pk: (realised, lost) for pk, realised, lost in rows.values_list("profile", "realised", "lost")}
    found, until = {pk: sums.get(pk, (0, 0)) for pk in profiles}, clocks.monotonic() + KEPT_SECONDS
    if clock.now() - since >= SETTLED:
        _kept.update({pk: (since, until, realised - lost) for pk, (realised, lost) in found.items()})
    return {pk: -lost for pk, (_, lost) in found.items()}


def by_midnight(profiles: Iterable[Profile]) -> dict[datetime, list[int]]:
    """The ids of ``profiles`` by the moment at which their day began."""
    found: dict[datetime, list[int]] = defaultdict(list)
    for profile in profiles:
        found[midnight(profile)].append(profile.pk)
    return found


def midnight(profile: Profile) -> datetime:
    """When the profile's day began. A zone that cannot be read counts the last two days: more losses, never fewer."""
    now = clock.now()
    try:
        zone = ZoneInfo(profile.day_zone)
    except (ValueError, OSError, KeyError):
        return now - timedelta(days=2)
    return datetime.combine(now.astimezone(zone).date(), time(), zone)
