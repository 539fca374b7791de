"""What a quote may be expected to earn, from what quotes of its series have brought.

Per set wanted: fill rate x margin - contracts that fill alone x what such a fill loses - write tokens. The loss of a fill is
measured: by how much the middle of its book stood below its price a minute later. So the margin below which quotes of a series lose
follows from the same numbers; where none is high enough nothing is quoted. Of two events the one in whose queues more is traded
than stands before us fills sooner: ``share`` says how much of the usual fill rate that is.

Values are micro-dollars a contract (of a set: one contract of every leg), counts 1/100 contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from kalbot.common.units import CONTRACT, PPM

ENOUGH_FILLS: Final = 20
"""With fewer measured fills a series is not judged by them: chance is larger than what they could show."""
USUAL_FILL_PPM: Final = 175_000
"""Sets that complete of those wanted where nothing has been measured: as on recorded prints, filled only when traded through."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the quotes of a series have brought. ``loss``: of a fill after a minute, below 0 where fills gained."""

    fills: int
    loss: int
    wanted: int
    complete: int
    orphaned: int
    tokens: int

    @property
    def is_enough(self) -> bool:
        """Whether these numbers say anything."""
        return self.fills >= ENOUGH_FILLS and self.wanted > 0

    def costs(self, token_cost: int) -> int:
        """What fills alone and tokens have cost, all sets wanted together, micro-dollars."""
        return self.orphaned * max(0, self.loss) // CONTRACT + self.tokens * token_cost


@dataclass(frozen=True, slots=True)
class Bid:
    """One order that may rest: ``count`` wanted behind ``ahead`` at its price; ``rate``: 1/100 contracts a second that hit such bids."""

    count: int
    ahead: int
    rate: float


def share(bids: Sequence[Bid], seconds: float, *, all_must_fill: bool) -> float:
    """How much of what is wanted trades alone bring within ``seconds``, between 0 and 1: of the slowest leg where all must fill, else of
    any. Nobody before us is supposed to cancel."""
    filled = [min(1.0, bid.rate * max(0.0, seconds) / (bid.ahead + bid.count)) for bid in bids]
    if not filled:
        return 0.0
    return min(filled) if all_must_fill else 1.0 - prod(1.0 - one for one in filled)


def expected(margin: int, found: Measured | None, token_cost: int, share: float = 1.0) -> int:
    """What one set that is quoted at this margin brings on average. Without enough measured: as often filled as usual, less often where
    little is traded (``share``), nothing lost."""
    if found is None or not found.is_enough:
        return round(margin * USUAL_FILL_PPM * share / PPM)
    return (margin * found.complete // CONTRACT - found.costs(token_cost)) * CONTRACT // found.wanted


def least_margin(found: Measured | None, token_cost: int) -> int | None:
    """The margin of a set from which on its quotes earn something; None where none does, 0 where nothing says otherwise."""
    if found is None or not found.is_enough:
        return 0
    costs = found.costs(token_cost)
    if costs <= 0:
        return 0
    if found.complete <= 0:
        return None
    return costs * CONTRACT // found.complete + 1
