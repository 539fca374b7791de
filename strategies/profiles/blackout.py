"""The daily pauses of a profile."""

from __future__ import annotations

from datetime import datetime, time


def in_blackout(blackout: object, at: datetime) -> bool:
    """Whether ``at`` (UTC) lies in one of ``[["07:00", "09:00"], ...]``; a range may cross midnight.

    A list that cannot be read counts as a blackout: nothing new is bought on a schedule that nobody understands.
    """
    if not isinstance(blackout, list | tuple):
        return True
    try:
        ranges = [(time.fromisoformat(start), time.fromisoformat(end)) for start, end in blackout]
    except (TypeError, ValueError):
        return True
    clock = at.time()
    return any(s <= clock < e if s <= e else (clock >= s or clock < e) for s, e in ranges)
