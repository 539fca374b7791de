"""Orders of a person that rest on the account: the exchange stops an order of ours that would trade with one, so none is sent into it."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from simulator.flow import second_actor
from tests.trading import world
from tests.trading.struck import StruckTwin, execute
from trading.books import own_orders
from trading.closing import exit_preview, exits
from trading.execution import executor
from trading.execution.orders import fills
from trading.models import ForeignOrder, Leg, Order, Position
from trading.reconciliation import inbox


def _later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds))


def _rest(twin: StruckTwin, ticker: str, side: str, price: int, count: int = 300) -> str:
    terms = {"tickers": [ticker], "side": side, "price": price, "count": count, "rest": True}
    return str(second_actor.act(twin.exchange, "buy", terms, Random(1))["order_id"])


def _bids(twin: StruckTwin, ticker: str, *levels: tuple[int, int]) -> None:
    """Everybody else's bids in one market are these."""
    twin.cancel_makers(ticker, "bid")
    for price, count in levels:
        twin.quote(ticker, "bid", price, count)


def _hear(twin: StruckTwin, order_id: str) -> None:
    """The stream says how the order is now."""
    twin.send_order(order_id)
    inbox.apply_waiting()


def _exit(position: Position, least: int = 2_000) -> Position:
    prices: dict[Any, int] = {(leg.market_id, leg.side): least for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=prices, below_floor="cash")
    return executor.step(position.pk)


def _steps(twin: StruckTwin, position: Position, *seconds: float) -> Position:
    for at in seconds:
        with _later(at):
            twin.sync()
            if position.next_step_at is None or position.next_step_at <= clock.now():
                position = executor.step(position.pk)
    return position


def test_nothing_is_sold_into_a_persons_bid_which_is_named_until_it_is_gone(struck: StruckTwin) -> None:
    position = execute(struck)
    own = struck.markets[0]
    _bids(struck, own, (2_600, 5_000))
    order_id = _rest(struck, own, "bid", 2_800)
    _hear(struck, order_id)
    struck.sync()
    assert exit_preview.preview(position).unsellable == 1_000
    position = _steps(struck, _exit(position), 3)
    assert (position.status, position.residual_code) == ("exiting", "own_order")
    assert struck.held() == {own: 1_000}
    assert not Order.objects.filter(action="sell", leg__market_id=own).exists()
    second_actor.act(struck.exchange, "cancel", {"tickers": [own], "order_id": order_id}, Random(1))
    _hear(struck, order_id)
    assert not ForeignOrder.objects.get().is_resting
    assert _steps(struck, position, 6, 9, 12).status == "closed"


def test_bids_before_the_persons_own_are_taken_and_none_behind_it(struck: StruckTwin) -> None:
    position = execute(struck)
    own = struck.markets[0]
    _bids(struck, own, (2_900, 400), (2_600, 5_000))
    _hear(struck, _rest(struck, own, "bid", 2_800))
    struck.sync()
    position = _steps(struck, _exit(position), 5, 10)
    assert struck.held() == {own: 600}
    assert (position.status, position.residual_code) == ("exiting", "own_order")


@pytest.mark.alike
def test_sales_that_take_nothing_are_not_repeated_for_ever_and_are_named(struck: StruckTwin) -> None:
    """Nobody said that the bid is the person's."""
    position = execute(struck)
    own = struck.markets[0]
    _bids(struck, own, (2_600, 5_000))
    _rest(struck, own, "bid", 2_800)
    struck.sync()
    position = _steps(struck, _exit(position), *(2 * n for n in range(1, 40)))
    sales = Order.objects.filter(action="sell", leg__market_id=own)
    assert all(order.filled_count == 0 for order in sales)
    assert 4 <= sales.count() <= 30
    assert (position.residual_code, "take nothing" in position.residual) == ("no_bid", True)
    tried = sales.count()
    position = _steps(struck, position, *(90 + 60 * n for n in range(6)))
    assert position.status == "exiting", "the legs that pay with it are sold: it waits for bids"
    assert position.next_step_at is not None
    assert sales.count() <= tried + 12, "ever more seldom"
    assert struck.held() == {own: 1_000}


@pytest.mark.alike
def test_the_end_of_every_sale_is_waited_for_and_the_exit_goes_on_all_the_same(
    struck: StruckTwin, settings: Any
) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 6.0
    position = execute(struck)
    own = struck.markets[0]
    _bids(struck, own, (2_600, 5_000))
    _rest(struck, own, "bid", 2_800)
    struck.sync()
    position = _steps(struck, _exit(position), *(15 * n for n in range(1, 36)))
    assert position.status == "exiting", "the legs that pay with it are sold: it waits for bids"
    assert position.next_step_at is not None
    assert struck.held() == {own: 1_000}


@pytest.mark.parametrize("known", [True, False])
def test_an_offer_of_a_person_completes_nothing(struck: StruckTwin, known: bool) -> None:
    last = struck.markets[2]

    def take_the_place() -> None:
        struck.cancel_makers(last, "ask")
        order_id = _rest(struck, last, "ask", 3_100, 5_000)
        if known:
            _hear(struck, order_id)
        struck.sync()

    struck.session.before = {3: take_the_place}
    position = _steps(struck, execute(struck, leg_risk_budget=20 * world.DOLLAR), 1, 3, 6, 10)
    assert position.status == "aborted"
    assert struck.held() == {}
    more = Order.objects.filter(action="buy", leg__market_id=last).exclude(purpose="entry")
    assert more.exists() != known, "of an offer that is known to be the account's own nothing is bought"


@pytest.mark.parametrize(
    ("status", "side", "ticker", "held", "stops"),
    [
        ("exiting", "no", "A", 100, True),
        ("unwinding", "no", "A", 100, True),
        ("exiting", "no", "A", 0, False),
        ("open", "no", "A", 100, False),
        ("executing", "no", "A", 100, False),
        ("executing", "yes", "A", 0, True),
        ("completing", "yes", "A", 0, True),
        ("exiting", "yes", "A", 100, False),
        ("exiting", "no", "B", 100, False),
        ("executing", "yes", "B", 100, False),
    ],
)
def test_a_bid_rests_unless_another_position_sells_it_or_buys_the_other_side_now(
    status: str, side: str, ticker: str, held: int, stops: bool
) -> None:
    bid = Leg(market_id="A", side="no")
    at_work = own_orders.AtWork(leg=1, position=7, ticker=ticker, side=side, status=status, held=held)
    refusal = own_orders.stopped_by([bid], [at_work])
    assert (refusal is not None) is stops
    assert refusal is None or refusal.detail == "position #7 is at work in A"


def test_an_order_that_is_still_being_booked_lacks_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fills, "_book", lambda *args: None)
    order = Order(status="booking", filled_count=100, reported_fill_count=100)
    assert not fills.collect_all([order], waits=(0.0,))
    order.status = "done"
    assert fills.collect_all([order], waits=(0.0,))
