"""Names of outcomes that are quantities or times: "3 to 5", "Hike >25bps", "before July", "Q3 2026". Which values each takes.

Two outcomes of one list whose extents overlap may both be right; extents that leave values between them let none be right.
"""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from markets.terms.reading.strikes import Interval, at_least, at_most, greater, less
from markets.terms.reading.text import DATE, MONTH, MONTHS, same_day
from markets.terms.tiling import tile

_FLAGS: Final = re.IGNORECASE | re.ASCII
_NUMBER: Final = r"-?\$?\d+(?:,\d{3})*(?:\.\d+)?"
_UNIT: Final = r"(?:%|°F?|bps|[KMBkmb]n?)?"
_QUANTITY: Final = re.compile(
    r"(?<![\w.])(?P<words>(?:(?:at least|at most|(?:more|less|fewer|greater|higher|lower) than|over|above|under|below|exactly|top"
    rf"|minimum|maximum|up to|within|between) )?)(?P<sign>[<>≥≤]?=?) ?(?P<low>{_NUMBER})(?P<unit>{_UNIT})"
    rf"(?:(?:-|–| to | and )(?P<high>{_NUMBER}){_UNIT})?(?P<plus>\+?)(?P<end>(?: or (?:more|less|fewer|higher|lower|above|below|greater))?)"
    r"(?![\w.])",
    _FLAGS,
)
_NOT: Final = re.compile(r"\b(?:not?|except|without|neither|nor|unless|other than)\b", _FLAGS)
_COUNTED: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_IN_WORDS: Final = re.compile(rf"\b(?:{'|'.join(_COUNTED)})\b", _FLAGS)
_YEAR: Final = r"(?:19|20)\d{2}"
_PERIOD: Final = (
    rf"(?:(?P<day>{DATE})|(?P<month>{MONTH})(?:,? (?P<year>{_YEAR}))?"
    rf"|(?:Q(?P<quarter>[1-4])(?:,? (?P<of>{_YEAR}))?|(?P<of2>{_YEAR}),? Q(?P<quarter2>[1-4]))"
    rf"|(?:the )?(?P<half>first|1st|second|2nd) half(?: of (?P<of3>{_YEAR}))?|(?P<whole>{_YEAR}))"
)
_TIME: Final = re.compile(
    r"(?P<before>(?:(?:on or )?before|until|till|prior to|by|no later than|not later than|earlier than|after|from|since|later than"
    rf"|in|on|during) (?:the end of )?)?{_PERIOD}(?P<after> or (?:earlier|sooner|before|later|after))?",
    _FLAGS,
)
_SEASON: Final = re.compile(r"\b(?:spring|summer|autumn|fall|winter|weekend|week|H[12])\b", _FLAGS)
_RANK: Final = re.compile(r"\b\d+(?:st|nd|rd|th) (?:or|to)\b|\b(?:both|either)\b", _FLAGS)
_LEAP_YEAR: Final = 2000


class Extent(NamedTuple):
    """What a name takes. ``of``: the rest of the name; only extents of one rest can be compared. ``days``: a time, in days."""

    of: str
    interval: Interval
    days: bool


class UnreadName(Exception):
    """A name with a quantity or time in no form that is read."""


def extent(name: str) -> Extent | None:
    """The extent of a name, None for one without quantity or time. Raises UnreadName, ValueError for a day of no calendar."""
    if found := _TIME.fullmatch(name):
        return _time(found)
    name = "0" if name.lower() == "none" else _IN_WORDS.sub(lambda word: str(_COUNTED.index(word[0].lower())), name)
    if re.search(rf"\b(?:{MONTH}(?= \d|\Z)|{_YEAR}\b|Q[1-4]\b)", name, re.ASCII) or _SEASON.search(name):
        raise UnreadName(f'"{name}" names a time in no form that is read.')
    if _RANK.search(name):
        raise UnreadName(f'"{name}" names more than one rank or thing.')
    quantities = list(_QUANTITY.finditer(name))
    if not quantities:
        return None
    if len(quantities) > 1 or _NOT.search(name):
        raise UnreadName(f'"{name}" names a quantity in no form that is read.')
    found = quantities[0]
    rest = f"{name[: found.start()]}{{}}{found['unit']}{name[found.end() :]}".lower()
    return Extent(" ".join(rest.replace("{}", " {} ").split()), _quantity(found, name), False)


def _quantity(found: re.Match[str], name: str) -> Interval:
    low, high = (None if text is None else Decimal(re.sub(r"[$,]", "", text)) for text in (found["low"], found["high"]))
    assert low is not None
    words, sign, end = found["words"].strip().lower(), found["sign"], found["end"].split(" ")[-1].lower()
    if sum(map(bool, (words not in ("", "between", "exactly"), sign, found["plus"], end, high))) > 1:
        raise UnreadName(f'"{name}" says a bound in two ways.')
    if high is not None:
        return Interval(low, True, high, True)
    form = words or sign or found["plus"] or end
    for forms, build in _BOUNDS:
        if form in forms:
            return build(low)
    return Interval(low, True, low, True)


_BOUNDS: Final[tuple[tuple[frozenset[str], Callable[[Decimal], Interval]], ...]] = (
    (frozenset({"more than", "greater than", "higher than", "over", "above", ">"}), greater),
    (frozenset({"at least", "minimum", "+", ">=", "≥", "≥=", "more", "higher", "above", "greater"}), at_least),
    (frozenset({"less than", "fewer than", "lower than", "under", "below", "<"}), less),
    (frozenset({"at most", "maximum", "up to", "within", "top", "<=", "≤", "≤=", "less", "fewer", "lower"}), at_most),
)


def _time(found: re.Match[str]) -> Extent:
    first, last, of = _period(found)
    low, high = Decimal(first), Decimal(last)
    before, after = (found["before"] or "").lower().split(), (found["after"] or "").split(" ")[-1].lower()
    word = before[0] if before else ""
    match word, after:
        case (("before" | "until" | "till" | "prior" | "earlier"), ""):
            interval = less(low) if "end" not in before else at_most(high)
        case ("by" | "no", "") if word == "by" or "later" in before:
            interval = at_most(high)
        case "not", "":
            interval = at_most(high)
        case (("after" | "later"), ""):
            interval = greater(high)
        case (("from" | "since"), ""):
            interval = at_least(low)
        case (("" | "in" | "on" | "during"), ("later" | "after")):
            interval = at_least(low)
        case (("" | "in" | "on" | "during"), ("earlier" | "sooner" | "before")):
            interval = at_most(high)
        case (("" | "in" | "during"), ""):
            interval = Interval(low, True, high, True)
        case "on", "":
            interval = at_most(high) if "before" in before else Interval(low, True, high, True)
        case _:
            raise UnreadName(f'"{found[0]}" says a time in two ways.')
    return Extent(of, interval, True)


def _period(found: re.Match[str]) -> tuple[int, int, str]:
    """First and last day, counted, and whether the year is named: without one, all names lie in one year."""
    if found["day"]:
        name, day, year_text = same_day(found["day"]).replace(",", "").split()
        at = _counted(int(year_text), MONTHS.index(name) + 1, int(day))
        return at, at, "dated"
    year_text = found["year"] or found["of"] or found["of2"] or found["of3"] or found["whole"]
    year, of = (int(year_text), "dated") if year_text else (_LEAP_YEAR, "yearless")
    if found["month"]:
        first = last = MONTHS.index(found["month"][:3].title()) + 1
    elif quarter := found["quarter"] or found["quarter2"]:
        first, last = 3 * int(quarter) - 2, 3 * int(quarter)
    elif found["half"]:
        first, last = (1, 6) if found["half"].lower() in ("first", "1st") else (7, 12)
    else:
        first, last = 1, 12
    return _counted(year, first, 1), _counted(year, last, calendar.monthrange(year, last)[1]), of


def _counted(year: int, month: int, day: int) -> int:
    return calendar.timegm((year, month, day, 0, 0, 0)) // 86_400


def compare(names: Iterable[str]) -> tuple[str, str]:
    """Why two names may both be right, and why none may be; "" = not by their quantities and times. Raises UnreadName, ValueError."""
    groups: dict[tuple[str, bool], list[Interval]] = defaultdict(list)
    for found in (one for name in names if (one := extent(name)) is not None):
        groups[found.of, found.days].append(found.interval)
    if sum(1 for of, days in groups if days) > 1:
        return "some names have a year and some have not", ""
    overlap = hole = ""
    for intervals in groups.values():
        first = min(intervals, key=lambda i: (i.low is not None, i.low or 0, not i.low_in))
        last = max(intervals, key=lambda i: (i.high is None, i.high or 0, i.high_in))
        ends = [*_below(first), *_above(last)]  # what lies outside is for the reviewer to judge
        bounds = [bound for i in intervals for bound in (i.low, i.high) if bound is not None]
        whole = all(bound == bound.to_integral_value() for bound in bounds)
        tiling = tile([*intervals, *ends], Decimal(1) if whole else None)
        overlap, hole = overlap or tiling.overlap, hole or tiling.hole
    return overlap, hole


def _below(first: Interval) -> list[Interval]:
    return [] if first.low is None else [Interval(None, False, first.low, not first.low_in)]


def _above(last: Interval) -> list[Interval]:
    return [] if last.high is None else [Interval(last.high, not last.high_in, None, False)]
