"""Stations whose own final report is not what the exchange settles on: they say nothing until a person has checked the mapping.

Each final climate report that an opinion rested on is stored as a number of the lead ``report``; after settlement it is compared with the
exchange's value. A wrong station differs on most days; corrections of a report are rare.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from triage.models import PointForecast

REPORT: Final = "report"
"""The lead bucket of final reports."""
LEAST_DAYS: Final = 5
LEAST_SHARE: Final = 0.8
"""From so many compared reports on, at least this share must equal the exchange's value."""
NEWEST: Final = 60


def disputed() -> frozenset[str]:
    """Subjects (``high/KMDW``) whose newest reports differ from what the exchange settled on too often."""
    rows = PointForecast.objects.filter(lead=REPORT).exclude(settled_on=None).order_by("-settled_at")
    found: dict[str, list[bool]] = defaultdict(list)
    for subject, value, settled in rows.values_list("subject", "value", "settled_on"):
        if len(found[subject]) < NEWEST:
            found[subject].append(value == settled)
    return frozenset(
        subject
        for subject, equal in found.items()
        if len(equal) >= LEAST_DAYS and sum(equal) < LEAST_SHARE * len(equal)
    )
