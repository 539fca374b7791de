"""Rows that a replay makes with every cycle and announcement and that nothing reads a second time.

What a result needs of them is added up, and they are deleted now and then, so that a long tape needs hardly more memory than a short one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from django.db.models import Max

from markets.models import ExchangeMessage
from strategies.models import Cycle

EVERY: Final = 500
"""Tasks between two times that rows are added up."""
MESSAGES_KEPT: Final = 5_000
"""The latest announcements stay: by them one that comes twice is known again."""


class Totals:
    """What is no row any more. ``now_and_then`` is called before each task."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()
        self._tasks = 0

    def now_and_then(self) -> None:
        """Add up what has come together, every ``EVERY`` tasks."""
        self._tasks += 1
        if self._tasks % EVERY == 0:
            self._add_up()

    @property
    def refused(self) -> Mapping[str, int]:
        """How often cycles refused candidates on live prices, by constraint."""
        self._add_up()
        return self._refused

    def _add_up(self) -> None:
        cycles = Cycle.objects.order_by("pk")
        for refused in cycles.values_list("refused", flat=True):
            self._refused.update(refused)
        cycles.delete()
        newest = ExchangeMessage.objects.aggregate(newest=Max("pk"))["newest"] or 0
        ExchangeMessage.objects.exclude(applied_at=None).filter(pk__lte=newest - MESSAGES_KEPT).delete()
