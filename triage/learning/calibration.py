"""Said against came for numbers: where values fell in what was said, and how often they fell inside. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

BINS: Final = 10
CENTRAL: Final = (0.5, 0.8, 0.95)
"""Central intervals whose share of values is counted."""


def pit_histogram(values: Sequence[float], bins: int = BINS) -> list[float]:
    """Share of the probability integral transforms in each of ``bins`` equal parts of 0 to 1: all equal if calibrated."""
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(value * bins))] += 1
    return [count / len(values) for count in counts] if values else []


def coverage(values: Sequence[float]) -> Mapping[float, float]:
    """Said -> came: how many values fell into each central interval of what was said."""
    return {p: sum(abs(v - 0.5) <= p / 2 for v in values) / len(values) for p in CENTRAL} if values else {}
