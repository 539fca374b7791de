"""The types of the search: the limits it keeps to, the basket it finds, the refusal it gives.

Counts in 1/100 contract, prices in 1/10,000 dollar, Money in 1/1,000,000 dollar, margins in parts per million of cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kalbot.common.units import CONTRACT, PPM, Count, Money, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.kalshi.grid import PriceBand
from markets.terms.grades import Grade
from markets.terms.states import State, StateKind
from strategies.dutch.coverage import Devig
from strategies.dutch.payoff import Payoff, loss_states
from strategies.reasons import Reason

YEAR_DAYS: Final = 365.0
ONE_HUNDREDTH: Final = Count(1)
LEAST_PROFIT: Final = Money(1)
NOTHING: Final = Money(0)

CENT_BANDS: Final = (PriceBand(Price(0), Price(10_000), Price(100)),)


class Kind(StrEnum):
    """What is bought: YES on every outcome, NO on k >= 2 outcomes, YES on some outcomes, legs of several events on one value."""

    ALL_YES = "all_yes"
    ALL_NO = "all_no"
    COVERAGE = "coverage"
    FAMILY = "family"


class Shape(StrEnum):
    """How the profit is spread over the outcomes: the same in each, or more where more is likely."""

    EQUAL = "equal"
    PROPORTIONAL = "proportional"


@dataclass(frozen=True, slots=True)
class LegMarket:
    """One outcome as the search takes it: its live book, its fees, its price grid, the least count it takes."""

    ticker: str
    depth: Depth
    fees: FeeSchedule
    price_bands: tuple[PriceBand, ...] = CENT_BANDS
    min_count: Count = ONE_HUNDREDTH
    name: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a profile allows. None means "no limit". See the module docstring for units.

    ``min_profit`` is what the basket must earn in its floor (coverage: if a covered outcome wins) by the prices of the
    book; ``min_margin_ppm`` must hold even if every leg fills at its limit price. ``max_legs``: orders that can be sent, and
    unwound, at the account's write rate. ``near_ppm``: how near, in millionths of a
    dollar a set, a refusal must be for the price move that would turn it to be worked out. ``power``: of the probabilities of coverage
    (``coverage.corrected``).
    """

    kinds: frozenset[Kind] = frozenset({Kind.ALL_YES, Kind.ALL_NO})
    min_profit: Money = LEAST_PROFIT
    min_margin_ppm: int = 0
    max_cost: Money | None = None
    max_cost_per_leg: Money | None = None
    max_count: Count | None = None
    max_legs: int | None = None
    count_step: Count = CONTRACT
    min_count: Count = ONE_HUNDREDTH
    coverage_threshold: float = 0.9
    min_expected_margin_ppm: int = 0
    days_to_settlement: float | None = None
    min_annualised_ppm: int | None = None
    devig: Devig = Devig.SCORED
    unlisted_floor: float = 0.02
    power: float = 1.0
    shape: Shape = Shape.EQUAL
    near_ppm: int = 20_000
    least_grade: Grade = Grade.CONDITIONAL


@dataclass(frozen=True, slots=True)
class Leg:
    """One order of a basket. ``limit_price`` is the worst price it may fill at; ``price_paid`` and ``fees`` come from
    walking the book as it is, each price level one fill."""

    ticker: str
    side: Side
    count: Count
    limit_price: Price
    price_paid: Money
    fees: Money
    name: str = ""

    @property
    def cost(self) -> Money:
        """Price paid plus fees."""
        return Money(self.price_paid + self.fees)


@dataclass(frozen=True, slots=True)
class Basket:
    """Legs bought together and what they pay. ``guaranteed`` is derived, never set.

    ``count``: of every leg, or of the largest where counts differ (NO; shapes: of the smallest). ``cost_at_limits``: cost if
    every leg filled at its limit price. ``gap``: by how much the best basket could at most be better (Money), 0 when this one
    is proven to be the best. ``fee_bound``: the most by which real fees can
    exceed those in cost (levels filled in pieces, the more expensive reading of the rebate).
    """

    kind: Kind
    event_ticker: str
    legs: tuple[Leg, ...]
    count: Count
    cost: Money
    fees: Money
    cost_at_limits: Money
    payoff: Payoff
    floor: Money
    conditional: Money
    expected: float | None
    coverage: float | None
    days_to_settlement: float | None = None
    gap: Money = NOTHING
    fee_bound: Money = NOTHING

    @property
    def guaranteed(self) -> bool:
        """floor - cost - fee bound > 0, in every state that the rules name."""
        return self.floor - self.cost - self.fee_bound > 0

    @property
    def pays(self) -> Money:
        """What the basket is bought for: its floor, for a coverage basket what a covered outcome pays. A basket whose
        floor another state breaks counts what it pays when one outcome wins."""
        if self.kind is Kind.COVERAGE:
            return self.conditional
        if self.floor > self.cost:
            return self.floor
        return min((m for s, m in self.payoff if s.kind in (StateKind.WINNER, StateKind.VALUE)), default=Money(0))

    @property
    def profit(self) -> Money:
        """pays - cost."""
        return Money(self.pays - self.cost)

    @property
    def margin_ppm(self) -> int:
        """Profit in parts per million of cost, rounded down."""
        return self.profit * PPM // self.cost

    @property
    def annualised_ppm(self) -> int | None:
        """Simple yearly return on the locked cost in ppm, rounded down; None without an expected settlement."""
        if self.days_to_settlement is None:
            return None
        return int(self.margin_ppm * YEAR_DAYS / max(self.days_to_settlement, 1 / 24))

    @property
    def margin_at_limits_ppm(self) -> int:
        """The margin if every leg fills at its limit price, in ppm, rounded down."""
        return (self.pays - self.cost_at_limits) * PPM // self.cost_at_limits

    @property
    def loss_states(self) -> Payoff:
        """The states in which it does not return its cost, worst first."""
        return loss_states(self.payoff, self.cost)

    @property
    def worst_state(self) -> State:
        """The state that pays the floor."""
        return min(self.payoff, key=lambda entry: entry[1])[0]


@dataclass(frozen=True, slots=True)
class Flip:
    """The price move that would turn a refusal: the best ask of one leg from ``price`` down to ``to``. When no single
    leg can do it, ``ticker`` is None and ``amount`` is what the sum of prices per contract must fall by."""

    amount: int
    ticker: str | None = None
    side: Side | None = None
    price: int | None = None
    to: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The best basket."""

    basket: Basket


class Later:
    """A basket that is built when somebody wants it: most near misses are counted and their baskets never read."""

    __slots__ = ("_build", "_built")

    def __init__(self, build: Callable[[], Basket | None]) -> None:
        self._build: Callable[[], Basket | None] | None = build
        self._built: Basket | None = None

    def __call__(self) -> Basket | None:
        """The basket, the same at every call; None where there is none."""
        build = self._build
        if build is not None:
            self._built = build()
            self._build = None
        return self._built


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is none. ``value`` missed ``limit`` by ``distance`` (>= 0), all three in ``unit``.

    Units: ``price`` (1/10,000 dollar per contract of the basket), ``money``, ``ppm``, ``count``, ``legs``, ``flag``.
    ``closest`` is the basket that came closest, where one could be built, or what builds it.
    """

    constraint: Reason
    sentence: str
    unit: str = "flag"
    value: float = 0
    limit: float = 0
    distance: float = 0
    kind: Kind | None = None
    closest: Basket | Later | None = None
    flip: Flip | None = None
    tickers: tuple[str, ...] = field(default=())

    @property
    def nearest(self) -> Basket | None:
        """The basket that came closest."""
        return self.closest() if isinstance(self.closest, Later) else self.closest


Outcome = Found | Refused
