"""Names of one thing under two words: "GOP" and "Republican", "Trump" and "Donald J. Trump", "USA" and "United States".

No list of such words is complete, so nothing is read here: a reviewer states of every two names that they are two things, and why.
Only quantities and times of one kind need no statement; those are compared (``markets.terms.reading.extents``).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Final

from markets.terms.reading.extents import UnreadName, extent
from markets.terms.reading.rules import NotRead
from markets.terms.reading.text import plain

Pair = frozenset[str]
"""Two names, lower case."""
SEPARATOR: Final = "|"


def open_pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Every two names (lower case) that only a person can find to be two things, in the order of the alphabet."""
    return [pair for pair in combinations(sorted({plain(name).lower() for name in names}), 2) if not _compared(*pair)]


def _compared(one: str, other: str) -> bool:
    """Whether both are quantities of one kind, or times; whether these overlap is decided where they are compared."""
    try:
        first, second = extent(one), extent(other)
    except (UnreadName, ValueError):
        return False
    return first is not None and second is not None and (first.of, first.days) == (second.of, second.days)


def check_different(names: Iterable[str], different: frozenset[Pair]) -> None:
    """Raises NotRead if the reviewer has not stated of two names that they are two things."""
    for one, other in open_pairs(names):
        if frozenset((one, other)) not in different:
            raise NotRead(
                "same_thing", f'"{one}" and "{other}" may be two names of one thing; the review does not say otherwise.'
            )


def stated_pairs(text: str) -> frozenset[Pair]:
    """The pairs of a reviewer's statement, one a line: name | other name | why they are two things. A line without a reason states
    nothing."""
    found = set()
    for line in text.splitlines():
        one, other, reason = [plain(part) for part in (*line.split(SEPARATOR, 2), "", "")[:3]]
        if one and other and reason and one.lower() != other.lower():
            found.add(frozenset((one.lower(), other.lower())))
    return frozenset(found)
