"""Do an event's conditions tile the number line: do they overlap, and do they leave something out?

Two neighbours leave nothing out if they meet, or if one ends and the other begins on the next value of the source. In what units a
source publishes is known of the source (``markets.terms.sources``), never taken from the strikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from markets.terms.reading.strikes import Interval

LOWEST = Decimal("-Infinity")


@dataclass(frozen=True, slots=True)
class Tiling:
    """``overlap``: why two outcomes may both win; ``hole``: why none may. "" = they cannot."""

    overlap: str = ""
    hole: str = ""


def tile(intervals: Sequence[Interval], unit: Decimal | None) -> Tiling:
    """How outcomes that take these values share the line. ``unit``: what values are whole multiples of; None: any value."""
    ordered = sorted(intervals, key=lambda i: (LOWEST if i.low is None else i.low, not i.low_in))
    hole = ""
    if unit is not None and any(bound % unit for i in ordered for bound in (i.low, i.high) if bound is not None):
        hole = f"Strikes are finer than the unit {unit} of the source."
    elif ordered[0].low is not None or ordered[-1].high is not None:
        hole = "Values below the first or above the last strike belong to no outcome."
    for left, right in pairwise(ordered):
        if left.high is None or right.low is None or _overlap(left, right):
            return Tiling(f"{_words(left)} and {_words(right)} overlap.")
        if not hole and not _meet(left, right, unit):
            hole = f"Nothing covers what lies between {_words(left)} and {_words(right)}."
    return Tiling("", hole)


def _overlap(left: Interval, right: Interval) -> bool:
    assert left.high is not None
    assert right.low is not None
    return right.low < left.high or (right.low == left.high and left.high_in and right.low_in)


def _meet(left: Interval, right: Interval, unit: Decimal | None) -> bool:
    assert left.high is not None
    assert right.low is not None
    if right.low == left.high:
        return left.high_in or right.low_in
    if unit is None:
        return False
    last = left.high if left.high_in else left.high - unit
    first = right.low if right.low_in else right.low + unit
    return first - last == unit


def _words(interval: Interval) -> str:
    low = "" if interval.low is None else f"{interval.low} {'<=' if interval.low_in else '<'} "
    high = "" if interval.high is None else f" {'<=' if interval.high_in else '<'} {interval.high}"
    return f"{low}x{high}"
