"""Settlements beyond "one outcome wins" that an event's own rules name.

Read from the rules texts, never guessed:

- ``split``: a tie that gives two outcomes half a dollar each;
- ``void``: cancelled, postponed too far, no data: every market settles at a price that the exchange sets. Nothing
  normalises the sum over an event's markets then, so a void can pay a basket nothing at all;
- ``nobody``: a case in which every listed market resolves No.

Apart from that the exchange's rulebook has a general fallback that holds for every market whatever its rules say;
``RESIDUAL`` words it, and every explanation of a basket carries it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

RESIDUAL: Final = (
    "Not in these numbers: the exchange's rulebook lets it settle any market at a last or fair price when an outcome "
    "cannot be determined (missing data, cancellation). Each market then settles on its own and nothing makes the "
    "prices of an event add up to one dollar."
)

_HALVES = re.compile(
    r"50\s*[/-]\s*50|\$?\b0?\.50?\b\s+(?:for|to)\s+each|\b50\s*(?:cents|¢|%)\s+(?:for|to)\s+each|split (?:equally|evenly)",
    re.IGNORECASE,
)
_TIE = re.compile(r"\b(?:tie[sd]?|draw|drawn|level)\b", re.IGNORECASE)
_VOID = re.compile(
    r"fair\s+(?:market\s+)?(?:price|value)|last\s+(?:traded\s+|fair\s+)?price|(?:resolve|settle)[^.]{0,60}market\s+price"
    r"|refund|\bvoid(?:ed|s)?\b|dead[\s-]heat",
    re.IGNORECASE,
)
_RESOLVES_NO = re.compile(r"\b(?:resolves?|resolved|settles?|settled)\s+(?:to\s+|as\s+)?[\"'“]?no\b", re.IGNORECASE)
_RESOLVES_YES = re.compile(r"\b(?:resolves?|resolved|settles?|settled)\s+(?:to\s+|as\s+)?[\"'“]?yes\b", re.IGNORECASE)
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n+")
_FOR_ALL = re.compile(r"\b(?:all|both|every|each|any|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """What the rules allow besides one winner. ``quotes`` are the sentences that say so.

    ``split``: two outcomes may settle at half a dollar each; ``tie_splits``: that is what a tie does. ``void``: each market
    may settle at any price. ``nobody``: all listed markets may resolve No although the event took place as planned.
    """

    split: bool = False
    void: bool = False
    quotes: tuple[str, ...] = ()
    tie_splits: bool = False
    nobody: bool = False


ORDINARY: Final = SettlementTerms()
"""No settlement but "one wins" or "none wins" is named."""


def read_terms(rules: Iterable[str | None]) -> SettlementTerms:
    """The terms that the rules texts of an event's markets name (primary and secondary, in any order)."""
    sentences = list(dict.fromkeys(s for text in rules if text for s in _sentences(text)))
    split = [s for s in sentences if _HALVES.search(s)]
    void = [s for s in sentences if _VOID.search(s) and s not in split]
    nobody = [s for s in sentences if _all_lose(s)]
    return SettlementTerms(
        split=bool(split),
        void=bool(void),
        quotes=tuple(dict.fromkeys(split + void + nobody)),
        tie_splits=any(_TIE.search(s) for s in split),
        nobody=bool(nobody),
    )


def _all_lose(sentence: str) -> bool:
    """ "If no winner is declared, all markets resolve to No": a No for everybody, and a Yes for nobody, in one sentence."""
    return bool(_RESOLVES_NO.search(sentence) and _FOR_ALL.search(sentence) and not _RESOLVES_YES.search(sentence))


@lru_cache(maxsize=4096)
def _sentences(text: str) -> tuple[str, ...]:
    """Most secondary rules are the same for a whole series."""
    return tuple(part.strip() for part in _END.split(text) if part.strip())
