"""The pauses of a profile: ``Thu 03:00-05:00 America/New_York``, by weekday and the clock of a place.

Weekdays are those of a pause's beginning, times are wall-clock times of its zone, so that it moves with daylight saving as the
exchange's own hours do. Without weekdays every day is meant, without a zone UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY: Final = timedelta(days=1)
EXAMPLE: Final = "Thu 03:00-05:00 America/New_York"
_DAY: Final = "(?:" + "|".join(DAYS) + ")"
_LINE: Final = re.compile(
    rf"(?:(?P<days>{_DAY}(?:-{_DAY}|(?:/{_DAY})*)) )?"
    r"(?P<start>(?:[01]\d|2[0-3]):[0-5]\d) ?[-–] ?(?P<end>(?:[01]\d|2[0-3]):[0-5]\d|24:00)"
    r"(?: (?P<zone>(?-i:[A-Za-z][A-Za-z0-9_+/-]*)))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pause:
    """``days``: weekdays (Monday 0) on which it begins; it ends at ``end``, on the next day where that is not after ``start``."""

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    def covers(self, at: datetime) -> bool:
        """Whether ``at`` (aware) lies in it; the end does not. Of a time that the clocks of the place show twice, or never, the reading
        that makes it longer counts."""
        today = at.astimezone(self.zone).date()
        return any(
            self._begins(day) <= at < self._ends(day) for day in (today - DAY, today) if day.weekday() in self.days
        )

    def _begins(self, day: date) -> datetime:
        return min(self._readings(day, self.start))

    def _ends(self, day: date) -> datetime:
        return max(self._readings(day if self.start < self.end else day + DAY, self.end))

    def _readings(self, day: date, at: time) -> list[datetime]:
        return [datetime.combine(day, at.replace(fold=fold), self.zone).astimezone(UTC) for fold in (0, 1)]


def parse(entry: object) -> Pause:
    """A pause from its text, or from a pair of UTC times (``["07:00", "09:00"]``). ValueError with a sentence for a person."""
    if isinstance(entry, str):
        return _of_text(" ".join(entry.split()))
    if (
        isinstance(entry, list | tuple)
        and len(entry) == 2
        and all(isinstance(one, str) for one in entry)
        and len(set(entry)) == 2
    ):
        with suppress(ValueError):
            return _built("", time.fromisoformat(entry[0]), time.fromisoformat(entry[1]), "UTC")
    raise ValueError(f"“{entry}” is not a pause; write {EXAMPLE}.")


@lru_cache(maxsize=256)
def _of_text(text: str) -> Pause:
    found = _LINE.fullmatch(text)
    if found is None:
        raise ValueError(f"“{text}” is not a time of day; write 07:00-09:00 (UTC) or {EXAMPLE}.")
    start = time.fromisoformat(found["start"])
    end = time() if found["end"] == "24:00" else time.fromisoformat(found["end"])
    if start == end and found["end"] != "24:00":
        raise ValueError(f"“{text}” could mean a moment or a day; for a day write 00:00-24:00.")
    return _built(found["days"] or "", start, end, found["zone"] or "UTC")


def _built(days: str, start: time, end: time, zone: str) -> Pause:
    try:
        return Pause(_weekdays(days), start, end, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError(f"“{zone}” is no time zone; write for example America/New_York.") from None


def _weekdays(text: str) -> frozenset[int]:
    if not text:
        return frozenset(range(7))
    if "-" in text:
        first, last = (DAYS.index(day.title()) for day in text.split("-"))
        return frozenset((first + n) % 7 for n in range((last - first) % 7 + 1))
    return frozenset(DAYS.index(day.title()) for day in text.split("/"))


def problem(blackout: object) -> str:
    """What is wrong with a profile's list, in a sentence; empty when it can be read."""
    if not isinstance(blackout, list | tuple):
        return f"Give pauses as a list: {EXAMPLE}."
    try:
        for entry in blackout:
            parse(entry)
    except ValueError as error:
        return str(error)
    return ""


def written(blackout: Iterable[object]) -> str:
    """The list as a person writes it, pairs of UTC times too."""
    return ", ".join("-".join(map(str, entry)) if isinstance(entry, list | tuple) else str(entry) for entry in blackout)


def in_blackout(blackout: object, at: datetime) -> bool:
    """Whether ``at`` (aware) lies in one of the pauses.

    A list that cannot be read counts as a blackout: nothing new is bought on a schedule that nobody understands.
    """
    if not isinstance(blackout, list | tuple):
        return True
    try:
        pauses = [parse(entry) for entry in blackout]
    except ValueError:
        return True
    return any(pause.covers(at) for pause in pauses)
