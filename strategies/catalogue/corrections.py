"""The favourite-longshot corrections in force, for views of events. Without a row prices are taken as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kalbot.common.db.prepared_columns import PreparedColumns
from strategies.models import ProbabilityCorrection

LEADS: Final = (48, 24, 12, 6, 3, 1)
"""Hours before the close at which prices are judged, most first. A correction holds from its own lead up to the next, the first up to
twice its own."""
HOUR_MS: Final = 3_600_000
NONE: Final = 1.0
Powers = Mapping[tuple[str, int], float]
"""(category, lead in hours) -> power."""


def powers() -> Powers:
    """All corrections that have earned their use."""
    return by_lead(ALL.rows())


ALL: Final = PreparedColumns(lambda: ProbabilityCorrection.objects.values_list("category", "lead_hours", "power"))
"""For ``by_lead``."""


def by_lead(rows: Iterable[tuple[str, int, float]]) -> dict[tuple[str, int], float]:
    """See ``powers``; of rows of ``ALL``."""
    return {(category, lead): power for category, lead, power in rows}


def power_of(table: Powers, category: str, closes_ms: int | None, now_ms: int) -> float:
    """The power for an event of ``category`` that closes then; 1 (none) where nothing has been shown for its lead.

    >>> power_of({("Sports", 24): 1.1}, "Sports", 30 * HOUR_MS, 0), power_of({("Sports", 24): 1.1}, "Sports", 23 * HOUR_MS, 0)
    (1.1, 1.0)
    """
    if not table:
        return NONE
    lead = lead_of(closes_ms, now_ms)
    return NONE if lead is None else table.get((category, lead), NONE)


def lead_of(closes_ms: int | None, now_ms: int) -> int | None:
    """The one of ``LEADS`` that holds now for an event that closes then; None where nothing was judged.

    >>> lead_of(30 * HOUR_MS, 0), lead_of(23 * HOUR_MS, 0), lead_of(0, 0)
    (24, 12, None)
    """
    if closes_ms is None:
        return None
    hours = (closes_ms - now_ms) / HOUR_MS
    return None if hours >= 2 * LEADS[0] else next((lead for lead in LEADS if lead <= hours), None)
