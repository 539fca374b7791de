"""What was read is older than what others have stored, said, sold or changed meanwhile: nothing is bought twice, named falsely, or sent
at a price that is refused for ever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.units import Count
from markets.kalshi.schemas.orders import Fill as ListedFill
from markets.models import Market
from tests.trading import live_twin, quoted, world
from tests.trading.ties import ties
from tests.trading.twin import Twin
from trading.accounting import booking, ledger, leg_risk
from trading.accounting.fill_reports import FillReport
from trading.closing import exits
from trading.execution import executor
from trading.execution.orders import finality, inflight, sell_ladder
from trading.models import Discrepancy, Fill, Leg, Order, Position, Reconciliation
from trading.reconciliation import listed_fills
from trading.venues import connection
from trading.venues.live import LiveVenue
from trading.venues.protocol import Ack

# ---- an order that somebody else has brought up to date


@pytest.fixture
def quotes(settings: Any) -> Twin:
    return quoted.begin(settings)


def _seen_as_ended(order: Order) -> Order:
    """The order as a worker still has it, that read it when an answer had said that it ended with nothing."""
    seen = Order.objects.select_related("leg__market", "profile", "position__event").get(pk=order.pk)
    seen.status, seen.ended_at = "done", clock.now() - timedelta(minutes=1)
    return seen


def test_a_quote_that_a_comparison_found_in_the_book_is_not_placed_a_second_time(quotes: Twin) -> None:
    position = quoted.begun(quotes, quoted.profile())
    order = inflight.orders_of(position)[0]
    seen = _seen_as_ended(order)
    refusal = finality.unsettled(position, [seen.leg], [seen])
    assert refusal is not None, "its end is not proven: it rests"
    assert refusal.code == "order_unsettled"
    order.refresh_from_db()
    assert (seen.status, order.status, order.is_final) == ("resting", "resting", False)


def test_a_fill_that_somebody_else_is_booking_is_no_proof_that_nothing_filled(quotes: Twin) -> None:
    position = quoted.begun(quotes, quoted.profile())
    order = next(o for o in inflight.orders_of(position) if o.leg.market_id == quotes.markets[0])
    quoted.sell_no(quotes, 0, 5_500, quoted.DEPTH + 1_000)
    Order.objects.filter(pk=order.pk).update(status="booking", reported_fill_count=1_000)
    seen = _seen_as_ended(order)
    assert inflight.reread([seen]) is True
    assert seen.status == "booking"


# ---- executions that a message names before any listing shows them


def _one_fill(quotes: Twin, count: int) -> ListedFill:
    """Somebody sells ``count`` of the first leg to our quote; the newest execution as it is listed."""
    quoted.sell_no(quotes, 0, 5_500, count)
    fills = connection.client().portfolio.fills(ticker=quotes.markets[0])
    return max(fills, key=lambda fill: fill.created or clock.now())


def test_an_execution_is_not_called_impossible_while_the_reads_are_behind_the_messages(
    quotes: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = quoted.begun(quotes, quoted.profile())
    order = next(o for o in inflight.orders_of(position) if o.leg.market_id == quotes.markets[0])
    first = _one_fill(quotes, quoted.DEPTH + 300)
    second = FillReport("second", 5_500, 200, 0, False, clock.now_ms())
    booking.book_fill(order.pk, second, "websocket")
    said = {"count": 300}
    monkeypatch.setattr(LiveVenue, "fetch", lambda self, order: Ack(order.exchange_order_id, Count(said["count"]), 500))

    def compared() -> tuple[int, list[str]]:
        row = Reconciliation.objects.create(started_at=clock.now(), mode="live", trigger="test")
        order.refresh_from_db()
        orders: Mapping[str, Order] = {order.exchange_order_id: order}
        listed_fills.book(row, orders, {(first.fill_id, first.order_id): first})
        named = Discrepancy.objects.filter(code="fill_impossible", resolved_at=None)
        return Fill.objects.filter(order=order).count(), list(named.values_list("key", flat=True))

    assert compared() == (1, []), "the order's word is older than what is booked"
    with time_machine.travel(clock.now() + listed_fills.READS_BEHIND):
        assert compared() == (1, [first.fill_id]), "half a minute later nothing explains it"
        said["count"] = 500
        assert compared() == (2, []), "it is booked, and no difference any more"


# ---- a grid that has become coarser


@pytest.mark.parametrize(
    ("side", "bids", "named"), [("yes", 2_900, 2_500), ("no", 6_900, 6_500), ("yes", 2_500, 2_500)]
)
def test_a_sale_names_a_price_of_the_grid_for_a_bid_beside_it(side: str, bids: int, named: int) -> None:
    leg = Leg(market=Market(ticker="KXT-1-0", price_bands=[[0, 10_000, 500]]), side=side)
    assert sell_ladder.named([(bids, 300)], leg) == ((named, 300),)
    assert sell_ladder.named([(named + 200, 1), (named + 100, 2), (400, 4)], leg) == ((named, 3),)
    leg.market.price_bands = []
    assert sell_ladder.named([(bids, 300)], leg) == ((bids, 300),), "an unknown grid"


def test_an_exit_is_sold_although_no_message_named_the_new_grid(settings: Any) -> None:
    """Each sale was refused for its price, the same one for ever."""
    twin = live_twin.connect(settings, Twin())
    profile = world.add_profile("live", mode="live")
    limits = dict(zip(twin.markets, (3_000, 3_200, 3_100), strict=True))
    position = executor.execute(world.decide(profile, twin.row, limits, 1_000).pk)
    assert position is not None
    coarse = [[0, 10_000, 500]]
    twin.exchange.markets[twin.markets[0]].ranges = coarse
    request: dict[str, Any] = {"position_id": position.pk, "actor": "ann", "below_floor": "cash", "reason": "out"}
    exits.request_exit(**request, least_prices={(leg.market_id, leg.side): 100 for leg in position.legs.all()})
    for number in range(6):
        with time_machine.travel(clock.now() + timedelta(seconds=10 * number), tick=False):
            twin.sync()
            position = executor.step(position.pk)
    assert position.orders.filter(error_code="invalid_price").count() == 1
    assert Market.objects.get(pk=twin.markets[0]).price_bands == coarse
    assert (position.status, twin.held()) == ("closed", {})
    ties(position)


# ---- what is left of the leg-risk budget


def test_what_somebody_elses_sale_gained_is_no_part_of_the_leg_risk_budget(half_bought: Position) -> None:
    """An unwind lost $0.07 more than its budget, because a person had sold one contract at a gain before."""
    position, leg = half_bought, half_bought.legs.all()[0]
    budget = position.profile.leg_risk_budget
    ledger.ensure_funded(position.profile)
    Leg.objects.update(bought_count=0, bought_cost=0, open_cost=0)
    bought = world.add_order_of(position, status="booking", count=600)
    booking.book_fill(bought.pk, FillReport("b", 4_000, 600, 0, True, clock.now_ms()), "paper")
    columns: dict[str, Any] = {"evidence": {}, "actor": "ann", "reason": "sold by hand"}
    booking.correct(leg.pk, count=100, proceeds=900_000, key="theirs", **columns)
    position.refresh_from_db()
    assert (position.realised, leg_risk.left(position)) == (500_000, budget)
    sale = world.add_order_of(position, action="sell", purpose="unwind", status="booking")
    booking.book_fill(sale.pk, FillReport("t", 1_000, 100, 0, True, clock.now_ms()), "paper")
    position.refresh_from_db()
    assert (position.realised, leg_risk.left(position)) == (200_000, budget - 300_000)
    booking.correct(leg.pk, count=100, proceeds=0, key="again", **columns)
    booking.correct(leg.pk, count=100, proceeds=0, key="more", **columns)
    position.refresh_from_db()
    assert (position.realised, leg_risk.left(position)) == (-600_000, budget - 600_000), "whoever lost it"
