"""Settlements beyond "one outcome wins" that an event's own rules name.

Read from the rules texts, never guessed: a tie that splits the dollar between two outcomes, and a *void* (cancelled,
postponed too far, no data) in which every market settles at a price that the exchange sets. In a void nothing
normalises the sum over an event's markets, so a void can pay a basket nothing at all.

Apart from that the exchange's rulebook has a general fallback that holds for every market whatever its rules say;
``RESIDUAL`` words it, and every explanation of a basket carries it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

RESIDUAL: Final = (
    "Not in these numbers: the exchange's rulebook lets it settle any market at a last or fair price when an outcome "
    "cannot be determined (missing data, cancellation). Each market then settles on its own and nothing makes the "
    "prices of an event add up to one dollar."
)

_SPLIT = re.compile(
    r"50\s*[/-]\s*50|\$?0?\.50?\s+(?:for|to)\s+each|(?:tie|draw)[^.]{0,80}(?:split|half|\$?0?\.50\b|50\s*(?:%|cents|¢))",
    re.IGNORECASE,
)
_VOID = re.compile(
    r"fair\s+(?:market\s+)?(?:price|value)|last\s+(?:traded\s+|fair\s+)?price|(?:resolve|settle)[^.]{0,60}market\s+price"
    r"|refund|void(?:ed)?\b|dead[\s-]heat",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """What the rules allow besides one winner or none. ``quotes`` are the sentences that say so.

    ``split``: two outcomes may settle at half a dollar each. ``void``: each market may settle at any price.
    """

    split: bool = False
    void: bool = False
    quotes: tuple[str, ...] = ()


ORDINARY: Final = SettlementTerms()
"""No settlement but "one wins" or "none wins" is named."""


def read_terms(rules: Iterable[str | None]) -> SettlementTerms:
    """The terms that the rules texts of an event's markets name (primary and secondary, in any order)."""
    split, void = [], []
    for sentence in dict.fromkeys(s for text in rules if text for s in _sentences(text)):
        if _SPLIT.search(sentence):
            split.append(sentence)
        elif _VOID.search(sentence):
            void.append(sentence)
    return SettlementTerms(bool(split), bool(void), tuple(dict.fromkeys(split + void)))


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z])|\n+", text) if part.strip()]
