"""Changes of a level ("a Hike of 25bps", "a Cut of >25bps") and the registered levels from which they count.

A decision and a level are one value only where the terms fix the level before the decision: a person registers it for the day of the
decision, "Dec 9, 2026: 3.75" in percent. Nothing is assumed about it; a level that may still move before that day is not to be registered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from markets.terms.reading.strikes import Interval
from markets.terms.reading.text import DATE, same_day

_UP: Final = "[Hh]ike|[Ii]ncrease|[Rr]ise"
_DOWN: Final = "[Cc]ut|[Dd]ecrease"
_MORE: Final = r"> ?|more than |greater than "
_LEAST: Final = r">= ?|≥ ?|at least "
CHANGE: Final = rf"(?:{_UP}|{_DOWN}) of (?:{_LEAST}|{_MORE})?\d{{1,4}} ?(?:bps?|basis points?)"
"""Matches any change that is read."""
UNCHANGED: Final = ("Fed maintains rate", "No change")
"""What the exchange calls a change by nothing."""
_PARTS: Final = re.compile(
    rf"(?:(?P<up>{_UP})|{_DOWN}) of (?:(?P<least>{_LEAST})|(?P<more>{_MORE}))?(?P<points>\d{{1,4}}) ?(?:bps?|basis points?)",
    re.ASCII,
)
_LEVEL: Final = re.compile(rf"(?P<day>{DATE}): ?(?P<level>\d{{1,3}}(?:\.\d{{1,4}})?)%?", re.ASCII)
_POINT: Final = Decimal("0.01")


class LevelError(ValueError):
    """A text says no level before a decision; the message says why."""


def levels_of(registered: Iterable[str]) -> dict[str, Decimal]:
    """Day, in the one spelling -> percent before what is decided on it. LevelError for a text that says none, and for two of one day."""
    found: dict[str, Decimal] = {}
    for text in registered:
        match = _LEVEL.fullmatch(" ".join(text.split()))
        try:
            day = "" if match is None else same_day(match["day"])
        except ValueError:
            day = ""
        if match is None or not day:
            raise LevelError(f'"{text}" is no day with its level, "Dec 9, 2026: 3.75".')
        if day in found:
            raise LevelError(f"Two levels are registered for {day}.")
        found[day] = Decimal(match["level"])
    return found


def level_after(change: str, before: Decimal) -> Interval | None:
    """The levels, in percent, to which a change leads from ``before``; None for a phrase that is not read, or moves by "more than" in no
    direction."""
    match = _PARTS.fullmatch(change)
    if match is None:
        return None
    points = int(match["points"]) * _POINT
    at = before + (points if match["up"] else -points)
    if not match["more"] and not match["least"]:
        return Interval(at, True, at, True)
    included = bool(match["least"])
    return Interval(at, included, None, False) if match["up"] else Interval(None, False, at, included)
