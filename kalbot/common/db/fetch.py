"""What several parts of the code want to know at the same moment, read in one message where the database takes several statements in one.

Each part says which compiled queries it needs and what it makes of their rows; who knows that all are needed reads them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kalbot.common.db import prepared

T = TypeVar("T")
Queries = Sequence[tuple[Any, Mapping[str, Any]]]
"""Compiled queries (``Prepared``, ``PreparedColumns``) with the values of each."""


@dataclass(frozen=True, slots=True)
class Fetch(Generic[T]):
    """``made`` takes the rows of each of ``queries``, in their order."""

    queries: Queries
    made: Callable[[Sequence[list[Any]]], T]

    def now(self) -> T:
        """Read it alone."""
        return self.made(prepared.read(*self.queries))


def rows_of(query: Any, **values: Any) -> Fetch[list[Any]]:
    """The rows of one query as they are."""
    return Fetch(((query, values),), lambda found: found[0])


def together(*fetches: Fetch[Any]) -> list[Any]:
    """What each makes of its rows; all are read in one message."""
    return joined(*fetches).now()


def joined(*fetches: Fetch[Any]) -> Fetch[list[Any]]:
    """The same, to be read with other things."""

    def made(found: Sequence[list[Any]]) -> list[Any]:
        rest: Iterable[list[Any]] = iter(found)
        return [one.made([rows for _, rows in zip(one.queries, rest, strict=False)]) for one in fetches]

    return Fetch([query for one in fetches for query in one.queries], made)
