"""Quiet hours. Pure."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def is_quiet(at: datetime, zone: str, start: time | None, end: time | None) -> bool:
    """Whether ``at`` (aware) lies between two local times; over midnight when ``end`` is not after ``start``."""
    if start is None or end is None or start == end:
        return False
    try:
        local = at.astimezone(ZoneInfo(zone)).time()
    except (ZoneInfoNotFoundError, ValueError):  # a zone that this host does not know: better at night than never
        return False
    return start <= local < end if start < end else local >= start or local < end
