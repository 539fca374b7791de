"""Every row of docs/kalshi-protocol.md 9.4, and the refusals around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.exchange import Exchange

from .world import B825, CLE, MIN, START, T80, Client, code

GTC, IOC, FOK = "good_till_canceled", "immediate_or_cancel", "fill_or_kill"
# the book of B825: NO bids 0.58 x 20.50 and 0.55 x 60, so YES asks 0.42 x 20.50 and 0.45 x 60; YES bid 0.38 x 80


def test_gtc_fills_what_there_is_and_rests(client: Client) -> None:
    status, body = client.order(B825, "bid", "0.4200", "30", GTC)
    assert status == 201
    assert (body["fill_count"], body["remaining_count"]) == ("20.50", "9.50")
    assert client.one(body["order_id"])["status"] == "resting"
    book = client.get(f"/markets/{B825}/orderbook")["orderbook_fp"]
    assert book["yes_dollars"][-1] == ["0.4200", "9.50"]


def test_ioc_without_liquidity_is_accepted_with_nothing(client: Client) -> None:
    status, body = client.order(B825, "bid", "0.4100", "30", IOC)
    assert status == 201
    assert (body["fill_count"], body["remaining_count"]) == ("0.00", "0.00")
    assert "average_fill_price" not in body
    assert client.one(body["order_id"])["status"] == "canceled"


def test_ioc_partial_leaves_nothing_behind(client: Client) -> None:
    status, body = client.order(B825, "bid", "0.4200", "30", IOC)
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "20.50", "0.00")
    order = client.one(body["order_id"])
    assert (order["status"], order["remaining_count_fp"], order["initial_count_fp"]) == ("canceled", "0.00", "30.00")


def test_fok_that_cannot_fill_is_killed_and_spends_its_id(client: Client) -> None:
    killed = client.order(B825, "bid", "0.4500", "81", FOK, client_order_id="once")
    assert code(killed) == (409, "fill_or_kill_insufficient_resting_volume")
    assert client.get("/portfolio/fills")["fills"] == []
    assert code(client.order(B825, "bid", "0.4500", "1", IOC, client_order_id="once")) == (409, "order_already_exists")


def test_fok_that_can_fill_walks_the_book_at_resting_prices(client: Client) -> None:
    status, body = client.order(B825, "bid", "0.9900", "80.5", FOK)
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "80.50", "0.00")
    prices = [(f["yes_price_dollars"], f["count_fp"]) for f in client.get("/portfolio/fills")["fills"]]
    assert prices == [("0.4500", "60.00"), ("0.4200", "20.50")]


def test_fok_meeting_an_own_order_keeps_the_fills_already_made(client: Client) -> None:
    client.placed(B825, "ask", "0.4300", "50")
    status, body = client.order(B825, "bid", "0.4300", "40", FOK)
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "20.50", "0.00")


def test_taker_at_cross_stops_at_an_own_order_and_leaves_it(client: Client) -> None:
    mine = client.placed(B825, "ask", "0.4300", "5")
    status, body = client.order(B825, "bid", "0.4500", "40", GTC)
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "20.50", "0.00")
    assert client.one(mine)["status"] == "resting"
    assert client.one(body["order_id"])["status"] == "canceled"


def test_maker_prevention_cancels_the_own_order_and_goes_on(client: Client) -> None:
    mine = client.placed(B825, "ask", "0.4300", "5")
    status, body = client.order(B825, "bid", "0.4500", "40", GTC, self_trade_prevention_type="maker")
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "40.00", "0.00")
    assert client.one(mine)["status"] == "canceled"


def test_post_only_that_crosses_is_refused(client: Client) -> None:
    status, body = client.order(B825, "bid", "0.4200", "1", GTC, post_only=True)
    assert (status, body["error"]["code"], body["error"]["details"]) == (400, "invalid_order", "post only cross")
    assert client.order(B825, "bid", "0.4100", "1", GTC, post_only=True)[0] == 201


def test_answer_gives_averages_per_contract(client: Client) -> None:
    _, body = client.order(MIN, "bid", "0.4900", "220", IOC)
    assert body["fill_count"] == "220.00"
    # 120 at 0.48 and 100 at 0.49; half fees on this series
    assert body["average_fee_paid"] == "0.008741"
    assert body["average_fill_price"] == "0.484545"
    fills = client.get("/portfolio/fills")["fills"]
    assert [f["fee_cost"] for f in fills] == ["0.874600", "1.048400"]  # the second fill carries the rebate


def test_an_ask_buys_no_and_a_taker_gets_the_better_price(client: Client) -> None:
    status, body = client.order(B825, "ask", "0.0100", "10", IOC)
    assert (status, body["fill_count"], body["average_fill_price"]) == (201, "10.00", "0.3800")
    assert client.position(B825) == -1_000


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"count": 5}, (400, "invalid_parameters")),
        ({"price": 0.42}, (400, "invalid_parameters")),
        ({"count": "0"}, (400, "invalid_order_size")),
        ({"count": "1.005"}, (400, "invalid_order_size")),
        ({"count": "1."}, (400, "invalid_order_size")),
        ({"count": "١"}, (400, "invalid_order_size")),
        ({"count": "-1"}, (400, "invalid_order_size")),
        ({"price": "0.4250"}, (400, "invalid_price")),
        ({"price": "0.0000"}, (400, "invalid_price")),
        ({"price": "1.0000"}, (400, "invalid_price")),
        ({"price": "0.42001"}, (400, "invalid_price")),
        ({"side": "yes"}, (400, "invalid_parameters")),
        ({"time_in_force": "GTT"}, (400, "invalid_parameters")),
        ({"self_trade_prevention_type": None}, (400, "invalid_parameters")),
        ({"client_order_id": "a.b"}, (400, "invalid_parameters")),
        ({"ticker": "NOPE"}, (404, "market_not_found")),
        ({"exchange_index": 2}, (404, "market_not_found")),
        ({"expiration_time": START // 1000 + 60}, (400, "invalid_order")),
        ({"reduce_only": True, "time_in_force": GTC}, (400, "invalid_order")),
        ({"post_only": True}, (400, "invalid_order")),
        ({"subaccount": 5}, (400, "invalid_parameters")),
        ({"order_group_id": "none"}, (404, "not_found")),
        ({"count": "1000000"}, (400, "insufficient_balance")),
    ],
)
def test_what_is_refused(client: Client, change: dict[str, Any], expected: tuple[int, str]) -> None:
    order: dict[str, Any] = {"price": "0.4200", "count": "1", "side": "bid", "ticker": B825} | change
    ticker, side, price, count = (order.pop(k) for k in ("ticker", "side", "price", "count"))
    tif = order.pop("time_in_force", IOC)
    assert code(client.order(ticker, side, price, count, tif, **order)) == expected
    assert client.exchange.ledger.orders == {}


def test_past_expiration_is_refused_and_a_coming_one_cancels(client: Client) -> None:
    assert code(client.order(B825, "bid", "0.1000", "1", GTC, expiration_time=START // 1000 - 1)) == (
        400,
        "invalid_order",
    )
    order = client.placed(B825, "bid", "0.1000", "1", expiration_time=START // 1000 + 10)
    client.exchange.advance(START + 9_999)
    assert client.one(order)["status"] == "resting"
    client.exchange.advance(START + 10_000)
    assert client.one(order)["status"] == "canceled"
    assert client.exchange.ledger.orders[order].reason == "ExpiryCancel"


def test_reduce_only_is_capped_by_the_position(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "5")
    status, body = client.order(B825, "ask", "0.3800", "9", IOC, reduce_only=True)
    assert (status, body["fill_count"]) == (201, "5.00")
    assert client.position(B825) == 0
    status, body = client.order(B825, "ask", "0.3800", "9", IOC, reduce_only=True)
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "0.00", "0.00")
    order = client.get(f"/portfolio/orders/{body['order_id']}")["order"]
    assert (order["status"], order["fill_count_fp"]) == ("canceled", "0.00")
    fills = client.get("/portfolio/fills")["fills"]
    assert [fill["count_fp"] for fill in fills] == ["5.00", "5.00"], "a fill of nothing"


def test_client_ids_are_spent_for_ever(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "1", client_order_id="mine")
    client.cancel(order)
    assert code(client.order(B825, "bid", "0.1000", "1", client_order_id="mine")) == (409, "order_already_exists")


def test_cancel_answers_what_was_left_and_404_when_terminal(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "7.5")
    status, body = client.cancel(order)
    assert (status, body["reduced_by"], body["order_id"]) == (200, "7.50", order)
    assert code(client.cancel(order)) == (404, "not_found")
    assert code(client.cancel("unknown")) == (404, "not_found")


def test_cancel_on_another_shard_needs_the_ticker_or_the_index(client: Client) -> None:
    first, second = client.placed(MIN, "bid", "0.1000", "1"), client.placed(MIN, "bid", "0.1000", "1")
    assert code(client.cancel(first)) == (404, "not_found")
    assert client.cancel(first, market_ticker=MIN)[0] == 200
    assert client.cancel(second, exchange_index=3)[0] == 200


def test_v1_writes_are_gone_and_reads_stay(client: Client) -> None:
    for method, path in (
        ("POST", ""),
        ("DELETE", "/abc"),
        ("POST", "/abc/amend"),
        ("POST", "/abc/decrease"),
        ("POST", "/batched"),
    ):
        assert code(client.call(method, f"/portfolio/orders{path}", {})) == (410, "deprecated_v1_order_endpoint")
    assert client.get("/portfolio/orders")["orders"] == []


def test_decrease_by_and_to(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "10")
    path = f"/portfolio/events/orders/{order}/decrease"
    assert client.call("POST", path, {"reduce_by": "4", "market_ticker": B825})[1]["remaining_count"] == "6.00"
    assert client.call("POST", path, {"reduce_to": "1.5"})[1]["remaining_count"] == "1.50"
    assert code(client.call("POST", path, {"reduce_to": "1", "reduce_by": "1"})) == (400, "invalid_parameters")
    assert code(client.call("POST", path, {})) == (400, "invalid_parameters")
    assert client.call("POST", path, {"reduce_to": "0"})[1]["remaining_count"] == "0.00"
    assert client.one(order)["status"] == "canceled"


def amend(client: Client, order: str, price: str, count: str, **more: object) -> tuple[int, dict[str, Any]]:
    body = {"ticker": B825, "side": "bid", "price": price, "count": count, **more}
    return client.call("POST", f"/portfolio/events/orders/{order}/amend", body)


def test_a_smaller_size_keeps_the_place_in_the_queue_and_a_new_price_does_not(client: Client) -> None:
    first = client.placed(B825, "bid", "0.1000", "10")
    client.placed(B825, "bid", "0.1000", "10")
    status, body = amend(client, first, "0.1000", "4")
    assert (status, body["remaining_count"]) == (200, "4.00")
    queue = client.get("/portfolio/orders/queue_positions", market_tickers=B825)["queue_positions"]
    assert {q["order_id"]: q["queue_position_fp"] for q in queue}[first] == "0.00"
    amend(client, first, "0.1000", "9")
    queue = client.get("/portfolio/orders/queue_positions", market_tickers=B825)["queue_positions"]
    assert {q["order_id"]: q["queue_position_fp"] for q in queue}[first] == "10.00"


def test_an_amend_that_crosses_fills(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "10")
    status, body = amend(client, order, "0.4200", "12")
    assert (status, body["fill_count"], body["remaining_count"]) == (200, "12.00", "0.00")
    assert client.one(order)["status"] == "executed"


def test_an_amend_of_the_expiry_alone_answers_no_counts(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "10")
    status, body = amend(client, order, "0.1000", "10", expiration_time=START // 1000 + 5)
    assert status == 200
    assert "remaining_count" not in body
    client.exchange.advance(START + 6_000)
    assert client.one(order)["status"] == "canceled"


def test_amend_mismatches(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "10", client_order_id="orig")
    assert code(amend(client, order, "0.1100", "10", side="ask")) == (400, "order_side_mismatch")
    assert code(amend(client, order, "0.1100", "10", ticker=T80)) == (400, "order_ticker_mismatch")
    assert code(amend(client, order, "0.1100", "10", client_order_id="no")) == (
        400,
        "order_id_and_client_order_id_mismatch",
    )
    assert code(amend(client, order, "0.1100", "10", updated_client_order_id="orig")) == (409, "order_already_exists")
    assert amend(client, order, "0.1100", "10", updated_client_order_id="next")[1]["client_order_id"] == "next"
    assert code(amend(client, order, "0.1150", "10")) == (400, "invalid_price")


def test_batch_items_stand_alone(client: Client) -> None:
    item = {
        "ticker": B825,
        "side": "bid",
        "price": "0.1000",
        "count": "1",
        "time_in_force": GTC,
        "self_trade_prevention_type": "maker",
    }
    status, body = client.call(
        "POST",
        "/portfolio/events/orders/batched",
        {
            "orders": [
                item | {"client_order_id": "b1"},
                item | {"client_order_id": "b1"},
                item | {"client_order_id": "b2", "price": "0.1050"},
                item | {"client_order_id": "b3", "ticker": CLE},
            ]
        },
    )
    assert status == 201
    assert [o.get("error", {}).get("code") for o in body["orders"]] == [
        None,
        "order_already_exists",
        "invalid_price",
        None,
    ]
    assert body["orders"][2]["fill_count"] is None
    ids = [o["order_id"] for o in body["orders"] if "order_id" in o]
    status, body = client.call("DELETE", "/portfolio/events/orders/batched", {"orders": [{"order_id": i} for i in ids]})
    assert status == 200
    assert [o.get("error", {}).get("code") for o in body["orders"]] == [None, "not_found"]


def test_cancel_all_takes_every_shard_and_the_next_minute(client: Client) -> None:
    first, second = client.placed(B825, "bid", "0.1000", "1"), client.placed(MIN, "bid", "0.1000", "1")
    assert client.call("DELETE", "/portfolio/events/orders") == (204, None)
    assert [client.one(o)["status"] for o in (first, second)] == ["canceled", "canceled"]
    late = client.placed(B825, "bid", "0.1000", "1")
    assert client.one(late)["status"] == "canceled"
    client.exchange.advance(START + 61_000)
    assert client.one(client.placed(B825, "bid", "0.1000", "1"))["status"] == "resting"


def test_market_inactive_is_a_switch(make: Callable[..., Exchange]) -> None:
    client = Client(make(market_inactive_status=409))
    order = client.placed(B825, "bid", "0.1000", "1")
    client.exchange.advance(client.exchange.markets[B825].close_ms)
    assert code(client.order(B825, "bid", "0.4200", "1")) == (409, "market_inactive")
    assert code(client.cancel(order)) == (409, "market_inactive")


@pytest.mark.parametrize("seconds", [253_402_300_800, 10**12, 2**62, 2**200])
def test_an_expiry_without_a_date_is_refused_and_spoils_no_listing(client: Client, seconds: int) -> None:
    refused = (400, "invalid_parameters")
    assert code(client.order(MIN, "bid", "0.1000", "1.00", "good_till_canceled", expiration_time=seconds)) == refused
    order = client.placed(MIN, "bid", "0.1000", "1.00", expiration_time=253_402_300_799)
    before = client.one(order)
    assert code(amend(client, order, "0.1000", "1", ticker=MIN, expiration_time=seconds)) == refused
    assert client.get("/portfolio/orders")["orders"] == [before]
