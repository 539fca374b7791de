"""Sequences cut into pieces: databases limit the parameters of a statement, and a long transaction blocks others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

KEYS: Final = 500
"""Primary keys in one ``IN (...)``: below every database's limit on parameters."""


def batched(items: Sequence[T], size: int = KEYS) -> Iterator[Sequence[T]]:
    """Slices of ``items`` of at most ``size`` elements, in order. ValueError if ``size`` is not positive.

    >>> list(batched("abcde", 2))
    ['ab', 'cd', 'e']
    """
    if size < 1:
        raise ValueError(f"a batch of {size}")
    return (items[start : start + size] for start in range(0, len(items), size))
