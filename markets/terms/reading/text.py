"""Rules texts into sentences, without losing a character that could matter; and the slots that read sentences may have.

A slot is as narrow as the thing it stands for: a date is a date, a place is capitalised words. No slot takes free text.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

_MARKS: Final = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "º": "°", "˚": "°", "℉": "°F", "•": " "}
    | dict.fromkeys("‐‑‒–—−", "-")
)
_END: Final = re.compile(r'(?<=[.!?])\s+(?=[A-Z"])')

MONTH: Final = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.?"
)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DATE: Final = rf"(?:{MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|\d{{1,2}} {MONTH} \d{{4}}|\d{{4}}-\d{{2}}-\d{{2}})"
_DAYS: Final = re.compile(DATE)
_DATED: Final = re.compile(
    rf"\b(?:(?P<weekday>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:\.|(?:s|nes|rs|ur)?day)?),? )?(?P<date>{DATE})", re.ASCII
)
_DATE_WORD: Final = re.compile(r"[A-Za-z]{3,}|\d+", re.ASCII)
_HOUR: Final = re.compile(
    r"(?<![\w:])(\d{1,2}(?::[0-5]\d)?) ?([AaPp])(?:[Mm]\b|\.[Mm]\.(?= (?:[a-z]|[ECMP][SD]?T\b|UTC\b|GMT\b)))", re.ASCII
)
_QUOTED_END: Final = re.compile(r'(\w)\."(?=\s|\Z)')
THEN_YES: Final = ", then the market resolves to Yes."
_YES: Final = re.compile(
    r'(?:,? then|,) (?:(?:the|this) (?:[Mm]arket|contract|strike)|it) (?:will resolve|resolves)(?: to)? "?(?:Yes|YES|yes)"?(?:\.|\Z)',
    re.ASCII,
)
TIME: Final = r"(?:1[0-2]|[1-9])(?::[0-5]\d)? ?[AP]M(?: (?:E[SD]?T|C[SD]?T|M[SD]?T|P[SD]?T|UTC|GMT))?"
WORD: Final = r"[A-Z][A-Za-z.'-]*"
PLACE: Final = rf"{WORD}(?:,? {WORD})*"
SPAN: Final = r"(?:\d{1,3}|one|two|three|four|five|seven|ten|fourteen|thirty) (?:hour|day|week)s?"
WEATHER_SERVICE: Final = r"https://(?:(?:www|forecast)\.)?weather\.gov/[A-Za-z0-9/?=&._%-]*"


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """One line, plain quotes, dashes and degree signs. Anything else that is odd stays, and is then not read."""
    return " ".join(text.translate(_MARKS).split())


@lru_cache(maxsize=8192)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text; joined by spaces they are ``plain(text)`` again."""
    return tuple(_END.split(found)) if (found := plain(text)) else ()


@lru_cache(maxsize=8192)
def same_day(text: str) -> str:
    """A text that fits ``DATE`` in one spelling: "July 16, 2026", "16 Jul. 2026" and "2026-07-16" are "Jul 16, 2026".

    Raises ValueError for a day that no calendar has.
    """
    words = _DATE_WORD.findall(text)
    name = next((word for word in words if word.isalpha()), "")
    if name:
        day, year = (int(word) for word in words if word != name)
        month = MONTHS.index(name[:3]) + 1
    else:
        year, month, day = map(int, words)
    if not 1 <= month <= len(MONTHS) or not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise ValueError(f"no day of the calendar: {text}")
    return f"{MONTHS[month - 1]} {day}, {year}"


@lru_cache(maxsize=8192)
def days_of(text: str) -> frozenset[str]:
    """Every day that a text names, in the spelling of ``same_day``. Raises ValueError for a day that no calendar has."""
    return frozenset(same_day(found) for found in _DAYS.findall(text))


@lru_cache(maxsize=8192)
def one_spelling(text: str) -> str:
    """The text with each date, hour and quoted last word of a sentence in one spelling, without bold type.

    Raises ValueError for a day that no calendar has, or that is another weekday.
    """
    text = _HOUR.sub(lambda found: f"{found[1]} {found[2].upper()}M", text.replace("**", ""))
    return _DATED.sub(_same_dated, _QUOTED_END.sub(r'\1".', text))


def in_one_form(rule: str) -> str:
    """A rule of an outcome with its first "then it resolves to Yes" in the one form, ``THEN_YES``; as it is without any."""
    return _YES.sub(THEN_YES, rule, count=1)


def yes_of(rule: str) -> re.Match[str] | None:
    """Where a rule of an outcome first says that it resolves to Yes."""
    return _YES.search(rule)


def _same_dated(found: re.Match[str]) -> str:
    day = same_day(found["date"])
    named = (found["weekday"] or "").removesuffix(".")
    if named and named not in (weekday(day), weekday(day)[:3]):
        raise ValueError(f"not a {named}: {day}")
    return day


def counted(day: str) -> int:
    """The number of a day in the one spelling, "Jul 16, 2026", since 1970."""
    name, number, year = day.replace(",", "").split()
    return calendar.timegm((int(year), MONTHS.index(name) + 1, int(number), 0, 0, 0)) // 86_400


def calendar_day(number: Decimal) -> str:
    """A day as a number, 20270101, in the one spelling: "Jan 1, 2027"; as it is where no calendar has it."""
    rest, day = divmod(int(number), 100)
    year, month = divmod(rest, 100)
    return f"{MONTHS[month - 1]} {day}, {year}" if 1 <= month <= len(MONTHS) else f"{number}"


def weekday(day: str) -> str:
    """The name of the weekday of a day in the one spelling."""
    return calendar.day_name[(counted(day) + 3) % 7]


def address_of(text: str) -> SplitResult:
    """The parts of an address; one that is in no form has no host."""
    try:
        return urlsplit(text)
    except ValueError:
        return SplitResult("", "", "", "", "")


@lru_cache(maxsize=8192)
def odd_letter(name: str) -> str:
    """The first letter or mark of a name that is not of the Latin alphabet, not composed, not visible or a sign for others; "" without
    one."""
    if unicodedata.normalize("NFC", name) != name:
        return next(char for char in name if unicodedata.category(char)[0] == "M" or not char.isascii())
    for char in name:
        kind = unicodedata.category(char)
        if kind[0] in "CM" or (char.isalpha() and not (char <= "\u024f" or "\u1e00" <= char <= "\u1eff")):
            return char
        if kind[0] == "N" and not char.isascii():
            return char
        if kind[0] == "S" and any(map(str.isalnum, unicodedata.normalize("NFKC", char))):
            return char
    return ""


@lru_cache(maxsize=8192)
def without_marks(name: str) -> str:
    """The name in small letters without accents: two that are equal may be one."""
    split = unicodedata.normalize("NFD", name)
    return "".join(char for char in split if unicodedata.category(char)[0] != "M").casefold()
