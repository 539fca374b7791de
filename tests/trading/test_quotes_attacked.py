"""Quotes while the exchange refuses, pauses, freezes or lies: nothing rests too long, nothing is bought twice, and the books tie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from random import Random
from typing import Any, Final

import msgspec
import pytest
from django.utils import timezone

from backtest.replay.clock import in_place
from kalbot.common import clock
from simulator.flow import second_actor
from simulator.listing import lifecycle
from simulator.matching import groups
from simulator.matching import orders as by_hand
from tests.trading import quoted, world
from tests.trading.test_quoting import Writes
from tests.trading.twin import Twin
from tests.trading.unhurried import UnhurriedClock
from trading.execution import executor
from trading.execution.orders import quote
from trading.models import Order, Position
from trading.quoted import queue
from trading.reconciliation import inbox, reconcile
from trading.venues import connection

pytestmark = pytest.mark.alike

WAYS: Final = ("one_leg", "several", "all_legs")
WIDE: Final[dict[str, Any]] = {"orphan_budget": 20 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Iterator[UnhurriedClock]:
    """Also of the times that Django writes into rows by itself."""
    slow = UnhurriedClock()
    with in_place(slow):
        monkeypatch.setattr(timezone, "now", clock.now)
        yield slow


@pytest.fixture
def twin(settings: Any, time: UnhurriedClock) -> Twin:
    return quoted.begin(settings)


def _begun(twin: Twin, way: str) -> Position:
    return quoted.begun(twin, quoted.profile(quoting=way, **WIDE))


def _fill(twin: Twin, position: Position, number: int, count: int) -> None:
    price, _ = quoted.resting(position)[twin.markets[number]]
    quoted.sell_no(twin, number, price, count if price > quoted.NO_BIDS[number] else count + quoted.DEPTH)


def _whole(position: Position) -> bool:
    return len(set(quoted.held(position))) == 1


def _before(twin: Twin, path: str, then: Callable[[], None]) -> None:
    """``then`` happens once, between a step's reads and its first request to ``path``."""
    send = twin.session.send

    def between(request: Any, **kwargs: Any) -> Any:
        if path in request.url:
            twin.session.send = send  # type: ignore[method-assign]  # once
            then()
        return send(request, **kwargs)

    twin.session.send = between  # type: ignore[method-assign]  # one request is watched


def test_a_quote_that_is_refused_again_and_again_is_placed_ever_more_seldom(twin: Twin, time: UnhurriedClock) -> None:
    """Redis shows a book in which it would rest; at the exchange somebody offers at its price, so that it would take."""
    maker = quoted.profile(quoting="all_legs", **WIDE)
    shown = twin.books()
    twin.quote(
        twin.markets[0], "bid", 10_000 - quoted.NO_BIDS[0], 2 * quoted.DEPTH
    )  # takes the bids of NO, then offers NO there
    decision = quoted.decision(maker, twin)
    world.publish(twin.event, shown)
    position = executor.execute(decision.pk)
    assert position is not None
    for _ in range(60):
        time.sleep(2)
        world.publish(twin.event, shown)
        reconcile.run("live", "test")
        quote._checked.clear()
        position = executor.step(position.pk)
    refused = position.orders.filter(leg__market=twin.markets[0])
    assert (position.status, position.close_code) == ("quoting", "")
    assert {order.status for order in refused} == {"rejected"}
    assert 4 <= refused.count() <= 7, "after 3, 6, 12, 24, 48 s, and then once a minute: not forty times in two minutes"
    assert len(quoted.resting(position)) == 2
    twin.cancel_makers(twin.markets[0], "bid")
    twin.quote(twin.markets[0], "ask", 10_000 - quoted.NO_BIDS[0], quoted.DEPTH)
    time.sleep(61)
    position = quoted.step(twin, position)
    assert len(quoted.resting(position)) == 3, "it rests once it can"
    assert not twin.held()
    quoted.agree(maker)


@pytest.mark.parametrize("way", WAYS)
def test_a_pause_takes_the_quotes_out_and_what_filled_is_made_whole_when_it_is_over(
    twin: Twin, way: str, time: UnhurriedClock
) -> None:
    position = _begun(twin, way)
    market = twin.exchange.markets[twin.markets[0]]
    _fill(twin, position, 0, 350)
    lifecycle.pause(twin.exchange, market)
    for _ in range(3):
        position = quoted.step(twin, position)
        time.sleep(2)
    open_there = [order.ticker for order in twin.exchange.ledger.all_open()]
    assert not open_there, "a paused leg: no new basket would be allowed, so nothing rests"
    assert quoted.held(position)[0] == 350
    lifecycle.resume(twin.exchange, market)
    for number, (bid, ask) in enumerate(zip(quoted.NO_BIDS, quoted.NO_ASKS, strict=True)):
        twin.cancel_makers(twin.markets[number], "bid")
        twin.cancel_makers(twin.markets[number], "ask")
        twin.quote(twin.markets[number], "ask", 10_000 - bid, quoted.DEPTH)
        twin.quote(twin.markets[number], "bid", 10_000 - ask, quoted.DEPTH)
    for _ in range(4):
        time.sleep(3)
        position = quoted.step(twin, position)
    if way == "all_legs":
        assert (position.status, quoted.rests_at_the_exchange(twin)) == ("quoting", 3)
    else:
        assert _whole(position) or position.residual_code == "orphans_held"
    quoted.agree(position.profile)


@pytest.mark.parametrize("way", WAYS)
def test_quotes_that_expired_while_their_worker_was_frozen_are_read_before_anything_rests_again(
    twin: Twin, way: str, time: UnhurriedClock, settings: Any
) -> None:
    """Frozen for three minutes: a fill in the first, the expiry after a minute and a half, and a lease that is over."""
    position = _begun(twin, way)
    time.sleep(30)
    _fill(twin, position, 0, 350)
    time.sleep(150)
    twin.exchange.advance()
    assert not quoted.rests_at_the_exchange(twin), "a quote never outlives its process by more than its expiry"
    if way == "all_legs":  # others bid for NO there again
        twin.quote(twin.markets[0], "ask", 10_000 - quoted.NO_BIDS[0], quoted.DEPTH)
    twin.sync()
    reconcile.run("live", "test")
    for _ in range(3):
        position = quoted.step(twin, position)
        time.sleep(1)
    sold = -twin.held()[twin.markets[0]]
    assert quoted.held(position)[0] == sold >= 350, "the fill is booked once, whoever said so first"
    if way == "all_legs":
        assert quoted.resting(position)[twin.markets[0]][1] == 1_000 - 350
    else:
        assert _whole(position)
    quoted.agree(position.profile)


def test_a_group_that_triggers_while_a_quote_of_it_is_prolonged_leaves_nothing_resting_unseen(twin: Twin) -> None:
    position = _begun(twin, "several")
    position.orders.filter(status="resting").update(expires_at=clock.now() + timedelta(seconds=20))
    group = twin.exchange.ledger.groups[position.order_group]

    def triggered() -> None:
        _fill(twin, position, 1, 350)
        groups.trigger(twin.exchange, group)

    _before(twin, "/amend", triggered)
    position = quoted.step(twin, position)
    assert not quoted.rests_at_the_exchange(twin) or not group.triggered
    for _ in range(3):
        position = quoted.step(twin, position)
    assert quoted.held(position) == [350] * 3
    assert quoted.rests_at_the_exchange(twin) == len(quoted.resting(position))
    quoted.agree(position.profile)


@pytest.mark.parametrize("ours", [False, True])
def test_an_own_bid_that_arrives_within_the_hedge_s_millisecond_costs_no_leg(
    twin: Twin, time: UnhurriedClock, ours: bool
) -> None:
    """The exchange stops what would trade with the account's own bid; the leg is completed once that bid is gone. ``ours``: an order of
    the account itself, or somebody else's, for comparison."""
    position = _begun(twin, "one_leg")
    _fill(twin, position, 0, 350)
    rested: list[str] = []

    def arrives() -> None:
        twin.cancel_makers(twin.markets[1], "bid")  # whoever offered NO there
        price = 10_000 - quoted.NO_ASKS[1]
        if ours:
            terms = {"tickers": [twin.markets[1]], "side": "bid", "price": price, "count": 5_000, "rest": True}
            rested.append(second_actor.act(twin.exchange, "buy", terms, Random(1))["order_id"])
        else:
            twin.quote(twin.markets[1], "bid", price, 5_000)

    _before(twin, "/portfolio/events/orders", arrives)
    position = quoted.step(twin, position)
    assert quoted.held(position)[0] == 350
    if ours:
        assert quoted.held(position)[1] == 0, "nobody of the account trades with itself"
        by_hand.cancel(twin.exchange, twin.exchange.ledger.orders[rested[0]])
        twin.quote(twin.markets[1], "bid", 10_000 - quoted.NO_ASKS[1], 5_000)
    for _ in range(4):
        time.sleep(3)
        position = quoted.step(twin, position)
    assert quoted.held(position) == [350] * 3
    quoted.agree(position.profile)


@pytest.mark.parametrize("way", ["one_leg", "several"])
def test_a_fill_that_finds_no_write_tokens_is_hedged_when_there_are_some(
    twin: Twin, way: str, time: UnhurriedClock
) -> None:
    """Somebody else uses the key: the tokens that were kept back are gone too when the quote fills."""
    limiter = Writes(clock=clock.monotonic, sleep=lambda seconds: None)
    connection.use(twin.client(limiter))
    position = _begun(twin, way)
    _fill(twin, position, 0, 350)
    limiter.acquire("write", limiter.available("write", 0), 0)
    for _ in range(3):
        position = quoted.step(twin, position)
        assert quoted.held(position)[0] in (0, 350)
    assert position.status in ("quoting", "completing"), "it waits, and gives nothing up"
    for _ in range(12):
        time.sleep(3)
        position = quoted.step(twin, position)
    assert quoted.held(position) == [350] * 3
    quoted.agree(position.profile)


LIES: Final[dict[str, list[dict[str, str]]]] = {
    "below zero": [{"queue_position_fp": "-5.00"}],
    "no number": [{"queue_position_fp": "first"}],
    "beyond every book": [{"queue_position_fp": "9" * 30}],
    "another order's": [{"order_id": "somebody", "queue_position_fp": "1.00"}],
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_place_in_the_queue_that_cannot_be_is_not_shown_and_stops_nothing(
    twin: Twin, lie: str, monkeypatch: pytest.MonkeyPatch, redis_db: object
) -> None:
    position = _begun(twin, "all_legs")
    rows = [
        {"order_id": str(order.exchange_order_id), "market_ticker": order.leg.market_id} | said
        for order in position.orders.all()
        for said in LIES[lie]
    ]
    send = twin.session.send

    def lying(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if "queue_positions" in request.url:
            answer.raw = BytesIO(msgspec.json.encode({"queue_positions": rows}))
        return answer

    monkeypatch.setattr(twin.session, "send", lying)
    queue.measure()
    assert not Order.objects.filter(queue_ahead__isnull=False).exists()
    assert len(quoted.resting(quoted.step(twin, position))) == 3
    inbox.apply_waiting()
    quoted.agree(position.profile)
