"""The price of capital, against the linear programme that it is the dual of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from kalbot.common.units import Money
from strategies.allocation.choice import Offer
from strategies.allocation.hurdle import FEWEST, SHORTEST, hurdle

OFFERS = st.lists(
    st.tuples(st.integers(1, 200), st.integers(1, 400), st.sampled_from([0.05, 0.5, 1.0, 7.0, 30.0])), min_size=FEWEST
)


@given(OFFERS, st.integers(1, 3_000), st.sampled_from([1.0, 10.0]))
@settings(max_examples=150, deadline=None)
def test_it_is_the_dual_of_the_capital(drawn: list[tuple[int, int, float]], capital: int, window: float) -> None:
    """maximise sum of profit_i * x_i, sum of locked_i * days_i * x_i <= capital * window, 0 <= x_i <= 1."""
    offers = [
        Offer(str(number), Money(locked * 1_000_000), Money(profit * 10_000), days, 2)
        for number, (locked, profit, days) in enumerate(drawn)
    ]
    found = hurdle(offers, Money(capital * 1_000_000), window)
    profits = [-float(offer.profit) for offer in offers]
    dollar_days = [[offer.locked * max(offer.days or 0.0, 1 / 24) for offer in offers]]
    result = linprog(profits, A_ub=dollar_days, b_ub=[capital * 1e6 * window], bounds=(0, 1))
    price = -float(result.ineqlin.marginals[0])
    most = sum(-profit for profit in profits)

    # The dual may lie anywhere between two offers where the capital is used up exactly: compare what it promises.
    def dual(least: float) -> float:
        return least * capital * 1e6 * window + sum(
            max(0.0, -profit - least * days) for profit, days in zip(profits, dollar_days[0], strict=True)
        )

    assert dual(found) == pytest.approx(-result.fun, rel=1e-7)
    assert dual(price) == pytest.approx(-result.fun, rel=1e-7)
    assert (found == 0.0) == (sum(dollar_days[0]) <= capital * 1e6 * window) or most == pytest.approx(-result.fun)


def test_few_offers_say_nothing() -> None:
    offers = [Offer(str(n), Money(100_000_000), Money(1_000_000), 30.0, 2) for n in range(FEWEST - 1)]
    assert hurdle(offers, Money(1_000_000), SHORTEST) == 0.0
    assert hurdle([*offers, offers[0]], Money(1_000_000), SHORTEST) > 0.0
    assert hurdle([*offers, offers[0]], Money(1_000_000), 0.9 * SHORTEST) == 0.0, "a shorter time"
