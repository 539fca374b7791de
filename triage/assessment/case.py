"""The input of one assessment: the case of a position, the thresholds of its profile, the worth of holding. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kalbot.common.units import CENT, Money
from markets.book import Depth
from markets.fees import Fees
from markets.terms.special_settlements import ORDINARY, SettlementTerms
from markets.terms.states import StateList
from triage.assessment.signals import EntryFacts, MarketFacts
from triage.assessment.valuation import HeldLeg

Word = Literal["hold", "watch", "exit"]
DAY_MS: Final = 86_400_000
NOTHING: Final = Money(0)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Lines of one profile. Shares in millionths, money in micro-dollars.

    ``coverage_line``: the coverage the profile asks for. ``coverage_fall``: a fall since entry that is worth a person's attention.
    ``margin_ppm`` and ``margin``: what a sale must bring above holding, whichever is more, before it is advised.
    ``leave_cost_ppm``: what leaving may cost, as a share of the holding's value, when the reason to hold is gone; the
    default is about the fee and half a two-cent spread of a contract near 50 cents.
    """

    coverage_line: float | None = None
    coverage_fall: float = 0.05
    margin_ppm: int = 10_000
    margin: Money = CENT
    leave_cost_ppm: int = 60_000


@dataclass(frozen=True, slots=True)
class View:
    """What one outside source says: probability of each listed outcome, how old, in what words. No view = no opinion."""

    source: str
    probabilities: Mapping[str, float]
    age_ms: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything one assessment uses. ``books``: order books of *all* outcomes of the event, where they are known."""

    legs: tuple[HeldLeg, ...]
    kind: str
    cost: Money
    entry: EntryFacts
    now: MarketFacts
    books: Mapping[str, Depth]
    fees: Fees | None
    now_ms: int
    settles_ms: int | None = None
    terms: SettlementTerms = ORDINARY
    thresholds: Thresholds = Thresholds()
    views: tuple[View, ...] = ()
    states: StateList | None = None
    """How a basket across events can settle, as it was bought; None: as its event can."""
    shared: dict[str, Any] = field(default_factory=dict, compare=False)
    """What the positions of one event have in common, kept by whoever needs it first; used only with the very same facts."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The worth of holding in the eyes of ``source``. ``gain``: how much more selling brings (what cannot be sold counts
    at its expected value, ``unsold``). ``coverage``: probability of a covered outcome (of a state that returns the cost)."""

    source: str
    worth: Money
    coverage: float
    gain: Money | None
    age_ms: int | None = None
    unsold: Money = NOTHING

    @property
    def sells_in_full(self) -> bool:
        """All that is worth anything can be sold: a leg that lost has no bids, and that stops nobody."""
        return self.unsold * 100 <= self.worth

    @property
    def leaves(self) -> bool:
        """Selling leaves the position: of cash and rest together, at most a third is what nobody bids for."""
        return self.gain is not None and self.unsold * 3 <= self.worth + self.gain
