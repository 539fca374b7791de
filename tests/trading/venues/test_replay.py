"""The venue of a backtest: what rests joins its queue, prints reach it, and what is taken is gone from the replayed book."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import time_machine

from kalbot.common import clock
from markets import exchange_hours
from markets.book import Side
from markets.exchange_hours import Answer
from markets.fees import OrderFees
from tests.markets.test_exchange_hours import OPEN, schedule
from tests.trading import world
from trading.models import Order, PaperOrder
from trading.venues.protocol import Refused
from trading.venues.queues import QueueModel
from trading.venues.replay import Latency, ReplayVenue

A = "KXT-1-0"
LATER = 2**53
"""A trade after whatever rests (ms)."""


class Taken:
    """The replayed book, as far as a venue needs it: what was taken from it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Side, int, int]] = []
        self.followed: list[tuple[str, Side, int]] = []

    def take(self, ticker: str, side: Side, price: int, count: int) -> None:
        self.calls.append((ticker, side, price, count))

    def follow(self, level: tuple[str, Side, int]) -> None:
        self.followed.append(level)


@pytest.fixture
def market() -> Taken:
    return Taken()


@pytest.fixture
def venue(market: Taken) -> ReplayVenue:
    return ReplayVenue(market, Latency(1, 1, 1), 1)


def _books(bid: int = 2_900, ask: int = 3_200, size: int = 400) -> None:
    world.publish("KXT-1", {A: (((bid, size),), ((10_000 - ask, size),))})


def _order(number: int = 1, **columns: object) -> Order:
    defaults: dict[str, Any] = {"purpose": "entry", "price": 3_000, "count": 500}
    return world.add_order(number, **(defaults | columns))


def test_what_an_order_takes_is_gone_from_the_book_and_the_rest_waits_behind_what_is_shown(
    venue: ReplayVenue, market: Taken
) -> None:
    order = _order(price=3_200, count=500)
    _books()
    ack = venue.create(order)
    assert (ack.fill_count, ack.remaining_count, venue.rested) == (400, 100, 1)
    assert market.calls == [(A, Side.NO, 6_800, 400)], "a purchase of YES takes a bid for NO"
    again = _order(2, price=3_200, count=500)
    world.publish("KXT-2", {"KXT-2-0": (((2_900, 400),), ((6_800, 400),))})
    assert venue.create(again).fill_count == 400
    assert venue.rested == 2


def test_a_print_fills_what_it_reaches_at_the_orders_own_price_with_a_makers_fee(venue: ReplayVenue) -> None:
    order = _order(price=2_900)
    _books()
    assert venue.create(order).remaining_count == 500
    venue.on_print(A, Side.NO, 7_100, 300, LATER)
    assert venue.fetch(order).fill_count == 0, "400 stand before it"
    venue.on_print(A, Side.NO, 7_100, 150, LATER)
    assert venue.fetch(order).fill_count == 50
    assert [(f.price, f.count, f.fee, f.is_taker) for f in venue.fills(order)] == [
        (2_900, 50, OrderFees(world.FEES).add(2_900, 50, is_taker=False), False)
    ]
    venue.on_print(A, Side.NO, 7_000, 60, LATER)
    assert venue.fetch(order).fill_count == 50, "nobody sold as low as that"
    venue.on_print(A, Side.YES, 2_900, 60, LATER)
    venue.on_print("KXT-1-1", Side.NO, 7_100, 60, LATER)
    assert venue.fetch(order).fill_count == 50, "that is another side, or another market"
    venue.on_print(A, Side.NO, 7_200, 60, LATER)
    venue.on_print(A, Side.NO, 7_100, 40, LATER)
    assert venue.fetch(order).fill_count == 150, "one went through its price, both are counted"
    venue.on_print(A, Side.NO, 7_200, 9_000, LATER)
    ack = venue.fetch(order)
    assert (ack.fill_count, ack.remaining_count) == (500, 0)
    assert not PaperOrder.objects.get(pk=order.pk).is_open
    venue.on_print(A, Side.NO, 7_200, 9_000, LATER)
    assert venue.fetch(order).fill_count == 500


def test_a_trade_that_was_the_recording_accounts_own_is_taken_back(venue: ReplayVenue) -> None:
    """Until the order has been read: what a strategy has seen since stays."""
    order = _order(price=2_900)
    _books()
    venue.create(order)
    venue.on_print(A, Side.NO, 7_200, 200, LATER, "ours")
    venue.on_print(A, Side.NO, 7_200, 100, LATER, "theirs")
    venue.on_own_print("ours")
    venue.on_own_print("ours")
    venue.on_own_print("never heard of")
    assert venue.fetch(order).fill_count == 100
    venue.on_print(A, Side.NO, 7_200, 9_000, LATER, "large")
    assert venue.fetch(order).fill_count == 500, "what was taken back is wanted again"
    venue.on_own_print("large")
    assert venue.fetch(order).fill_count == 500


def test_a_cancelled_order_has_left_its_queue_and_a_sale_waits_as_a_bid_for_the_other_side(venue: ReplayVenue) -> None:
    order = _order(price=2_900)
    _books()
    venue.create(order)
    venue.on_print(A, Side.NO, 7_200, 100, LATER)
    ack = venue.cancel(order)
    assert (ack.fill_count, ack.remaining_count) == (100, 0), "somebody sold to it before it was gone"
    venue.on_print(A, Side.NO, 7_200, 100, LATER)
    assert venue.fetch(order).fill_count == 100
    assert venue._queues == {}
    bought = _order(2, price=3_200, count=300, purpose="entry")
    world.publish("KXT-2", {"KXT-2-0": (((2_900, 400),), ((6_800, 400),))})
    venue.create(bought)
    sale = Order.objects.create(
        position=bought.position,
        leg=bought.leg,
        profile=bought.profile,
        mode="sim",
        action="sell",
        purpose="exit",
        side="yes",
        price=3_100,
        count=500,
        time_in_force="good_till_canceled",
        status="sending",
    )
    assert venue.create(sale).remaining_count == 300, "no more than the leg holds"
    venue.on_print("KXT-2-0", Side.YES, 3_100, 200, LATER)
    assert venue.fetch(sale).fill_count == 200
    venue.on_print("KXT-2-0", Side.YES, 3_000, 200, LATER)
    assert venue.fetch(sale).fill_count == 200
    venue.on_print("KXT-2-0", Side.YES, 3_200, 200, LATER)
    assert venue.fetch(sale).fill_count == 300


def test_a_cancelled_level_brings_the_order_forward_by_its_model(market: Taken) -> None:
    reached = {}
    for number, model in enumerate(QueueModel):
        venue = ReplayVenue(market, Latency(1, 1, 1), 1, model)
        order = _order(number, price=2_900)
        ticker = order.leg.market_id
        world.publish(order.position.event_id, {ticker: (((2_900, 400),), ((6_800, 400),))})
        venue.create(order)
        venue.on_level((ticker, Side.YES, 2_900), 200, 1)
        venue.on_level((ticker, Side.NO, 2_900), 0, 1)
        venue.on_print(ticker, Side.NO, 7_100, 250, LATER)
        world.publish(order.position.event_id, {ticker: (((2_900, 200),), ((6_800, 400),))})
        reached[model] = venue.fetch(order).fill_count
    assert reached == {QueueModel.OPTIMISTIC: 250, QueueModel.REALISTIC: 50, QueueModel.PESSIMISTIC: 0}


def test_an_order_travels_as_long_as_its_latency_says(market: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(clock, "sleep", slept.append)
    order = _order(price=2_900)
    _books()
    ReplayVenue(market, Latency(80, 80, 80), 1).create(order)
    assert slept == [0.08]
    first, second = Latency.parse("40:80:250"), Latency.parse("0:0:0")
    drawn = [round(first.draw(chance), 6) for chance in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95)]
    assert drawn == [30, 40, 60, 80, 165, 250, 271.25]
    assert [second.draw(chance) for chance in (0, 0.5, 1)] == [0, 0, 0]
    assert Latency(0, 10, 20).draw(0.0) == 0
    for text in ("1:2", "-1", "3:2:1", "x", "1:2:3:4"):
        with pytest.raises(ValueError):
            Latency.parse(text)


def test_a_quote_that_would_take_and_a_book_that_may_not_be_traded_on_are_refused(venue: ReplayVenue) -> None:
    order = _order(purpose="quote", price=3_200)
    _books()
    with pytest.raises(Refused) as refused:
        venue.create(order)
    assert refused.value.code == "invalid_order"
    for statuses, age, code in (({A: "inactive"}, 0, "market_inactive"), ({}, 60_000, "price_stale")):
        world.publish("KXT-1", {A: (((2_900, 4),), ((6_800, 4),))}, statuses=statuses, age_ms=age)
        with pytest.raises(Refused) as refused:
            venue.create(order)
        assert refused.value.code == code
    Order.objects.filter(pk=order.pk).update(price=3_199)
    order.refresh_from_db()
    with pytest.raises(Refused) as refused:
        venue.create(order)
    assert refused.value.code == "invalid_price"
    assert not PaperOrder.objects.exists()


def test_an_order_that_expired_fills_no_more(venue: ReplayVenue) -> None:
    until = clock.now() + timedelta(seconds=30)
    order = _order(price=2_900, expires_at=until)
    _books()
    venue.create(order)
    assert venue.fetch(order).remaining_count == 500
    with time_machine.travel(until - timedelta(seconds=1), tick=False):
        _books()
        assert venue.fetch(order).remaining_count == 500
    with time_machine.travel(until, tick=False):
        assert venue.fetch(order).remaining_count == 0
        assert venue._queues == {}


def test_a_cancel_travels_and_what_is_sold_to_the_order_meanwhile_is_a_fill(
    venue: ReplayVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = _order(price=2_900)
    _books()
    venue.create(order)
    monkeypatch.setattr(clock, "sleep", lambda seconds: venue.on_print(A, Side.NO, 7_200, 200, LATER))
    ack = venue.cancel(order)
    assert (ack.fill_count, ack.remaining_count) == (200, 0)


def test_a_trade_that_was_made_before_the_order_came_to_rest_does_not_fill_it(venue: ReplayVenue) -> None:
    """Public trades are read up to twenty seconds late."""
    with time_machine.travel("2026-09-01T12:00:00Z", tick=False) as now:
        order = _order(price=2_900)
        _books()
        venue.create(order)
        made = clock.now_ms()
        now.shift(5)
        _books()
        venue.on_print(A, Side.NO, 7_200, 200, made)
        assert venue.fetch(order).fill_count == 0
        venue.on_print(A, Side.NO, 7_200, 200, made + 1)
        assert venue.fetch(order).fill_count == 200


def test_a_trade_after_the_order_expired_does_not_fill_it_however_late_it_is_read(venue: ReplayVenue) -> None:
    with time_machine.travel("2026-09-01T12:00:00Z", tick=False) as now:
        order = _order(price=2_900, expires_at=clock.now() + timedelta(seconds=10))
        _books()
        venue.create(order)
        now.shift(12)
        venue.on_print(A, Side.NO, 7_200, 200, clock.now_ms() - 3_000)
        venue.on_print(A, Side.NO, 7_200, 300, clock.now_ms())
        ack = venue.fetch(order)
        assert (ack.fill_count, ack.remaining_count) == (200, 0)


@pytest.mark.parametrize("ends", ["expires", "cancelled"])
def test_what_was_made_before_an_order_ended_has_met_it_heard_of_or_not(
    venue: ReplayVenue, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    with time_machine.travel("2026-09-01T12:00:00Z", tick=False) as now:
        monkeypatch.setattr(clock, "sleep", now.shift)
        order = _order(price=2_900, expires_at=clock.now() + timedelta(seconds=10))
        _books()
        venue.create(order)
        now.shift(5)
        made = clock.now_ms()
        now.shift(0 if ends == "cancelled" else 5)
        venue.on_end = lambda: venue.on_print(A, Side.NO, 7_200, 200, made)
        ack = venue.cancel(order) if ends == "cancelled" else venue.fetch(order)
        assert (ack.fill_count, ack.remaining_count) == (200, 0)
        assert venue.fetch(order).fill_count == 200


def test_an_order_that_arrives_while_the_exchange_is_shut_is_refused(venue: ReplayVenue) -> None:
    order = _order(price=3_200)
    _books()
    paused = msgspec.structs.replace(OPEN, trading_active=False)
    exchange_hours.keep(Answer(clock.now_ms(), paused, schedule(), "1"))
    with pytest.raises(Refused, match="trading_is_paused"):
        venue.create(order)
    exchange_hours.keep(Answer(clock.now_ms(), OPEN, schedule(), "1"))
    assert venue.create(order).fill_count == 400


_RESTS: dict[str, Any] = {"count": 500, "time_in_force": "good_till_canceled", "status": "sending", "purpose": "entry"}


def test_a_trade_reaches_what_several_orders_of_ours_want_once(db: None, redis_db: object, venue: ReplayVenue) -> None:
    """Two orders rest at one price behind nobody, one a cent above: the better bid is met first, then the one that came first."""
    _books()
    first = _order(1)
    orders = [first, *(world.add_order_of(first.position, price=price, **_RESTS) for price in (3_000, 3_100))]
    for order in orders:
        venue.create(order)
    venue.on_print(A, Side.NO, 7_000, 1_200, LATER)
    assert [venue.fetch(order).fill_count for order in orders] == [500, 200, 500]
    venue.on_print(A, Side.NO, 7_000, 1_200, LATER)
    assert [venue.fetch(order).fill_count for order in orders] == [500, 500, 500]
