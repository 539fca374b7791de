"""What the exchange charges for a fill, to the last digit.

Model fee = rate x multiplier x contracts x P x (1 - P). Rates (taker, maker) by fee type: ``quadratic`` 0.07 and 0;
``quadratic_with_maker_fees`` 0.07 and 0.0175; ``quadratic_with_combo_maker_fees`` 0.07 and 0.035. Any other type is
refused: who does not know a fee does not trade.

Rounding of one fill (the exchange's "fee rounding" page, October 2026):

1. trade fee = model fee rounded up to $0.000001;
2. signed cash of the fill minus trade fee is rounded *down* to the member's balance grid ($0.0001 for direct members,
   $0.01 for members behind a clearing firm); what is lost there is the rounding fee;
3. rounding fees of one order (taker and maker fills alike) accumulate; whole grid steps come back as a rebate, but a
   fill's net fee never falls below zero.

Net fee = trade fee + rounding fee - rebate. Whether the rebate fires when the accumulator is *exactly* one step is not
documented; ``FeeSchedule.rebate_at_step`` says so (False is the more expensive reading).

Money in 1/1,000,000 dollar, prices in 1/10,000 dollar, counts in 1/100 contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import Final

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Money
from markets.book import Level

RATES: Final[dict[str, tuple[int, int]]] = {
    "quadratic": (700, 0),
    "quadratic_with_maker_fees": (700, 175),
    "quadratic_with_combo_maker_fees": (700, 350),
}
"""fee type -> (taker, maker) rate in 1/10,000."""

UNIT_MULTIPLIER: Final = 1_000_000
DIRECT_GRID: Final = Money(100)
CENT_GRID: Final = Money(10_000)

# rate (1e-4) x multiplier (1e-6) x count (1e-2) x price (1e-4) x complement (1e-4), in money (1e-6): 10**(20 - 6)
_SCALE: Final = 10**14


class FeeError(ValueError):
    """The fee of this market is not known, so it must not be traded."""


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """How one market's fills are charged. ``multiplier_e6`` = multiplier x 1,000,000; ``grid`` in Money.

    ``taker_e10`` and ``maker_e10`` follow: rate x multiplier in 1e-10.

    Raises FeeError for an unknown ``fee_type``, a negative multiplier or a grid that no member has.
    """

    fee_type: str = "quadratic"
    multiplier_e6: int = UNIT_MULTIPLIER
    grid: Money = DIRECT_GRID
    rebate_at_step: bool = True
    taker_e10: int = field(init=False, repr=False, compare=False)
    maker_e10: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.fee_type not in RATES:
            raise FeeError(f"unknown fee type {self.fee_type!r}")
        if not isinstance(self.multiplier_e6, int) or self.multiplier_e6 < 0:
            raise FeeError(f"not a fee multiplier: {self.multiplier_e6!r} millionths")
        if self.grid not in (DIRECT_GRID, CENT_GRID):
            raise FeeError(f"no member's balance grid: {self.grid}")
        taker, maker = RATES[self.fee_type]
        object.__setattr__(self, "taker_e10", taker * self.multiplier_e6)
        object.__setattr__(self, "maker_e10", maker * self.multiplier_e6)

    def rate_e10(self, is_taker: bool = True) -> int:
        """Rate x multiplier in 1e-10."""
        return self.taker_e10 if is_taker else self.maker_e10

    def of(self, ticker: str) -> FeeSchedule:
        """That of one market: the same for all."""
        return self


@dataclass(frozen=True, slots=True)
class MixedFees:
    """Of markets whose fills are charged differently, as those of several events may be: each its own schedule."""

    by_market: Mapping[str, FeeSchedule]

    def of(self, ticker: str) -> FeeSchedule:
        """That of one market. FeeError for one that is not among them."""
        if ticker not in self.by_market:
            raise FeeError(f"nothing is known of the fee of {ticker}")
        return self.by_market[ticker]


Fees = FeeSchedule | MixedFees
"""How the fills of an event's markets are charged."""


def resolve(
    series_type: str,
    series_mult_e6: int,
    event_type_override: str | None = None,
    event_mult_override_e6: int | None = None,
    grid: Money = DIRECT_GRID,
    rebate_at_step: bool = True,
) -> FeeSchedule:
    """The schedule in force: each override of the event replaces the series' value when present (0 is present).

    >>> resolve("quadratic", 1_000_000, None, 0).multiplier_e6
    0

    Raises FeeError when the resulting type is unknown.
    """
    return FeeSchedule(
        series_type if event_type_override in (None, "") else event_type_override,
        series_mult_e6 if event_mult_override_e6 is None else event_mult_override_e6,
        grid,
        rebate_at_step,
    )


@lru_cache(maxsize=4096)
def _ratio(rate_e10: int, price: int) -> tuple[int, int]:
    numerator = rate_e10 * price * (DOLLAR_PRICE - price)
    shared = gcd(numerator, _SCALE)
    return numerator // shared, _SCALE // shared


def model_fee(schedule: FeeSchedule, price: int, count: int, is_taker: bool = True) -> Money:
    """The trade fee: the model fee rounded up to $0.000001. Symmetric in price, so it is the same for YES and NO."""
    numerator, denominator = _ratio(schedule.rate_e10(is_taker), price)
    return Money(-(-numerator * count // denominator))


def settle_fill(revenue: int, trade_fee: int, carried: int, grid: int, rebate_at_step: bool) -> tuple[int, int]:
    """Rounding of one fill: (net fee, amount carried to the order's next fill), all Money.

    ``revenue`` is the signed cash of the fill (negative for a purchase), ``carried`` the order's accumulator before.
    """
    rounding = (revenue - trade_fee) % grid
    carried += rounding
    gross = trade_fee + rounding
    due = carried if rebate_at_step else max(0, carried - 1)
    rebate = min(due, gross) // grid * grid
    return gross - rebate, carried - rebate


class OrderFees:
    """The fees of one order, fill by fill. ``total`` is what has been charged so far."""

    __slots__ = ("carried", "paid", "schedule", "total")

    def __init__(self, schedule: FeeSchedule) -> None:
        self.schedule = schedule
        self.carried = 0
        self.paid = Money(0)
        self.total = Money(0)

    def add(self, price: int, count: int, *, buys: bool = True, is_taker: bool = True) -> Money:
        """Net fee of one more fill of ``count`` at ``price``, the price of the side that is bought or sold.

        ``buys`` False: the fill brings cash in (a sale). Money, never below zero.
        """
        revenue = -price * count if buys else price * count
        trade = model_fee(self.schedule, price, count, is_taker)
        net, self.carried = settle_fill(revenue, trade, self.carried, self.schedule.grid, self.schedule.rebate_at_step)
        self.paid = Money(self.paid - revenue)
        self.total = Money(self.total + net)
        return Money(net)


def taker_cost(schedule: FeeSchedule, walked: Iterable[Level]) -> tuple[Money, Money]:
    """(price paid, fees) of one taking purchase that walks through ``walked``, each level one fill."""
    order = OrderFees(schedule)
    for price, count in walked:
        order.add(price, count)
    return order.paid, order.total


@lru_cache(maxsize=16_384)
def _most_excess(rate_e10: int, price: int, grid: int) -> Fraction:
    """The most by which the trade fee of 1/100 contract, rounding fees that are never given back included, can exceed the model
    fee when a level is filled in pieces of any size. Money.

    On the balance grid the rounding of pieces comes back as a rebate, and only the rounding of trade fees is lost. Off it (tenths of a
    cent; the $0.01 grid) a crumb may cost less than a grid step, and then its rounding is not given back.
    """
    model = Fraction(rate_e10 * price * (DOLLAR_PRICE - price), _SCALE)
    crumbs = price % grid == 0
    over, under = model.numerator, model.denominator
    # the worst as a fraction in two integers: a book on a fine grid has a thousand prices, and each is worked out once a process
    most, of = (0, 1) if crumbs and under == 1 else (1 if crumbs else grid + 1, CONTRACT + 1)
    for count in range(1, CONTRACT + 1):
        trade = -(-over * count // under)
        rounding = 0 if crumbs else (-price * count - trade) % grid
        excess, whole = (trade + rounding) * under - over * count, under * count
        if excess * of > most * whole:
            most, of = excess, whole
    return Fraction(most, of)


@lru_cache(maxsize=16_384)
def _most_ratio(rate_e10: int, price: int, grid: int) -> tuple[int, int]:
    """Numerator and denominator of the most that 1/100 contract can be charged: model fee and excess."""
    most = Fraction(*_ratio(rate_e10, price)) + _most_excess(rate_e10, price, grid)
    return most.numerator, most.denominator


def excess_e14(schedule: FeeSchedule, price: int) -> int:
    """By how much the fees of 1/100 contract can exceed the model fee because a level is filled in pieces; Money x 10**14,
    rounded down."""
    return excess_of_e14(schedule.taker_e10, price, schedule.grid)


@lru_cache(maxsize=16_384)
def excess_of_e14(rate_e10: int, price: int, grid: int) -> int:
    """The same of a rate in 1e-10 and a grid in Money."""
    return int(_most_excess(rate_e10, price, grid) * _SCALE)


def most_fees(schedule: FeeSchedule, walked: Iterable[Level], is_taker: bool = True) -> Money:
    """The most that one purchase through ``walked`` can be charged, however each level is split into fills and whichever
    reading of the rebate is true. ``is_taker`` False: a resting order that fills at ``walked``."""
    paid, numerator, denominator, free = 0, 0, 1, True  # the fees as a fraction, which nobody needs in lowest terms
    rate = schedule.rate_e10(is_taker)
    for price, count in walked:
        over, under = _most_ratio(rate, price, schedule.grid)
        numerator, denominator = numerator * under + count * over * denominator, denominator * under
        paid += price * count
        free = free and rate == 0 == price % schedule.grid
    if free:
        return Money(0)
    most = numerator // denominator + schedule.grid  # what an order has not been given back yet is at most one step
    return Money(most - (most + paid) % schedule.grid)


def split_slack(schedule: FeeSchedule, price: int, count: int) -> Money:
    """The most by which the fees of a purchase at up to ``price`` may exceed ``taker_cost`` because levels fill in pieces.

    A level may hold many resting orders, each a fill of its own: its trade fee is rounded up to $0.000001, and the order
    as a whole to one more grid step. Fills may be as small as 0.01 contract where that much money lies on the balance grid;
    elsewhere (fractions of a cent, or the $0.01 grid) fills are taken to be whole contracts and one remainder, for there
    the cash of a fill is rounded as well and a swarm of crumbs has no useful bound.
    """
    if schedule.rate_e10() == 0 and price % schedule.grid == 0:
        return Money(0)
    crumbs = price % schedule.grid == 0
    pieces = count if crumbs else -(-count // CONTRACT)
    steps = -(-pieces // schedule.grid) + (0 if schedule.rebate_at_step else 1) + (0 if crumbs else 1)
    if not crumbs and price * CONTRACT % schedule.grid:
        steps += pieces
    return Money(steps * schedule.grid)
