"""Rules texts into sentences, without losing a character that could matter; and the slots that read sentences may have.

A slot is as narrow as the thing it stands for: a date is a date, a place is capitalised words. No slot takes free text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_QUOTES: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " "})
_END: Final = re.compile(r'(?<=[.!?])\s+(?=[A-Z"])')

MONTH: Final = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.?"
)
DATE: Final = rf"(?:{MONTH} \d{{1,2}}, \d{{4}}|\d{{4}}-\d{{2}}-\d{{2}})"
TIME: Final = r"\d{1,2}(?::\d{2})? ?[AP]M(?: [A-Z]{2,4})?"
WORD: Final = r"[A-Z][A-Za-z.'-]*"
PLACE: Final = rf"{WORD}(?:,? {WORD})*"
SPAN: Final = r"(?:\d{1,3}|one|two|three|four|five|seven|ten|fourteen|thirty) (?:hour|day|week)s?"
URL: Final = r"https://[a-z0-9.-]+/[A-Za-z0-9/?=&._%-]*"


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """One line, plain quotes. Anything else that is odd stays, and is then not read."""
    return " ".join(text.translate(_QUOTES).split())


@lru_cache(maxsize=8192)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text; joined by spaces they are ``plain(text)`` again."""
    return tuple(_END.split(found)) if (found := plain(text)) else ()
