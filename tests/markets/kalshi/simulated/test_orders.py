"""Orders against the simulated exchange: both programs share no code and must understand each other."""

from __future__ import annotations

import uuid

import pytest

from kalbot.common.units import Count, Price, complement
from markets.kalshi import errors
from markets.kalshi.clock_skew import now_ms
from markets.kalshi.order_entry import AmendOrder, Buy, Sell
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.resolution import Outcome
from markets.kalshi.schemas import Market
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.vocabulary import OrderStatus, Side, TimeInForce
from tests.simulator.served import Served

from ..bodies import present
from .steps import order, position_of

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(("side", "ask", "bid", "sign"), [(Side.YES, 4300, 4000, 1), (Side.NO, 6000, 5700, -1)])
def test_a_bought_side_is_held_and_a_sale_of_it_closes_it(
    client: KalshiClient, market: Market, side: Side, ask: int, bid: int, sign: int
) -> None:
    bought = client.orders.create(order(Buy, market, side, ask, 200))
    assert (bought.fill_count, bought.remaining_count) == (200, 0)
    assert position_of(client, market) == sign * 200
    (fill,) = client.portfolio.fills(order_id=bought.order_id)
    assert (fill.outcome_side, fill.price, fill.count, fill.is_taker) == (side, ask, 200, True)
    sold = client.orders.create(order(Sell, market, side, bid, 200))
    assert sold.fill_count == 200
    assert position_of(client, market) == 0
    (fill,) = client.portfolio.fills(order_id=sold.order_id)
    assert (fill.outcome_side, complement(fill.price)) == (side.other, bid)


def test_a_sale_never_opens_the_other_side(client: KalshiClient, market: Market) -> None:
    client.orders.create(order(Buy, market, Side.YES, 4300, 100))
    sold = client.orders.create(order(Sell, market, Side.YES, 100, 500))
    assert (sold.fill_count, sold.remaining_count) == (100, 0)
    assert position_of(client, market) == 0


def test_a_resting_order_is_queued_changed_and_cancelled_once(client: KalshiClient, market: Market) -> None:
    resting = client.orders.create(
        order(Buy, market, Side.NO, 5000, 300, time_in_force=TimeInForce.GTC, post_only=True)
    )
    assert (resting.fill_count, resting.remaining_count, resting.is_resting) == (0, 300, True)
    (queued,) = client.orders.queue_positions(market_tickers=[market.ticker])
    assert (queued.order_id, queued.ahead) == (resting.order_id, 0)
    assert client.orders.get(resting.order_id).price == 5000
    decreased = client.orders.decrease(resting.order_id, market.ticker, 0, reduce_by=Count(100))
    assert decreased.remaining_count == 200
    client.orders.amend(
        AmendOrder(
            order_id=resting.order_id,
            ticker=market.ticker,
            outcome_side=Side.NO,
            price=Price(5100),
            count=Count(150),
            exchange_index=0,
        )
    )
    order_now = client.orders.get(resting.order_id)
    assert (order_now.price, order_now.remaining_count) == (5100, 150)
    with pytest.raises(errors.NotFound):
        client.orders.cancel(resting.order_id, market.ticker, 3)
    assert client.orders.cancel(resting.order_id, market.ticker, 0).reduced_by == 150
    with pytest.raises(errors.NotFound):
        client.orders.cancel(resting.order_id, market.ticker, 0)
    assert client.orders.get(resting.order_id).status is OrderStatus.CANCELED


def test_cancel_all_takes_every_resting_order_and_those_of_the_next_minute(
    client: KalshiClient, twin: Served, markets: list[Market]
) -> None:
    twin.control("settings", cancel_all_lingers=False)
    resting = [
        client.orders.create(order(Buy, m, Side.YES, 3000, time_in_force=TimeInForce.GTC))
        for m in (markets.pop(), markets.pop())
    ]
    client.orders.cancel_all()
    assert {client.orders.get(r.order_id).status for r in resting} == {OrderStatus.CANCELED}
    twin.control("settings", cancel_all_lingers=True)


def test_refusals_have_their_own_kinds(client: KalshiClient, market: Market) -> None:
    with pytest.raises(errors.Rejected, match="invalid_price"):
        client.orders.create(order(Buy, market, Side.YES, 4305))
    with pytest.raises(errors.Killed):
        client.orders.create(order(Buy, market, Side.YES, 4300, 10_000, time_in_force=TimeInForce.FOK))
    with pytest.raises(errors.Rejected, match="post only"):
        client.orders.create(order(Buy, market, Side.YES, 4300, time_in_force=TimeInForce.GTC, post_only=True))
    with pytest.raises(errors.InsufficientBalance):
        client.orders.create(order(Buy, market, Side.YES, 3800, 100_000_000, time_in_force=TimeInForce.GTC))
    met_nothing = client.orders.create(order(Buy, market, Side.YES, 100))
    assert (met_nothing.fill_count, met_nothing.remaining_count) == (0, 0)
    once = order(Buy, market, Side.YES, 4300)
    client.orders.create(once)
    with pytest.raises(errors.AlreadyExists):
        client.orders.create(once)
    with pytest.raises(errors.NotFound):
        client.catalogue.market("KXNOSUCH")
    with pytest.raises(errors.NotFound):
        client.orders.get(str(uuid.uuid4()))


def test_a_batch_is_partly_accepted(client: KalshiClient, markets: list[Market]) -> None:
    first, second, third = markets.pop(), markets.pop(), markets.pop()
    items = client.orders.batch_create(
        [order(Buy, first, Side.YES, 4300), order(Buy, second, Side.YES, 4305), order(Buy, third, Side.NO, 6000)]
    )
    assert [item.error is None for item in items] == [True, False, True]
    assert [position_of(client, m) for m in (first, second, third)] == [100, 0, -100]


def test_a_paused_shard_and_a_closed_market(twin: Served, client: KalshiClient, markets: list[Market]) -> None:
    paused, closed = markets.pop(), markets.pop()
    twin.control("status", trading_paused=True, shard=0)
    assert not client.exchange.status().can_trade(0)
    assert client.exchange.status().can_trade(2)
    with pytest.raises(errors.Paused):
        client.orders.create(order(Buy, paused, Side.YES, 4300))
    twin.control("status", trading_paused=False, shard=0)
    twin.control("market/close", ticker=closed.ticker)
    with pytest.raises(errors.MarketInactive):
        client.orders.create(order(Buy, closed, Side.YES, 4300))


@pytest.mark.parametrize(
    "fault", [{"kind": "timeout"}, {"kind": "error", "status": 503}, {"kind": "error", "status": 500}]
)
def test_an_order_that_was_taken_though_the_answer_was_lost_is_found(
    twin: Served, client: KalshiClient, market: Market, fault: Json
) -> None:
    twin.control("faults", **fault, when="after", method="POST", path="/portfolio/events/orders")
    lost, sent = order(Buy, market, Side.YES, 4300, 300), now_ms()
    with pytest.raises(errors.OutcomeUnknown):
        client.orders.create(lost)
    found = client.resolve_create(lost, sent)
    assert found.outcome is Outcome.FOUND
    assert (present(found.order).client_order_id, present(found.order).fill_count) == (lost.client_order_id, 300)
    assert position_of(client, market) == 300


@pytest.mark.parametrize("fault", [{"kind": "timeout"}, {"kind": "error", "status": 503}])
def test_an_order_that_was_not_taken_is_not_assumed_absent_and_can_be_sent_again_under_its_id(
    twin: Served, client: KalshiClient, market: Market, fault: Json
) -> None:
    twin.control("faults", **fault, when="before", method="POST", path="/portfolio/events/orders")
    lost, sent = order(Buy, market, Side.YES, 4300, 300), now_ms()
    with pytest.raises(errors.OutcomeUnknown):
        client.orders.create(lost)
    assert client.resolve_create(lost, sent).outcome is Outcome.UNKNOWN
    placed = client.resolve_create(lost, sent, resend=True)
    assert (placed.outcome, present(placed.result).fill_count) == (Outcome.PLACED, 300)
    assert client.resolve_create(lost, sent).outcome is Outcome.FOUND
    assert position_of(client, market) == 300
