"""Limits at the value itself, one below and one above, for the small functions that larger tests only pass through."""

from __future__ import annotations

from random import Random

import pytest

from markets.book import Level
from tests.trading import world
from trading.accounting import accounts, fee_bounds
from trading.execution.orders import record, sell_ladder
from trading.models import ExchangeAccount, ForeignOrder, Leg, OrderStatus
from trading.venues.protocol import Ack

HIGHEST = fee_bounds.GUESS


def _leg(held: int, cost: int) -> Leg:
    return Leg(bought_count=held, bought_cost=cost, open_cost=cost, open_fees=0, limit_price=10_000)


def _best(bids: list[Level], leg: Leg, allowed: int) -> tuple[int, int] | None:
    """(count, price) by trying every count at every level: the most contracts, and of equal counts the best price."""
    step = 100 if leg.held % 100 == 0 else 1
    found: tuple[int, int] | None = None
    reached = 0
    for price, size in bids:
        reached = min(leg.held, reached + size)
        for count in {reached, *range(0, reached + 1, step)} - {0}:
            fits = sell_ladder.loss_bound(leg, count, price, world.FEES) <= allowed
            if fits and (count % step == 0 or count == reached) and (found is None or count > found[0]):
                found = (count, price)
    return found


def test_the_sale_inside_a_budget_is_the_largest_and_of_equal_ones_the_best_paid() -> None:
    draw = Random(7)
    outcomes = set()
    for _ in range(300):
        held = draw.choice((300, 500, 57, 131))
        leg = _leg(held, held * draw.choice((3_000, 5_500, 9_000)))
        prices = sorted(draw.sample(range(100, 9_000, 100), 3), reverse=True)
        bids = [(price, draw.choice((40, 100, 250, 900))) for price in prices]
        allowed = draw.choice((0, 20_000, 300_000, 2_000_000, 5_000_000))
        sale = sell_ladder.within_budget(bids, leg, leg.held, allowed, world.FEES)
        wanted = _best(bids, leg, allowed)
        outcomes.add("none" if sale is None else "whole" if sale.count == held else "part")
        assert (None if sale is None else (sale.count, sale.least)) == wanted, (held, bids, allowed)
    assert outcomes == {"none", "whole", "part"}


def test_of_two_levels_that_give_the_same_count_the_better_price_is_the_limit() -> None:
    sale = sell_ladder.within_budget([(5_000, 300), (4_000, 900)], _leg(300, 900_000), 300, 10**9, world.FEES)
    assert sale is not None
    assert (sale.count, sale.least) == (300, 5_000)


@pytest.mark.parametrize(("least", "limit"), [(4_999, 4_999), (5_000, 5_000), (5_001, None)])
def test_a_try_stops_at_the_least_price_and_needs_a_bid_there(least: int, limit: int | None) -> None:
    assert sell_ladder.rung_limit([(5_000, 100)], 1, least) == limit


def test_a_try_goes_down_by_its_rung_and_the_last_one_is_repeated() -> None:
    found = [sell_ladder.rung_limit([(5_000, 100)], attempt, 1) for attempt in range(6)]
    assert found == [4_900, 4_700, 4_000, 1, 1, 1]


ASIDE = 4_000 * 200
"""What the exchange keeps back for the resting order below: its price; at most with a guessed fee, for nothing is known of its market."""
MOST = ASIDE + HIGHEST * 200


@pytest.mark.parametrize(
    ("lacks", "difference"),
    [
        (0, None),
        (1, None),
        (ASIDE - 1, None),
        (ASIDE, 0),
        (ASIDE + 1, None),
        (MOST, None),
        (MOST + 1, ASIDE - MOST - 1),
        (-1, ASIDE + 1),
    ],
)
def test_cash_that_a_stranger_s_order_may_explain_is_no_difference_and_what_it_cannot_is(
    lacks: int, difference: int | None
) -> None:
    account = ExchangeAccount(opening=10_000_000, balance=10_000_000 - lacks)
    assert accounts.difference(account, []) == -lacks
    ForeignOrder.objects.create(
        exchange_order_id="x",
        ticker="KXT-1-A",
        side="yes",
        price=4_000,
        count=300,
        remaining_count=200,
        is_resting=True,
    )
    assert accounts.difference(account, []) == difference


def test_an_order_has_rested_since_its_first_rest_and_never_when_it_filled_at_once() -> None:
    rests, fills = world.add_order(1), world.add_order(2)
    record.acknowledge(rests, Ack("e1", 400, 600))
    record.acknowledge(fills, Ack("e2", 1_000, 0))
    rests.refresh_from_db()
    fills.refresh_from_db()
    assert (rests.status, rests.reported_fill_count) == (OrderStatus.RESTING, 400)
    assert (fills.status, fills.rested_at) == (OrderStatus.BOOKING, None)
    since = rests.rested_at
    assert since is not None
    record.acknowledge(rests, Ack("e1", 500, 500))
    rests.refresh_from_db()
    assert (rests.rested_at, rests.reported_fill_count, rests.count, rests.shrunk_to) == (since, 500, 1_000, None)


@pytest.mark.parametrize(
    ("filled", "remaining", "count", "shrunk"),
    [
        (0, 1_000, 1_000, None),
        (0, 1_001, 1_001, None),
        (0, 999, 1_000, 999),
        (300, 600, 1_000, 900),
        (300, 0, 1_000, None),
    ],
)
def test_an_order_that_somebody_enlarged_or_shrank_is_as_large_as_the_exchange_says(
    filled: int, remaining: int, count: int, shrunk: int | None
) -> None:
    order = world.add_order(1)
    record.acknowledge(order, Ack("e1", filled, remaining))
    order.refresh_from_db()
    assert (order.count, order.shrunk_to) == (count, shrunk)


@pytest.mark.parametrize(("withdrawn", "final"), [(600, True), (599, False), (601, False), (0, False)])
def test_only_a_cancel_that_took_exactly_the_rest_is_the_end_of_an_order(withdrawn: int, final: bool) -> None:
    order = world.add_order(1)
    record.acknowledge(order, Ack("e1", 400, 0, withdrawn=withdrawn))
    order.refresh_from_db()
    assert order.is_final is final
