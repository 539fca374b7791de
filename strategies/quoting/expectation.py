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


SPREADS: Final = ((200, "2c"), (500, "5c"))
"""Up to which spread a leg on average, 1/10,000 dollar, and its name; wider ones are ``wide``."""
TIMES: Final = ((6, "6h"), (24, "24h"))
"""Up to how many hours a quote may rest, and its name; longer ones are ``days``."""


def band_of(spreads: Sequence[int], seconds: float) -> str:
    """Spread and time of a quoted basket in one word, as its fills are counted: ``spreads`` of its legs, 1/10,000 dollar; ``seconds`` until
    nothing of it rests any more."""
    mean, hours = sum(spreads) / max(1, len(spreads)), seconds / 3600
    spread = next((name for most, name in SPREADS if mean <= most), "wide")
    return f"{spread} {next((name for most, name in TIMES if hours <= most), 'days')}"


def words_of(band: str) -> str:
    """A band for a person; empty for all of a series."""
    if not band:
        return ""
    spread, time = band.split()
    spreads = {"wide": f"spread above {SPREADS[-1][0] / 100:g} cents"} | {
        name: f"spread to {most / 100:g} cents" for most, name in SPREADS
    }
    times = {"days": f"more than {TIMES[-1][0]} h to the end"} | {name: f"{most} h or less" for most, name in TIMES}
    return f"{spreads[spread]}, {times[time]}"


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
