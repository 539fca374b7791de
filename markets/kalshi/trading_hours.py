"""Whether the exchange's schedule leaves a stretch of time open for trading. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from .schemas.exchange import Schedule

EASTERN: Final = ZoneInfo("America/New_York")
DAY: Final = timedelta(days=1)


def shut_at(schedule: Schedule, begin: datetime, end: datetime) -> datetime | None:
    """The first moment from ``begin`` to ``end`` (aware, both included) at which trading is not on by the schedule: outside of the
    week's sessions, or in an announced window. None when all of it is open.

    ValueError when no week is in force: then nothing is known.
    """
    window = min((w.start for w in schedule.maintenance if w.start <= end and w.end > begin), default=None)
    outside = _outside(schedule, begin, end)
    found = [at for at in (window, outside) if at is not None]
    return max(begin, min(found)) if found else None


def _outside(schedule: Schedule, begin: datetime, end: datetime) -> datetime | None:
    at = begin
    for opens, closes in sorted(_sessions(schedule, begin.astimezone(EASTERN).date(), end.astimezone(EASTERN).date())):
        if opens <= at < closes:
            at = closes
    return at if at <= end else None


def _sessions(schedule: Schedule, first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
    """Sessions from the day before ``first``, whose last one may go on past midnight, to ``last``."""
    day = first - DAY
    while day <= last:
        week = _week_of(schedule, day, is_needed=day >= first)
        for opens, closes in week:
            yield max(_wall(day, opens)), min(_wall(day + DAY if closes <= opens else day, closes))
        day += DAY


def _week_of(schedule: Schedule, day: date, *, is_needed: bool) -> list[tuple[time, time]]:
    noon = datetime.combine(day, time(12), EASTERN)
    for week in schedule.weeks:
        if (week.start is None or week.start <= noon) and (week.end is None or noon < week.end):
            return [(hours.opens, hours.closes) for hours in week.days[day.weekday()]]
    if is_needed:
        raise ValueError(f"the schedule has no week in force on {day}")
    return []


def _wall(day: date, clock: time) -> list[datetime]:
    """Both readings of a time that the clocks show twice, or never, when summer time begins or ends; else twice the same."""
    return [datetime.combine(day, clock.replace(fold=fold), EASTERN).astimezone(UTC) for fold in (0, 1)]
