"""The worked table of docs/kalshi-protocol.md 11 to the last digit, and what must hold for every fill."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from simulator.matching.fees import GRID_CLEARED, GRID_DIRECT, FeeTerms, FillFee, fill_fee, model_fee

QUADRATIC = FeeTerms("quadratic", 10_000)
HALF = FeeTerms("quadratic", 5_000)
MAKER = FeeTerms("quadratic_with_maker_fees", 10_000)


def buy(
    terms: FeeTerms,
    price: int,
    count: int,
    taker: bool = True,
    grid: int = GRID_DIRECT,
    accumulator: int = 0,
    no: bool = False,
) -> FillFee:
    """The fee of buying YES at ``price`` (or NO, at YES price ``price``), whole contracts."""
    paid = (10_000 - price if no else price) * count * 100
    return fill_fee(terms, price, count * 100, taker, -paid, accumulator, grid)


@pytest.mark.parametrize(
    "terms, price, count, taker, no, net",
    [
        (QUADRATIC, 5_200, 1, True, False, 17_500),
        (QUADRATIC, 9_900, 1, True, False, 700),
        (QUADRATIC, 900, 1, True, True, 5_800),
        (QUADRATIC, 100, 1, True, True, 700),
        (QUADRATIC, 4_300, 100, True, False, 1_715_700),
        (HALF, 4_300, 100, True, False, 857_900),
        (MAKER, 4_300, 100, False, False, 429_000),
        (QUADRATIC, 4_300, 100, False, False, 0),
        (QUADRATIC, 2_100, 100, True, False, 1_161_300),
        (QUADRATIC, 3_400, 100, True, False, 1_570_800),
        (QUADRATIC, 4_100, 100, True, False, 1_693_300),
        (QUADRATIC, 4_000, 100, True, True, 1_680_000),
        (QUADRATIC, 3_600, 100, True, True, 1_612_800),
        (QUADRATIC, 3_000, 100, True, True, 1_470_000),
    ],
)
def test_net_fee_of_one_fill(terms: FeeTerms, price: int, count: int, taker: bool, no: bool, net: int) -> None:
    assert buy(terms, price, count, taker, no=no).net == net


def test_cash_of_a_sale_at_nine_cents_is_what_was_measured() -> None:
    fee = buy(QUADRATIC, 900, 1, no=True)
    assert -(9_100 * 100) - fee.net == -915_800


def test_cleared_member_pays_to_the_cent() -> None:
    assert buy(QUADRATIC, 4_300, 100, grid=GRID_CLEARED).net == 1_720_000
    fee = buy(QUADRATIC, 550, 1, grid=GRID_CLEARED)
    assert (fee.trade, fee.rounding, fee.net) == (3_639, 1_361, 5_000)


def test_three_fills_of_one_order_share_an_accumulator() -> None:
    nets, accumulator = [], 0
    for _ in range(3):
        fee = buy(QUADRATIC, 550, 1, accumulator=accumulator)
        accumulator = fee.accumulator
        nets.append(fee.net)
    assert nets == [3_700, 3_600, 3_700]


def test_exactly_one_step_accumulated_is_a_switch() -> None:
    at_step = fill_fee(QUADRATIC, 5_000, 100, True, -500_000, 100, GRID_DIRECT, True)
    above_only = fill_fee(QUADRATIC, 5_000, 100, True, -500_000, 100, GRID_DIRECT, False)
    assert (at_step.rebate, above_only.rebate) == (100, 0)


@pytest.mark.parametrize("grid", [GRID_DIRECT, GRID_CLEARED])
def test_every_fill_leaves_cash_on_the_grid_and_costs_at_least_the_model(grid: int) -> None:
    rng = random.Random(11)
    for _ in range(3_000):
        terms = rng.choice([QUADRATIC, HALF, MAKER])
        taker, accumulator, model, net, fills = rng.random() < 0.5, 0, Fraction(0), 0, rng.randint(1, 6)
        for _ in range(fills):
            price, count = rng.randrange(1, 10_000), rng.randrange(1, 5_000)
            revenue = -price * count if rng.random() < 0.5 else -(10_000 - price) * count
            fee = fill_fee(terms, price, count, taker, revenue, accumulator, grid)
            accumulator = fee.accumulator
            assert (revenue - fee.net) % grid == 0
            assert fee.net >= 0
            assert accumulator >= 0
            net += fee.net
            rate = Fraction(terms.rate(taker), 10_000) * Fraction(terms.multiplier, 10_000)
            model += rate * count * price * (10_000 - price) / 10_000
        assert net + 1 > model
        assert net - accumulator <= model + fills


def test_model_fee_is_rounded_up_to_a_micro_dollar() -> None:
    assert model_fee(QUADRATIC, 550, 100, True) == 3_639
    assert model_fee(QUADRATIC, 1, 1, True) == 1
