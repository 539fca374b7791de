"""The fee engine of docs/kalshi-protocol.md 11, in integers.

Per fill: the trade fee is the model fee rounded up to a micro-dollar; the cash of the fill is aligned down to the
member's balance grid; what that costs is collected in an accumulator per order, which is paid back in whole grid steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.units import CENT, CENTICENT, ONE, ceil_div

RATES = {
    # fee type: (taker, maker) in 1/10,000 of count * price * (1 - price)
    "quadratic": (700, 0),
    "quadratic_with_maker_fees": (700, 175),
    "quadratic_with_combo_maker_fees": (700, 350),
}
GRID_DIRECT = CENTICENT
GRID_CLEARED = CENT
_SCALE = 10_000 * 10_000 * 10_000


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """A fee type and its multiplier in 1/10,000."""

    fee_type: str
    multiplier: int

    def rate(self, taker: bool) -> int:
        """Fee rate in 1/10,000, before the multiplier; an unknown type is charged as a taker in full."""
        taker_rate, maker_rate = RATES.get(self.fee_type, (700, 700))
        return taker_rate if taker else maker_rate


@dataclass(frozen=True, slots=True)
class FillFee:
    """What one fill costs, in money, and the accumulator after it."""

    trade: int
    rounding: int
    rebate: int
    accumulator: int

    @property
    def net(self) -> int:
        return self.trade + self.rounding - self.rebate


def model_fee(terms: FeeTerms, price: int, count: int, taker: bool) -> int:
    """Model fee rounded up to a micro-dollar. ``price`` in 1/10,000 dollar, ``count`` in 1/100 contract."""
    return ceil_div(count * price * (ONE - price) * terms.rate(taker) * terms.multiplier, _SCALE)


def fill_fee(
    terms: FeeTerms,
    price: int,
    count: int,
    taker: bool,
    revenue: int,
    accumulator: int,
    grid: int,
    rebate_at_step: bool = True,
) -> FillFee:
    """Net fee of one fill. ``revenue`` is the fill's signed cash before fees (negative for a purchase).

    ``rebate_at_step`` decides the open question of docs/kalshi-protocol.md 11.2: whether exactly one step accumulated pays a rebate.
    """
    trade = model_fee(terms, price, count, taker)
    before = revenue - trade
    rounding = before - before // grid * grid
    accumulated = accumulator + rounding
    steps = accumulated // grid if rebate_at_step else max(0, (accumulated - 1) // grid)
    cap = (trade + rounding) // grid
    rebate = min(steps, cap) * grid
    return FillFee(trade, rounding, rebate, accumulated - rebate)


def worst_fee(terms: FeeTerms, price: int, count: int, taker: bool, grid: int) -> int:
    """What is set aside for the fee of an order: the model fee rounded up to the balance grid."""
    return ceil_div(model_fee(terms, price, count, taker), grid) * grid
