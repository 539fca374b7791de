"""Where a miss belongs: source and kind of subject, lead, station, season, hour of issue. Pure."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from typing import Final

LEADS: Final = (0, 3, 6, 12, 24, 36, 48, 72, 120)
"""Edges of the lead buckets, hours before what is forecast comes true."""
HOURS: Final = 6
"""Issue hours are counted in quarters of a UTC day: the model runs."""


def lead_bucket(lead_hours: float) -> str:
    """The bucket of a lead, as text: ``12-24``; beyond the last edge ``120-``.

    >>> lead_bucket(16.2), lead_bucket(-1), lead_bucket(500)
    ('12-24', '0-3', '120-')
    """
    above = bisect_right(LEADS, max(0.0, lead_hours))
    return f"{LEADS[above - 1]}-{LEADS[above] if above < len(LEADS) else ''}"


def season(month: int) -> int:
    """0 winter (December to February), 1 spring, 2 summer, 3 autumn."""
    return month % 12 // 3


def issue_hour(issued_ms: int) -> int:
    """Quarter of the UTC day, 0 to 3."""
    return datetime.fromtimestamp(issued_ms / 1000, UTC).hour // HOURS


def kind_of(subject: str) -> tuple[str, str]:
    """(kind, station) of a subject: ``high/KNYC`` -> ("high", "KNYC")."""
    kind, _, station = subject.partition("/")
    return kind, station
