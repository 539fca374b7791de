"""When money comes back: how long after their expected end the markets of each series have settled so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.db.models import CharField

from kalbot.common import clock
from kalbot.common.db.prepared import Among
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.models import Event, Market
from strategies.models import SettlingTime

OF_LATE: Final = timedelta(days=90)
FEWEST: Final = 5
"""Settled markets below which a series says nothing."""


def learn() -> int:
    """Count the settled markets of the last 90 days again. Returns the number of series that have a time now."""
    late: dict[str, list[int]] = defaultdict(list)
    rows = Market.objects.filter(settled_at__gt=clock.now() - OF_LATE)
    columns = ("event__series_id", "close_time", "expected_expiration_time", "settled_at")
    for series, closed, expected, settled in rows.order_by().values_list(*columns).iterator(chunk_size=5000):
        ends = [moment for moment in (closed, expected) if moment is not None]
        if ends:
            late[series].append(int((settled - max(ends)).total_seconds()))
    found = [
        SettlingTime(
            series_id=series,
            markets=len(times),
            late_seconds=_share(times, 0.5),
            latest_seconds=_share(times, 0.9),
            at=clock.now(),
        )
        for series, times in late.items()
        if len(times) >= FEWEST
    ]
    SettlingTime.objects.bulk_create(
        found,
        update_conflicts=True,
        unique_fields=["series"],
        update_fields=["markets", "late_seconds", "latest_seconds", "at"],
        batch_size=500,
    )
    SettlingTime.objects.exclude(series__in=[one.series_id for one in found]).delete()
    return len(found)


def late_ms() -> dict[str, int]:
    """Series -> milliseconds after the expected end."""
    return in_ms(SettlingTime.objects.values_list("series_id", "late_seconds"))


OF_EVENTS: Final = PreparedColumns(
    lambda: SettlingTime.objects.filter(
        series__in=Event.objects.filter(pk__in=Among("tickers", CharField())).values("series")
    ).values_list("series_id", "late_seconds")
)
"""The series of the events ``tickers``, and seconds after the expected end; for ``in_ms``."""


def in_ms(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    """See ``late_ms``; of rows in seconds."""
    return {series: seconds * 1000 for series, seconds in rows}


def _share(times: list[int], share: float) -> int:
    """The time that ``share`` of ``times`` do not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
