"""Order updates and fills of the WebSocket, from the bytes that the simulator sends to the rows they change."""

from __future__ import annotations

import pytest

from markets.kalshi.ws.frames import UserOrderFrame
from markets.kalshi.ws.intake import Intake
from markets.models import ExchangeMessage
from markets.streaming.output.inbox import Message, store
from markets.streaming.output.messages import to_message
from simulator.ws.frames import order as order_body
from tests.trading import world
from tests.trading.twin import Twin, fill_message
from trading.execution import executor
from trading.models import Order, OrderStatus
from trading.reconciliation import inbox

pytestmark = pytest.mark.django_db


def bought(twin: Twin) -> Order:
    """One filled order of a basket that was bought."""
    limits = dict(zip(twin.markets, (3_000, 3_200, 3_100), strict=True))
    decision = world.decide(world.add_profile("live", mode="live"), twin.row, limits, 1_000)
    assert executor.execute(decision.pk) is not None
    return Order.objects.filter(status=OrderStatus.DONE).earliest("pk")


def update_of(twin: Twin, order: Order) -> Message:
    """The update that the simulator's WebSocket sends about an order."""
    body = order_body(twin.exchange, twin.exchange.ledger.orders[order.exchange_order_id])
    (frame,) = Intake().feed([b'{"type":"user_order","sid":1,"msg":' + body + b"}"])
    assert isinstance(frame, UserOrderFrame)
    return to_message(frame, epoch="", receive_ms=0)


def test_a_terminal_update_ends_an_order_whose_outcome_was_unknown(twin: Twin) -> None:
    order = bought(twin)
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.UNKNOWN, reported_fill_count=None)
    store([update_of(twin, order)])
    assert inbox.apply_waiting() == 1
    order.refresh_from_db()
    assert (order.status, order.reported_fill_count) == (OrderStatus.DONE, 1_000)
    assert ExchangeMessage.objects.get().error == ""


def test_an_update_of_a_resting_order_without_new_fills_changes_nothing(twin: Twin) -> None:
    order = bought(twin)
    update = update_of(twin, order)
    resting = {**update.payload, "status": "resting", "fill_count": 0, "remaining_count": 1_000}
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.RESTING)
    store([Message(update.kind, update.key, update.market_ticker, resting, update.epoch, update.exchange_ms)])
    assert inbox.apply_waiting() == 1
    order.refresh_from_db()
    assert order.status == OrderStatus.RESTING


def test_a_fill_of_nobodys_order_is_left_to_the_comparison(twin: Twin) -> None:
    order = bought(twin)
    Order.objects.filter(pk=order.pk).update(filled_count=0)
    fill = next(one for one in twin.exchange.ledger.fills if one.order_id == order.exchange_order_id)
    message = fill_message(fill)
    payload = {**message.payload, "order_id": "somebody's", "client_order_id": None}
    store([Message(message.kind, message.key, message.market_ticker, payload, message.epoch, message.exchange_ms)])
    assert inbox.apply_waiting() == 1
    assert ExchangeMessage.objects.get().error == "not an order of ours"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"status": "pending"}, "ValidationError"),
        ({"order_id": "somebody", "client_order_id": ""}, "not an order of ours"),
    ],
)
def test_an_update_that_cannot_be_applied_is_marked_and_changes_nothing(
    twin: Twin, change: dict[str, object], error: str
) -> None:
    order = bought(twin)
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.UNKNOWN)
    update = update_of(twin, order)
    payload = {**update.payload, **change}
    store([Message(update.kind, update.key, update.market_ticker, payload, update.epoch, update.exchange_ms)])
    assert inbox.apply_waiting() == 1
    order.refresh_from_db()
    assert order.status == OrderStatus.UNKNOWN
    assert error in ExchangeMessage.objects.get().error


def test_what_one_message_says_marks_no_other(twin: Twin) -> None:
    order = bought(twin)
    update = update_of(twin, order)
    wrong = {**update.payload, "status": "pending"}
    store([Message(update.kind, "1", update.market_ticker, wrong, update.epoch, update.exchange_ms)])
    store([Message(update.kind, "2", update.market_ticker, update.payload, update.epoch, update.exchange_ms)])
    store([Message("lifecycle", "3", update.market_ticker, {}, update.epoch, update.exchange_ms)])
    assert inbox.apply_waiting() == 2
    rows = {row.key: row for row in ExchangeMessage.objects.all()}
    assert "ValidationError" in rows["1"].error
    assert rows["2"].error == ""
    assert rows["3"].applied_at is None
