"""What the search of a family counts in and is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kalbot.common.units import CONTRACT, Count, Money
from markets.book import Side
from strategies.dutch.curve import E14

MOST_LEVELS: Final = 5
"""Price levels a side that the programme sees."""
MONEY_E14: Final = 10**6 * E14
Key = tuple[str, Side]
Counts = dict[Key, int]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a basket may be. ``step``: counts are whole multiples of it; ``max_cost``, ``max_cost_per_leg``: Money, None for no limit;
    ``max_legs``: orders that the account can send and unwind."""

    step: Count = CONTRACT
    max_cost: Money | None = None
    max_legs: int | None = None
    max_cost_per_leg: Money | None = None
