"""The packed best prices of many records at once, from their heads alone: no work for a market, little for an event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from markets.prices.layout import HEAD_BYTES, TOP_BYTES, begin_of, digest

WORD: Final = 8
BEGIN_WORDS: Final = len(begin_of(digest(), 0)) // WORD
HEAD_WORDS: Final = HEAD_BYTES // WORD
"""Heads and prices are whole 64-bit words, so that all of them together are one array."""


@dataclass(frozen=True, slots=True)
class Heads:
    """What the heads of these events' records are if each may be read so: made once for a list of events.

    ``ends``: where the packed prices end in each record; ``_begins``, ``_at``: the words with which each head begins and where they are
    when heads and prices of all are joined; ``_prices``: which of the joined words are prices.
    """

    ends: tuple[int, ...]
    _begins: NDArray[np.int64]
    _at: NDArray[np.intp]
    _prices: NDArray[np.bool_]

    @classmethod
    def of(cls, events: Iterable[tuple[bytes, int]]) -> Heads:
        """Of events by (how the head begins, number of markets); see ``layout.begin_of``."""
        listed = list(events)
        ends = tuple(HEAD_BYTES + TOP_BYTES * markets for _, markets in listed)
        starts = np.cumsum([0, *(end // WORD for end in ends)], dtype=np.intp)
        begins = np.frombuffer(b"".join([begin for begin, _ in listed]), np.int64).reshape(-1, BEGIN_WORDS)
        prices = np.ones(int(starts[-1]), np.bool_)
        prices[(starts[:-1, None] + np.arange(HEAD_WORDS)).ravel()] = False
        return cls(ends, begins, starts[:-1, None] + np.arange(BEGIN_WORDS), prices)

    def tops(self, values: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.intp]] | None:
        """Best YES and NO bid of every market, and the indices of the records that begin otherwise, whose prices here mean nothing. None
        if a record is too short for its event."""
        whole = b"".join([value[:end] for value, end in zip(values, self.ends, strict=True)])
        if len(whole) != len(self._prices) * WORD:
            return None
        joined = np.frombuffer(whole, np.int64)
        other = np.flatnonzero((joined[self._at] != self._begins).any(axis=1))
        return joined[self._prices].reshape(-1, 2), other
