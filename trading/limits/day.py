"""A profile's day: since when its daily loss counts, and what it has made since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Sum

from kalbot.common import clock
from strategies.models import Profile
from trading.limits import facts


def realised_today(profiles: Iterable[Profile]) -> dict[int, int]:
    """Profit of each since midnight of its own time zone, micro-dollars, by profile id; one query for all whose day began at the same
    moment."""
    found: dict[int, int] = {}
    for since, owners in by_midnight(profiles).items():
        booked = facts.results(since).filter(transaction__profile__in=owners).order_by()
        lost = dict(booked.values_list("transaction__profile").annotate(t=Sum("amount")))
        found |= {pk: -lost.get(pk, 0) for pk in owners}
    return found


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
