"""Orphans: contracts that filled without the rest of their basket, and the most that they can cost while bids rest.

Whatever fills first, and in which order: the worst is one leg that fills nothing while every other one fills whole, or all that rests
where some leg is behind already. So a handful of corners is the whole of it.

Counts in 1/100 contract, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kalbot.common.units import Money


@dataclass(frozen=True, slots=True)
class Exposure:
    """One leg: what it holds and paid for that, and what rests for it and may cost at most, fees included."""

    held: int = 0
    paid: int = 0
    rests: int = 0
    cost: int = 0

    @property
    def each(self) -> int:
        """The most that 1/100 contract of it costs."""
        held = -(-self.paid // self.held) if self.held else 0
        rests = -(-self.cost // self.rests) if self.rests else 0
        return max(held, rests)


def now(legs: Sequence[Exposure]) -> Money:
    """The most that what is held beyond whole baskets has cost, whatever still rests."""
    return _beyond(legs, [leg.held for leg in legs])


def worst(legs: Sequence[Exposure]) -> Money:
    """The most that orphans can have cost at any moment while exactly this rests, one contract of each leg a basket."""
    whole = [leg.held + leg.rests for leg in legs]
    corners = [whole, *([*whole[:n], leg.held, *whole[n + 1 :]] for n, leg in enumerate(legs))]
    return Money(max(_beyond(legs, corner) for corner in corners))


def _beyond(legs: Sequence[Exposure], counts: Sequence[int]) -> Money:
    baskets = min(counts, default=0)
    return Money(sum(leg.each * (count - baskets) for leg, count in zip(legs, counts, strict=True)))
