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


def test_a_basket_may_use_the_whole_bucket_and_two_seconds_of_refilling_and_no_token_more() -> None:
    """(tokens, kept, capacity, refill, available now, at once): whether they are too many."""
    cases = (
        (30, 20, WriteBudget(30, 25, 0), False, False),
        (31, 20, WriteBudget(30, 100, 30), False, True),
        (30, 20, WriteBudget(50, 25, 0), True, False),
        (30, 21, WriteBudget(50, 100, 50), True, True),
        (30, 21, WriteBudget(50, 25, 0), False, True),
        (30, 21, WriteBudget(50, 25, 1), False, False),
        (30, 20, WriteBudget(50, 1, 48), False, False),
        (30, 20, WriteBudget(50, 1, 47), False, True),
    )
    for tokens, kept, budget, together, refused in cases:
        found = planner.too_many_tokens(tokens, kept, budget, together)
        assert (found is not None) is refused, (tokens, kept, budget, together)
        assert found is None or found.code == "rate_limit"
    assert [planner.tokens_kept(legs) for legs in (0, 1, 2, 5)] == [0, 0, 10, 40]


def test_quotes_of_one_group_leave_the_tokens_that_are_kept_and_those_of_the_group() -> None:
    assert [planner.most_quotes(20, capacity) for capacity in (0, 40, 49, 50, 59, 60, 100)] == [1, 1, 1, 2, 2, 3, 7]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=5))
def test_the_worst_half_filled_basket_is_the_worst_of_all_that_this_way_of_sending_can_leave(each: list[int]) -> None:
    parts = [[each[n] for n in range(len(each)) if mask >> n & 1] for mask in range(2 ** len(each) - 1)]
    assert planner.worst_unwind(each, together=True) == max(map(sum, parts))
    assert planner.worst_unwind(each, together=False) == max((sum(each[:n]) for n in range(1, len(each))), default=0)


def test_a_plan_adds_up_its_legs_in_the_order_in_which_it_buys_them() -> None:
    """The other legs' books, fees and limits are their own; the losses grow leg by leg."""
    legs = [
        leg("A", [(4_000, 50_000)], [(3_900, 50_000)], 1_000, limit=4_100),
        leg("B", [(5_500, 800), (5_600, 400)], [(5_000, 1_200)], 1_000, limit=5_600),
        leg("C", [(300, 1_000)], [(200, 1_000)], 500, limit=300),
    ]
    plan = planner.plan(legs, 1_000, 100 * MONEY, BASIC, together=True)
    assert isinstance(plan, Plan)
    assert [one.ticker for one in plan.legs] == ["B", "C", "A"], "1.2, 2 and 50 times what is wanted"
    costs = [walk.buy(one.asks, one.count, one.limit, FEES).cost for one in plan.legs]
    gains = [walk.sell(one.bids, one.count, 1, FEES).proceeds for one in plan.legs]
    each = [cost - gain for cost, gain in zip(costs, gains, strict=True)]
    assert all(loss > 0 for loss in each)
    assert (plan.count, plan.cost) == (1_000, sum(costs))
    assert plan.worst_cost == sum(walk.most_for(one.limit, one.count, FEES) for one in plan.legs) > plan.cost
    assert plan.unwind_losses == (each[0], each[0] + each[1], sum(each))
    assert (plan.worst_unwind, plan.together) == (sum(each) - min(each), True)
    assert (plan.tokens, plan.tokens_kept) == (30, 20)


def test_the_largest_plan_is_the_largest_that_could_be_made_whatever_the_step() -> None:
    for step, risked in ((100, 150_000), (70, 150_000), (1, 90_000), (1_000, 150_000), (100, 10), (400, 10**9)):
        found = planner.largest(two(), 1_000, step, risked, BASIC)
        sizes = [1_000, *(n for n in range(step, 1_000, step))]
        plans = [planner.plan(planner.scaled(two(), size, 1_000), size, risked, BASIC) for size in sizes]
        fitting = [one.count for one in plans if isinstance(one, Plan)]
        if fitting:
            assert isinstance(found, Plan)
            assert found.count == max(fitting), (step, risked)
            assert [one.count for one in found.legs] == [found.count] * 2
        else:
            assert isinstance(found, Refusal)
            assert found.code == "leg_risk"


def test_scaled_legs_never_fall_short_of_their_baskets() -> None:
    legs = [leg("A", [(4_000, 50_000)], [], 1_000), leg("B", [(4_000, 50_000)], [], 7)]
    assert [one.count for one in planner.scaled(legs, 500, 1_000)] == [500, 4]
    assert [one.count for one in planner.scaled(legs, 1, 1_000)] == [1, 1]
    assert planner.scaled(legs, 1_000, 1_000) == legs


def test_depth_is_what_is_offered_at_the_limit_or_better() -> None:
    one = leg("A", [(4_000, 300), (4_100, 200), (4_101, 9_000)], [], 500, limit=4_100)
    assert one.available == 500
    assert isinstance(planner.plan([one], 500, 100 * MONEY, BASIC), Plan)
    more = planner.plan([leg("A", list(one.asks), [], 501, limit=4_100)], 501, 100 * MONEY, BASIC)
    assert isinstance(more, Refusal)
    assert more.code == "depth"
