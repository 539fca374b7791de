"""The newest version of what was learned, remembered for a minute in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from django.core.cache import cache as process_cache

from triage.learning.agreement import disputed
from triage.learning.table import LearnedTable
from triage.models import LearnedErrors

SECONDS: Final = 60
KEY: Final = "triage-learned"


@dataclass(frozen=True, slots=True)
class Current:
    """``table``: errors of forecasts; ``weights``: source -> weight beside the market. ``table.version`` 0: nothing learned. ``disputed``:
    subjects whose reports are not what the exchange settles on."""

    table: LearnedTable = field(default_factory=LearnedTable)
    weights: dict[str, float] = field(default_factory=dict)
    disputed: frozenset[str] = frozenset()


def current() -> Current:
    """What is in force now."""
    found = process_cache.get(KEY)
    if found is None:
        row = LearnedErrors.objects.order_by("-pk").first()
        table = LearnedTable() if row is None else LearnedTable(row.pk, row.cells)
        found = Current(table, {} if row is None else row.weights, disputed())
        process_cache.set(KEY, found, SECONDS)
    assert isinstance(found, Current)
    return found


def forget() -> None:
    """A version has just been written: read it next time."""
    process_cache.delete(KEY)
