"""A profile's day: since when its daily loss counts, and what it has made since."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Sum

from kalbot.common import clock
from strategies.models import Profile
from trading.limits import facts


def realised_today(profile: Profile) -> int:
    """Profit realised since midnight of the profile's time zone, micro-dollars."""
    return -(facts.results(profile.pk, midnight(profile)).aggregate(t=Sum("amount"))["t"] or 0)


def midnight(profile: Profile) -> datetime:
    """When the profile's day began. A zone that cannot be read counts the last two days: more losses, never fewer."""
    now = clock.now()
    try:
        zone = ZoneInfo(profile.day_zone)
    except (ValueError, OSError, KeyError):
        return now - timedelta(days=2)
    return datetime.combine(now.astimezone(zone).date(), time(), zone)
