"""The calendar day in an event's ticker (``KXHIGHNY-26JUL19``): read, written as words, moved on."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY = re.compile(r"(\d\d)([A-Z]{3})(\d\d)")
_LAST_DAY = re.compile(r"-(\d\d)([A-Z]{3})(\d\d)\Z")
_DAYS_AHEAD = 4_000


def _date(found: re.Match[str] | None) -> date | None:
    if found is None or found[2] not in _MONTHS:
        return None
    return date(2000 + int(found[1]), _MONTHS.index(found[2]) + 1, int(found[3]))


def last_day(ticker: str) -> date | None:
    """The day with which a ticker ends, if it does."""
    return _date(_LAST_DAY.search(ticker))


def event_day(ticker: str) -> str:
    """The day in an event's ticker as words ("Jul 19, 2026"), or an empty string."""
    found = _DAY.search(ticker.split("-", 1)[-1])
    return f"{found[2].title()} {int(found[3])}, 20{found[1]}" if found else ""


def moved_day(text: str, old: str, new: str) -> str:
    """A title with the day of ticker ``old``, in words or as 2026-07-19, replaced by the day of ticker ``new``."""
    before, after = (_date(_DAY.search(ticker.split("-", 1)[-1])) for ticker in (old, new))
    if before is None or after is None:
        return text
    return text.replace(event_day(old), event_day(new)).replace(before.isoformat(), after.isoformat())


def day_ms(ticker: str) -> int | None:
    """Noon (UTC) of the day in a ticker, Unix ms; None where it has none."""
    day = _date(_DAY.search(ticker.split("-", 1)[-1]))
    return None if day is None else int(datetime.combine(day, time(12), UTC).timestamp() * 1000)


def next_ticker(ticker: str, used: set[str]) -> str:
    """The ticker with the next calendar day that is not used, or with a running number where there is no day in it."""
    found = _DAY.search(ticker)
    day = _date(found)
    if found is not None and day is not None:
        for step in range(1, _DAYS_AHEAD):
            later = day + timedelta(days=step)
            stamp = f"{later.year % 100:02d}{_MONTHS[later.month - 1]}{later.day:02d}"
            candidate = ticker[: found.start()] + stamp + ticker[found.end() :]
            if candidate not in used:
                return candidate
    base, number = ticker.split("~")[0], 2
    while f"{base}-R{number}" in used:
        number += 1
    return f"{base}-R{number}"
