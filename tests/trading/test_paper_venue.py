"""Paper is no better than the market: depth, own consumption, price, queue, fees."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets import exchange_hours
from markets.fees import OrderFees
from markets.models import Event
from tests.trading import world
from trading.models import Leg, Order, PaperOrder, Position
from trading.venues.paper import PaperVenue
from trading.venues.protocol import Refused
from trading.venues.taken import MEMORY_SECONDS

A = "KXT-1-0"


@pytest.fixture
def place() -> Any:
    profile, event = world.add_profile(), world.add_event()
    decision = world.decide(profile, event, {A: 5_000}, kind="coverage")
    position = Position.objects.create(
        profile=profile, mode="sim", decision=decision, event=event, kind="coverage", target_count=1_000
    )
    leg = Leg.objects.create(position=position, market_id=A, side="yes", target_count=1_000, limit_price=5_000)

    def make(count: int, price: int, action: str = "buy", **columns: Any) -> Order:
        return Order.objects.create(
            profile=profile,
            mode="sim",
            position=position,
            leg=leg,
            action=action,
            purpose="entry",
            side="yes",
            price=price,
            count=count,
            **columns,
        )

    return make


def _asks(*levels: tuple[int, int], bids: tuple[tuple[int, int], ...] = ((3_000, 500),)) -> None:
    event = Event.objects.get()
    world.publish(event.ticker, {A: (bids, tuple((10_000 - price, count) for price, count in levels))})


def test_fills_level_by_level_at_the_levels_own_prices(place: Any) -> None:
    _asks((4_000, 300), (4_200, 300), (4_600, 300))
    order = place(1_000, 4_500)
    ack = PaperVenue().create(order)
    assert (ack.fill_count, ack.remaining_count) == (600, 0)
    fees = OrderFees(world.FEES)
    expected = [(4_000, 300, fees.add(4_000, 300)), (4_200, 300, fees.add(4_200, 300))]
    assert [(f.price, f.count, f.fee) for f in PaperVenue().fills(order)] == expected


def test_what_was_taken_lately_is_not_there_again(place: Any) -> None:
    _asks((4_000, 500))
    assert PaperVenue().create(place(300, 4_000)).fill_count == 300
    assert PaperVenue().create(place(300, 4_000)).fill_count == 200
    assert PaperVenue().create(place(300, 4_000)).fill_count == 0
    with time_machine.travel(clock.now() + timedelta(seconds=MEMORY_SECONDS + 1)):
        _asks((4_000, 500))
        assert PaperVenue().create(place(300, 4_000)).fill_count == 300


def test_what_a_resting_order_met_below_its_limit_is_not_there_again(place: Any) -> None:
    _asks((4_000, 500))
    resting = place(900, 3_500, time_in_force="good_till_canceled")
    PaperVenue().create(resting)
    PaperOrder.objects.update(at=clock.now() - timedelta(seconds=10 * MEMORY_SECONDS))
    _asks((3_400, 100), (3_500, 50))
    for _ in range(2):
        assert PaperVenue().fetch(resting).fill_count == 150, "the same offers are still displayed"
    assert PaperVenue().create(place(300, 3_400)).fill_count == 0
    _asks((3_400, 100), (3_500, 80))
    assert PaperVenue().create(place(300, 3_500)).fill_count == 30, "only what is new at the limit itself"
    PaperVenue().cancel(resting)
    Order.objects.filter(pk=resting.pk).update(moved_at=clock.now())
    PaperOrder.objects.update(at=clock.now() - timedelta(seconds=10 * MEMORY_SECONDS))
    assert PaperVenue().create(place(300, 3_400)).fill_count == 0, (
        "an order that has ended since took them all the same"
    )
    with time_machine.travel(clock.now() + timedelta(seconds=MEMORY_SECONDS + 1)):
        _asks((3_400, 100), (3_500, 80))
        assert PaperVenue().create(place(300, 3_400)).fill_count == 100


def test_profiles_do_not_eat_each_others_depth(place: Any) -> None:
    _asks((4_000, 500))
    assert PaperVenue().create(place(500, 4_000)).fill_count == 500
    order = place(500, 4_000)
    Order.objects.filter(pk=order.pk).update(profile=world.add_profile("other"))
    order.refresh_from_db()
    assert PaperVenue().create(order).fill_count == 500


def test_the_same_id_twice_is_the_same_order(place: Any) -> None:
    _asks((4_000, 500))
    order = place(300, 4_000)
    first = PaperVenue().create(order)
    assert PaperVenue().create(order) == first
    assert PaperVenue().resolve(order, wanted=True) == first
    assert PaperVenue().resolve(place(1, 4_000), wanted=True) is None


@pytest.mark.parametrize(
    ("publish", "code"), [({"lease": None}, "price_dead_epoch"), ({"age_ms": 60_000}, "price_stale")]
)
def test_no_living_book_no_fill(place: Any, publish: dict[str, Any], code: str) -> None:
    event = Event.objects.get()
    world.publish(event.ticker, {A: ((), ((6_000, 500),))}, **publish)
    with pytest.raises(Refused, match=code):
        PaperVenue().create(place(100, 9_900))


def test_an_empty_side_has_no_price(place: Any) -> None:
    event = Event.objects.get()
    world.publish(event.ticker, {A: (((3_000, 500),), ())})
    assert PaperVenue().create(place(100, 9_900)).fill_count == 0


def test_resting_order_waits_for_its_price_and_fills_there_as_a_maker(place: Any) -> None:
    _asks((4_000, 500), bids=((3_500, 700),))
    order = place(300, 3_500, time_in_force="good_till_canceled")
    ack = PaperVenue().create(order)
    assert (ack.fill_count, ack.remaining_count) == (0, 300)
    assert order.paper.queue_ahead == 700
    assert PaperVenue().fetch(order).fill_count == 0
    _asks((3_400, 100), bids=((3_300, 700),))
    assert PaperVenue().fetch(order).fill_count == 100
    fill = PaperVenue().fills(order)[0]
    assert (fill.price, fill.fee, fill.is_taker) == (3_500, 0, False)
    assert PaperVenue().cancel(order).remaining_count == 0
    _asks((3_400, 900))
    assert PaperVenue().fetch(order).fill_count == 100


@pytest.mark.parametrize(("purpose", "filled"), [("complete", 0), ("quote", 300)])
def test_only_a_quote_that_is_withdrawn_takes_what_crosses_it_by_then(place: Any, purpose: str, filled: int) -> None:
    """Somebody who knew more has sold to a quote; what is withdrawn because it is not wanted any more buys nothing more."""
    _asks((4_000, 500), bids=((3_500, 700),))
    order = place(300, 3_500, time_in_force="good_till_canceled")
    assert PaperVenue().create(order).remaining_count == 300
    Order.objects.filter(pk=order.pk).update(purpose=purpose)
    _asks((3_400, 900), bids=((3_300, 700),))
    ack = PaperVenue().cancel(Order.objects.get(pk=order.pk))
    assert (ack.fill_count, ack.remaining_count) == (filled, 0)


def test_sale_meets_bids_only(place: Any) -> None:
    _asks((4_000, 500), bids=((3_500, 100), (3_400, 100), (3_000, 900)))
    assert PaperVenue().create(place(500, 4_000)).fill_count == 500
    order = place(500, 3_400, action="sell")
    assert PaperVenue().create(order).fill_count == 200
    assert [f.price for f in PaperVenue().fills(order)] == [3_500, 3_400]


@pytest.mark.parametrize("why", list(exchange_hours.Closed))
def test_only_a_pause_that_holds_refuses_an_order(place: Any, why: exchange_hours.Closed, monkeypatch: Any) -> None:
    monkeypatch.setattr(exchange_hours, "obstacle", lambda *args, **kwargs: exchange_hours.Obstacle(why, "shard 0"))
    world.publish("KXT-1", {A: (((4_000, 1_000),), ((5_000, 1_000),))})
    order = place(500, 5_000)
    if why is exchange_hours.Closed.PAUSED:
        with pytest.raises(Refused):
            PaperVenue().create(order)
    else:
        assert PaperVenue().create(order).fill_count == 500


def test_orders_together_that_nobody_may_send_any_more_are_all_refused_and_meet_no_book(place: Any) -> None:
    _asks((4_000, 500))
    orders = [place(100, 4_000), place(100, 4_000)]

    def halted() -> None:
        raise Refused("halted")

    answers = PaperVenue().create_many(orders, check=halted)
    assert [one.code for one in answers if isinstance(one, Refused)] == ["halted", "halted"]
    assert not PaperOrder.objects.exists()
    assert str(answers[0]) == "halted"


def test_an_order_is_found_by_its_own_id_and_one_that_never_came_is_not(place: Any) -> None:
    _asks((4_000, 500))
    first, second, never = place(300, 4_000), place(100, 4_000), place(100, 4_000)
    acks = [PaperVenue().create(one) for one in (first, second)]
    assert [PaperVenue().find(one) for one in (first, second)] == acks
    assert [one.fill_count for one in acks] == [300, 100]
    assert PaperVenue().find(never) is None
