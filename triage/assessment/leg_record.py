"""What holding a leg brought against selling it at once, on recorded prints, by side and bid. Pure.

``triage/data/legs.json`` is written by ``manage.py triage_evidence --legs``. Selling pays the spread and a fee; on the record NO legs were
worth more held. So NO legs are held unless the numbers of the moment say that selling brings more than holding them did on the record: a
reason that only asks to leave cheaply does not sell them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from kalbot.common.units import CONTRACT, DOLLAR, DOLLAR_PRICE, Money
from markets.book import Side
from triage.assessment.valuation import HeldLeg

DATA: Final = Path(__file__).parent.parent / "data" / "legs.json"


@dataclass(frozen=True, slots=True)
class LegRecord:
    """Legs of one side with a bid from ``low`` to ``high`` dollars. ``mean`` and ``half_width`` (95 %): holding less selling, dollars a
    contract, over ``events``."""

    side: str
    low: float
    high: float
    legs: int
    events: int
    mean: float
    half_width: float

    @property
    def favours_holding(self) -> bool:
        """The whole interval is above nothing."""
        return self.mean - self.half_width > 0

    def brought(self, contracts: int) -> Money:
        """What holding so many contracts (1/100) brought more than selling them, micro-dollars, on average."""
        return Money(round(self.mean * DOLLAR * contracts / CONTRACT))

    def words(self) -> str:
        """``holding brought +4.2 ± 1.9 ¢ a contract (1,724 legs, 631 events)``."""
        return (
            f"holding {self.side.upper()} brought {100 * self.mean:+.1f} ± {100 * self.half_width:.1f} ¢ a contract against "
            f"selling ({self.legs:,} legs of {self.events:,} events)"
        )


def of_side(side: Side) -> LegRecord | None:
    """The record of all legs of a side; None where nothing is recorded."""
    return next((one for one in _records() if one.side == side.value and (one.low, one.high) == (0.0, 1.0)), None)


def of_leg(side: Side, bid: int | None) -> LegRecord | None:
    """The record of legs like this one (bid in 1/10,000 dollar), else of its side."""
    dollars = None if bid is None else bid / DOLLAR_PRICE
    banded = (
        one
        for one in _records()
        if dollars is not None and one.side == side.value and one.high - one.low < 1 and one.low <= dollars < one.high
    )
    return next(banded, None) or of_side(side)


def held_by_default(legs: Iterable[HeldLeg]) -> LegRecord | None:
    """The record because of which these legs are held: all of them are NO and the record favours holding NO; None otherwise."""
    sides = {leg.side for leg in legs}
    record = of_side(Side.NO) if sides == {Side.NO} else None
    return record if record is not None and record.favours_holding else None


@cache
def _records() -> tuple[LegRecord, ...]:
    rows = json.loads(DATA.read_text("utf-8"))["legs"]
    return tuple(LegRecord(**row) for row in rows)
