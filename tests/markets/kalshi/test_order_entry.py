"""Orders as they leave: direction, price, and what is refused before it can be sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common.units import DOLLAR_PRICE, Count, Price
from markets.kalshi.order_entry import AmendOrder, Buy, CreateOrder, Sell
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.vocabulary import BookSide, Side, TimeInForce

ID = "7f1c9f0e-2b7e-4c55-9a33-0c7c3a9d1e01"


def order(kind: type[CreateOrder] = Buy, **changes: Any) -> CreateOrder:
    fields: dict[str, Any] = {
        "ticker": "KXDEMO-A",
        "side": Side.YES,
        "price": Price(4300),
        "count": Count(725),
        "client_order_id": ID,
        "exchange_index": 2,
    }
    return kind(**{**fields, **changes})


@pytest.mark.parametrize(
    ("kind", "side", "book_side", "price"),
    [
        (Buy, Side.YES, "bid", "0.4300"),
        (Buy, Side.NO, "ask", "0.5700"),
        (Sell, Side.YES, "ask", "0.4300"),
        (Sell, Side.NO, "bid", "0.5700"),
    ],
)
def test_intents_become_bids_and_asks_in_yes_prices(
    kind: type[CreateOrder], side: Side, book_side: str, price: Any
) -> None:
    wire = order(kind, side=side).to_wire()
    assert (wire["side"], wire["price"], wire["count"]) == (book_side, price, "7.25")


@given(st.sampled_from([Buy, Sell]), st.sampled_from(list(Side)), st.integers(1, DOLLAR_PRICE - 1))
def test_a_sell_never_has_the_direction_of_a_buy_of_the_same_side(
    kind: type[CreateOrder], side: Side, price: Any
) -> None:
    bought, sold = order(Buy, side=side, price=Price(price)), order(Sell, side=side, price=Price(price))
    assert bought.book_side is not sold.book_side
    assert bought.to_wire()["price"] == sold.to_wire()["price"]
    # money out per contract: a bid pays the YES price, an ask locks up the complement
    paid = bought.yes_price if bought.book_side is BookSide.BID else DOLLAR_PRICE - bought.yes_price
    assert paid == price


def test_a_sell_can_only_reduce_and_never_rests_by_default() -> None:
    wire = order(Sell).to_wire()
    assert wire["reduce_only"] is True
    assert wire["time_in_force"] == "immediate_or_cancel"
    resting = order(Sell, reduce_only=False, time_in_force=TimeInForce.GTC).to_wire()
    assert "reduce_only" not in resting


def test_the_wire_form_holds_exactly_what_was_requested() -> None:
    wire = order(
        time_in_force=TimeInForce.GTC,
        post_only=True,
        expiration_ts=1_795_400_000,
        subaccount=3,
        order_group_id="g1",
        cancel_on_pause=True,
    ).to_wire()
    assert wire == {
        "ticker": "KXDEMO-A",
        "client_order_id": ID,
        "side": "bid",
        "count": "7.25",
        "price": "0.4300",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "exchange_index": 2,
        "post_only": True,
        "cancel_order_on_pause": True,
        "expiration_time": 1_795_400_000,
        "subaccount": 3,
        "order_group_id": "g1",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"price": Price(0)},
        {"price": DOLLAR_PRICE},
        {"price": 0.43},
        {"price": True},
        {"count": Count(0)},
        {"count": Count(-100)},
        {"count": 1.0},
        {"client_order_id": ""},
        {"client_order_id": "with.dot"},
        {"client_order_id": "x" * 65},
        {"client_order_id": "neu\n"},
        {"ticker": ""},
        {"exchange_index": -1},
        {"post_only": True},
        {"expiration_ts": 1},
        {"side": "maybe"},
        {"time_in_force": "day"},
        {"reduce_only": True},
    ],
)
def test_what_the_exchange_would_refuse_or_misread_is_not_built(change: Json) -> None:
    with pytest.raises(ValueError):
        order(**change)


def test_reduce_only_needs_immediate_or_cancel() -> None:
    with pytest.raises(ValueError, match="reduce_only"):
        order(Sell, time_in_force=TimeInForce.GTC)


def test_an_order_without_an_intent_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract class CreateOrder"):
        order(CreateOrder)  # type: ignore[type-abstract]  # what is tried


def test_an_amend_speaks_in_the_orders_own_side() -> None:
    amend = AmendOrder(
        order_id="o", ticker="T", outcome_side=Side.NO, price=Price(5700), count=Count(100), exchange_index=1
    )
    assert amend.to_wire() == {"ticker": "T", "side": "ask", "price": "0.4300", "count": "1.00", "exchange_index": 1}
