"""Fees exactly as the exchange charges them: the worked table of its fee rules, to the last digit."""

import pytest

from kalbot.common.units import parse_count, parse_money, parse_price
from markets.fees import CENT_GRID, FeeError, FeeSchedule, OrderFees, resolve, taker_cost

DIRECT = FeeSchedule("quadratic")


@pytest.mark.parametrize(
    "schedule, price, contracts, is_taker, fee",
    [
        (DIRECT, "0.52", "1", True, "0.0175"),
        (DIRECT, "0.99", "1", True, "0.0007"),
        (DIRECT, "0.91", "1", True, "0.0058"),
        (DIRECT, "0.43", "100", True, "1.7157"),
        (FeeSchedule("quadratic", 500_000), "0.43", "100", True, "0.8579"),
        (FeeSchedule("quadratic_with_maker_fees"), "0.43", "100", False, "0.4290"),
        (FeeSchedule("quadratic_with_combo_maker_fees"), "0.43", "100", False, "0.8579"),
        (DIRECT, "0.43", "100", False, "0"),
        (FeeSchedule("quadratic", 0), "0.43", "100", True, "0"),
        (FeeSchedule(grid=CENT_GRID), "0.43", "100", True, "1.72"),
        (FeeSchedule(grid=CENT_GRID), "0.055", "1", True, "0.0050"),
    ],
)
def test_a_single_fill_costs_what_the_exchange_charged(
    schedule: FeeSchedule, price: str, contracts: str, is_taker: bool, fee: str
) -> None:
    charged = OrderFees(schedule).add(parse_price(price), parse_count(contracts), is_taker=is_taker)
    assert charged == parse_money(fee)


def test_rounding_of_an_order_comes_back_as_a_rebate() -> None:
    order = OrderFees(DIRECT)
    fees = [order.add(parse_price("0.055"), parse_count("1")) for _ in range(3)]
    assert fees == [3700, 3600, 3700]
    assert order.total == parse_money("0.0110")


def test_fees_are_the_same_on_both_sides_of_a_market() -> None:
    for price in range(100, 10_000, 100):
        assert taker_cost(DIRECT, [(price, 300)])[1] == taker_cost(DIRECT, [(10_000 - price, 300)])[1]


def test_worked_baskets_of_the_exchange_rules() -> None:
    yes = [taker_cost(DIRECT, [(price, 10_000)]) for price in (2100, 3400, 4100)]
    assert sum(paid for paid, _ in yes) == parse_money("96.00")
    assert [fee for _, fee in yes] == [parse_money(fee) for fee in ("1.1613", "1.5708", "1.6933")]
    no = [taker_cost(DIRECT, [(10_000 - bid, 10_000)]) for bid in (4000, 3600, 3000)]
    assert sum(map(sum, no)) == parse_money("198.7628")


@pytest.mark.parametrize("fee_type", ["flat", "margin_market_maker_program_fees", "", "QUADRATIC"])
def test_an_unknown_fee_type_is_refused(fee_type: str) -> None:
    with pytest.raises(FeeError):
        FeeSchedule(fee_type)


def test_event_overrides_replace_what_the_series_says() -> None:
    assert resolve("quadratic", 1_000_000) == DIRECT
    assert resolve("flat", 0, "quadratic", 500_000) == FeeSchedule("quadratic", 500_000)
    assert resolve("quadratic", 1_000_000, None, 0).multiplier_e6 == 0
    with pytest.raises(FeeError):
        resolve("quadratic", 1_000_000, "flat", None)


def test_an_accumulator_of_exactly_one_step_is_a_switch() -> None:
    # Without fees only the cash is rounded: 0.005 dollar leaves 0.00005 each time, twice that is exactly one step.
    fills = [(50, 101), (50, 101)]
    soon, late = (OrderFees(FeeSchedule("quadratic", 0, rebate_at_step=at_step)) for at_step in (True, False))
    charged = [(soon.add(*fill), late.add(*fill)) for fill in fills]
    assert charged == [(50, 50), (50, 50)]
    assert soon.carried == late.carried == 100
    # The next fill is big enough to take the rebate; only one reading gives it.
    assert (soon.add(5_200, 100), late.add(5_200, 100)) == (0, 0)
    at_step, beyond = (OrderFees(FeeSchedule(rebate_at_step=at_step)) for at_step in (True, False))
    for order in (at_step, beyond):
        order.carried = 0
        order.add(5_200, 100)  # model fee 0.017472: 0.000028 carried
        order.carried = 72
    assert at_step.add(5_200, 100) == 17_400
    assert beyond.add(5_200, 100) == 17_500
    assert (at_step.carried, beyond.carried) == (0, 100)
