"""Rules texts into sentences, without losing a character that could matter; and the slots that read sentences may have.

A slot is as narrow as the thing it stands for: a date is a date, a place is capitalised words. No slot takes free text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_QUOTES: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " "})
_END: Final = re.compile(r'(?<=[.!?])\s+(?=[A-Z"])')

MONTH: Final = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.?"
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DATE: Final = rf"(?:{MONTH} \d{{1,2}}, \d{{4}}|\d{{4}}-\d{{2}}-\d{{2}})"
TIME: Final = r"\d{1,2}(?::\d{2})? ?[AP]M(?: [A-Z]{2,4})?"
WORD: Final = r"[A-Z][A-Za-z.'-]*"
PLACE: Final = rf"{WORD}(?:,? {WORD})*"
SPAN: Final = r"(?:\d{1,3}|one|two|three|four|five|seven|ten|fourteen|thirty) (?:hour|day|week)s?"
WEATHER_SERVICE: Final = r"https://(?:www|forecast)\.weather\.gov/[A-Za-z0-9/?=&._%-]*"


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """One line, plain quotes. Anything else that is odd stays, and is then not read."""
    return " ".join(text.translate(_QUOTES).split())


@lru_cache(maxsize=8192)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text; joined by spaces they are ``plain(text)`` again."""
    return tuple(_END.split(found)) if (found := plain(text)) else ()


def same_day(date: str) -> str:
    """A text that fits ``DATE`` in one spelling: "July 16, 2026", "Jul. 16, 2026" and "2026-07-16" are one day."""
    if date[:1].isdigit():
        year, month, day = date.split("-")
        return f"{int(year)}-{int(month)}-{int(day)}"
    name, day, year = date.replace(",", "").split()
    return f"{int(year)}-{_MONTHS.index(name[:3]) + 1}-{int(day)}"


def odd_letter(name: str) -> str:
    """The first letter or mark of a name that is not of the Latin alphabet, not composed or not visible; "" without one."""
    if unicodedata.normalize("NFC", name) != name:
        return next(char for char in name if unicodedata.category(char)[0] == "M" or not char.isascii())
    for char in name:
        kind = unicodedata.category(char)
        if kind[0] in "CM" or (char.isalpha() and not (char <= "\u024f" or "\u1e00" <= char <= "\u1eff")):
            return char
        if kind[0] == "N" and not char.isascii():
            return char
    return ""


def without_marks(name: str) -> str:
    """The name in small letters without accents: two that are equal may be one."""
    split = unicodedata.normalize("NFD", name)
    return "".join(char for char in split if unicodedata.category(char)[0] != "M").casefold()
