"""The stream's quick yes or no: it may wake the strategy for nothing, but never sleep through a basket that pays."""

from __future__ import annotations

import random

import pytest

from kalbot.common.units import DOLLAR_PRICE
from markets.fees import FeeSchedule, model_fee
from markets.streaming.state.all_in import NEVER, SLACK, distance, fee_table, is_worth_evaluating
from markets.streaming.state.market_state import MarketState


def market(yes: int, no: int, **fields: object) -> MarketState:
    made = MarketState("M", "EVENT")
    made.book.apply_snapshot([(yes, 100)] if yes else [], [(no, 100)] if no else [])
    made.has_book = True
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("multiplier", [0, 500_000, 1_000_000, 2_000_000])
def test_the_fee_table_never_exceeds_the_exact_fee(multiplier: int) -> None:
    schedule, table = FeeSchedule("quadratic", multiplier), fee_table(multiplier)
    for price in range(1, DOLLAR_PRICE, 7):
        exact = model_fee(schedule, price, 100)  # micro-dollars of one contract
        assert 0 <= exact - table[price] * 100 <= 101


def test_yes_on_all_needs_every_price() -> None:
    cheap = [market(2000, 7000), market(2000, 7000), market(2000, 7000)]
    assert distance(cheap, 1_000_000) == 3 * (3000 + 147) - 10_000
    assert distance([*cheap, market(100, 0)], 0) > 0
    assert distance([market(0, 7000), market(0, 7000, suspect=True)], 0) == NEVER
    assert distance([market(0, 7000), market(0, 7000, status="inactive")], 0) == NEVER
    assert distance([market(0, 7000), market(0, 7000, has_book=False)], 0) == NEVER


def test_no_on_several_takes_every_market_that_adds_something() -> None:
    legs = [market(4000, 0), market(3600, 0), market(3000, 0), market(100, 0)]
    gain = sum(bid - fee_table(1_000_000)[bid] for bid in (4000, 3600, 3000, 100))
    assert distance(legs, 1_000_000) == 10_000 - gain
    assert distance([market(9990, 0)], 0) == NEVER  # one leg is no basket


def test_no_paying_basket_is_missed() -> None:
    pick = random.Random(5)
    paying = 0
    for _ in range(3_000):
        legs = []
        for _ in range(pick.randrange(2, 7)):
            bid = pick.randrange(0, 60) * 100
            legs.append(market(bid, pick.randrange(0, 100 - bid // 100) * 100))
        schedule = FeeSchedule("quadratic", 1_000_000)

        def cost(price: int) -> int:
            return price * 100 + model_fee(schedule, price, 100)  # noqa: B023

        best = []
        if all(leg.book.best_no for leg in legs):
            best.append(1_000_000 - sum(cost(DOLLAR_PRICE - leg.book.best_no) for leg in legs))
        bids = sorted((leg.book.best_yes for leg in legs if leg.book.best_yes), reverse=True)
        best += [
            (k - 1) * 1_000_000 - sum(cost(DOLLAR_PRICE - bid) for bid in bids[:k]) for k in range(2, len(bids) + 1)
        ]
        if best and max(best) > 0:
            paying += 1
            assert is_worth_evaluating(legs, 1_000_000)
        elif best and max(best) < -(SLACK + len(legs) + 1) * 100:
            assert not is_worth_evaluating(legs, 1_000_000)
    assert paying > 50
