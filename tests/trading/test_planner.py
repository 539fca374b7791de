"""The planner, pure: order of legs, the cost of leaving half-way, sizes and tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.fees import FeeSchedule
from trading.denials import Refusal
from trading.execution.orders import sell_ladder
from trading.execution.sizing import planner, walk
from trading.execution.sizing.planner import Plan, PlanLeg, WriteBudget

FEES = FeeSchedule()
BASIC = WriteBudget()
MONEY = 1_000_000


def leg(
    ticker: str, asks: list[tuple[int, int]], bids: list[tuple[int, int]], count: int, limit: int = 9_900
) -> PlanLeg:
    return PlanLeg(ticker, "yes", count, limit, tuple(asks), tuple(bids), FEES)


def two(count: int = 1_000) -> list[PlanLeg]:
    return [
        leg("A", [(4_000, 50_000)], [(3_900, 50_000)], count),
        leg("B", [(5_500, 1_200)], [(5_000, 1_200)], count),
    ]


def test_thinnest_leg_is_bought_first() -> None:
    plan = planner.plan(two(), 1_000, 100 * MONEY, BASIC)
    assert isinstance(plan, Plan)
    assert [one.ticker for one in plan.legs] == ["B", "A"]


def test_unwind_loss_is_spread_plus_both_fees() -> None:
    plan = planner.plan(two(), 1_000, 100 * MONEY, BASIC)
    assert isinstance(plan, Plan)
    paid = walk.buy(((5_500, 1_200),), 1_000, 9_900, FEES)
    got = walk.sell(((5_000, 1_200),), 1_000, 1, FEES)
    assert plan.unwind_losses[0] == paid.cost - got.proceeds == 500 * 1_000 + paid.fees + got.fees


def test_plan_beyond_the_leg_risk_budget_is_refused() -> None:
    worst = planner.leg_losses(sorted(two(), key=lambda one: one.ticker == "A"))[0]
    budget = -(-worst * planner.PLANNED_SHARE[1] // planner.PLANNED_SHARE[0])
    assert budget > worst, "the books may move before the unwind is done"
    assert isinstance(planner.plan(two(), 1_000, budget, BASIC), Plan)
    refused = planner.plan(two(), 1_000, budget - 2, BASIC)
    assert isinstance(refused, Refusal)
    assert refused.code == "leg_risk"


def test_contracts_that_nobody_bids_for_count_as_a_total_loss() -> None:
    legs = [leg("A", [(4_000, 9_000)], [], 1_000), leg("B", [(5_000, 99_000)], [(4_900, 99_000)], 1_000)]
    losses = planner.leg_losses(legs)
    assert losses[0] == walk.buy(legs[0].asks, 1_000, 9_900, FEES).cost


def test_largest_plan_fits_the_budget_and_one_step_more_does_not() -> None:
    budget = 150_000
    found = planner.largest(two(), 1_000, 100, budget, BASIC)
    assert isinstance(found, Plan)
    assert 0 < found.count < 1_000
    more = planner.plan(planner.scaled(two(), found.count + 100, 1_000), found.count + 100, budget, BASIC)
    assert isinstance(more, Refusal)


def test_basic_tier_carries_ten_legs_with_their_unwind_and_not_eleven() -> None:
    def legs(number: int) -> list[PlanLeg]:
        return [leg(f"L{n}", [(500, 9_000)], [(400, 9_000)], 100) for n in range(number)]

    assert isinstance(planner.plan(legs(10), 100, 100 * MONEY, BASIC), Plan)
    refused = planner.plan(legs(11), 100, 100 * MONEY, BASIC)
    assert isinstance(refused, Refusal)
    assert refused.code == "rate_limit"


def test_an_ask_above_the_limit_is_no_depth() -> None:
    legs = [leg("A", [(4_000, 500), (4_100, 9_000)], [(3_900, 9_000)], 1_000, limit=4_000)]
    refused = planner.plan(legs, 1_000, 100 * MONEY, BASIC)
    assert isinstance(refused, Refusal)
    assert refused.code == "depth"


levels = st.lists(st.tuples(st.integers(1, 99).map(lambda cents: cents * 100), st.integers(1, 5_000)), max_size=6)


@given(levels, st.integers(1, 8_000), st.integers(100, 9_900))
def test_walk_never_trades_beyond_depth_count_or_limit(book: list[tuple[int, int]], count: int, limit: int) -> None:
    asks = sorted(dict(book).items())
    bought = walk.buy(asks, count, limit, FEES)
    within = sum(size for price, size in asks if price <= limit)
    assert bought.count == min(count, within)
    assert bought.worst_price <= limit
    assert bought.cost <= walk.most_for(limit, max(bought.count, 1), FEES) or bought.count == 0
    sold = walk.sell(sorted(asks, reverse=True), count, limit, FEES)
    assert sold.count == min(count, sum(size for price, size in asks if price >= limit))
    assert sold.worst_price >= limit or sold.count == 0


@given(levels, st.integers(1, 8_000), st.integers(0, 3), st.integers(100, 9_900))
def test_a_rung_never_goes_below_its_cap_and_ends_on_a_level(
    book: list[tuple[int, int]], count: int, attempt: int, cap: int
) -> None:
    bids = tuple(sorted(dict(book).items(), reverse=True))
    limit = sell_ladder.rung_limit(bids, attempt, cap)
    if limit is None:
        assert not bids or bids[0][0] < cap
        return
    assert limit >= cap
    taken, worst = sell_ladder.sellable(bids, count, limit)
    assert worst in dict(bids)
    assert worst >= cap
    assert taken == min(count, sum(size for price, size in bids if price >= limit))


@pytest.mark.parametrize("budget, legs", [((100, 100), 10), ((200, 200), 20), ((600, 300), 60), ((15, 15), 0)])
def test_the_write_rate_bounds_the_legs_of_a_basket(budget: tuple[int, int], legs: int) -> None:
    """Every purchase fits the bucket, and purchases and unwind together take two seconds of refilling at most."""
    bucket = planner.WriteBudget(budget[0], budget[1], budget[0])
    assert planner.most_legs(bucket) == legs
