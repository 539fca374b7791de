"""Least prices of a sale and what a partial exit sells, against definitions that try every number."""

from __future__ import annotations

from itertools import product

from tests.trading import world
from trading.closing import exit_counts, exit_prices
from trading.closing.exit_preview import ExitPreview, LegPreview
from trading.closing.exit_prices import Quoted
from trading.execution.sizing import baskets
from trading.models import Leg

A, B = ("KXT-1-0", "yes"), ("KXT-1-1", "yes")


def test_the_usual_tolerance_is_two_cents_and_at_most_half_of_the_price() -> None:
    prices = {1: 1, 2: 1, 3: 2, 100: 50, 399: 200, 400: 200, 401: 201, 5_000: 4_800}
    for price, least in prices.items():
        assert exit_prices.within_tolerance([Quoted(A, 100, price)]) == {A: least}


def test_a_total_is_reached_at_the_lowest_prices_that_bring_it() -> None:
    legs = [Quoted(A, 1_000, 5_000), Quoted(B, 300, 200)]
    for total in (1, 100_000, 4_000_000, 4_900_000, 5_000_000, 7_000_000, 10_500_000):
        found = exit_prices.for_total(legs, total, world.FEES)
        assert exit_prices.worth(legs, found, world.FEES) >= total
        by = 5_000 - found[A]
        assert found[B] == min(9_999, max(1, 200 - by)), "all are moved by the same amount"
        lower = {key: max(1, price - 1) for key, price in found.items()}
        assert exit_prices.worth(legs, lower, world.FEES) < total or lower == found
    beyond = exit_prices.for_total(legs, 13_000_001, world.FEES)
    assert beyond == {A: 9_999, B: 9_999}, "nothing is sold rather than too cheaply"


def test_what_a_sale_brings_is_its_price_less_the_most_that_fees_can_be() -> None:
    legs = [Quoted(A, 1_000, 0), Quoted(B, 300, 0)]
    brings = {leg.key: exit_prices.proceeds_at(4_000, leg.count, world.FEES) for leg in legs}
    assert 0 < 4_000 * 1_000 - brings[A] < 200 * 1_000
    assert exit_prices.worth(legs, {A: 4_000, B: 4_000}, world.FEES) == sum(brings.values())


def _legs(*counts: tuple[int, int, int]) -> list[Leg]:
    return [
        Leg(pk=n + 1, market_id=f"M{n}", side="yes", target_count=target, bought_count=bought, sold_count=sold)
        for n, (target, bought, sold) in enumerate(counts)
    ]


def test_a_leg_without_bids_is_quoted_at_what_a_contract_cost_within_the_grid() -> None:
    wanted = {(0, 400_000): 4_000, (0, 99): 1, (0, 3_000_000): 9_999, (5_000, 400_000): 5_000}
    for (worst, cost), price in wanted.items():
        leg = Leg(market_id="M0", side="yes", bought_count=100, open_cost=cost)
        found = ExitPreview((LegPreview(leg, 70, (), 0, 0, 0, worst),), 0, 0, 0, 0, None)
        assert found.quoted() == [Quoted(exit_counts.key(leg), 70, price)]


def test_a_share_of_whole_baskets_is_sold_in_whole_steps_with_what_is_beyond_them_first() -> None:
    legs = _legs((600, 600, 0), (900, 900, 0))
    keys = [exit_counts.key(leg) for leg in legs]
    for share, wanted in ((2_000_000, 600), (1_000_000, 600), (999_999, 400), (666_667, 400), (333_334, 200), (1, 0)):
        found = exit_counts.of_share(legs, 600, share, 200)
        assert found == ({keys[0]: wanted, keys[1]: wanted * 3 // 2} if wanted else {}), share
    assert exit_counts.of_share(legs, 600, 400_000, 1) == {keys[0]: 200, keys[1]: 300}, "whole contracts of each leg"
    assert exit_counts.of_share(legs, 600, 333_333, 1) == {keys[0]: 199, keys[1]: 298}, "there are none so small"
    beyond = _legs((600, 600, 0), (600, 700, 0))
    assert exit_counts.of_share(beyond, 600, 500_000, 100) == {keys[0]: 300, keys[1]: 400}
    alone = _legs((600, 400, 0), (600, 0, 0))
    assert exit_counts.of_share(alone, 600, 1_000_000, 100) == {keys[0]: 400}
    assert exit_counts.of_share(alone, 600, 500_000, 100) == {keys[0]: 200}
    assert exit_counts.of_share(alone, 600, 600_000, 100) == {keys[0]: 200}
    assert exit_counts.of_share(alone, 600, 100_000, 100) == {}


def test_legs_are_naked_that_have_more_without_a_basket_than_before() -> None:
    for first, second in product(range(0, 601, 100), repeat=2):
        legs = _legs((600, 600, 0), (600, 500, 0))
        if second > 500:
            continue
        counts = {exit_counts.key(legs[0]): first, exit_counts.key(legs[1]): second}
        left = exit_counts.left_baskets(legs, 600, counts)
        assert left == min(600 - first, 500 - second)
        alone = [600 - first - left, 500 - second - left]
        wanted = [leg for leg, now, was in zip(legs, alone, (100, 0), strict=True) if now > was]
        assert exit_counts.leaves_naked(legs, 600, counts) == wanted, (first, second)


def test_a_request_still_sells_what_has_not_left_the_leg_since_and_no_more_than_is_held() -> None:
    legs = _legs((600, 600, 100), (600, 600, 0), (600, 0, 0))
    rows = exit_counts.stored(legs, {exit_counts.key(legs[0]): 200, exit_counts.key(legs[1]): 0})
    assert rows == [{"ticker": "M0", "side": "yes", "count": 200, "sold_before": 100}]
    for sold, left in ((100, 200), (150, 150), (300, 0), (550, 0)):
        legs[0].sold_count = sold
        assert exit_counts.to_sell(rows, legs) == ([(legs[0], left)] if left else [])
    legs[0].sold_count, legs[0].bought_count = 200, 250
    assert exit_counts.to_sell(rows, legs) == [(legs[0], 50)]
    assert exit_counts.to_sell([], legs) == [(legs[0], 50), (legs[1], 600)]


def test_a_partial_exit_means_to_leave_alone_what_its_counts_leave_beyond_whole_baskets() -> None:
    legs = _legs((600, 600, 0), (600, 600, 50))
    rows = exit_counts.stored(legs, {exit_counts.key(legs[0]): 200})
    assert exit_counts.meant_alone(rows, legs, 600) == {2: 150}
    assert exit_counts.meant_alone([], legs, 600) == {1: 50}
    legs[0].sold_count = 150
    assert exit_counts.meant_alone(rows, legs, 600) == {2: 150}, "what is still to be sold is as good as gone"
    assert baskets.matched(legs, 600) == 450
