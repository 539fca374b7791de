"""Sessions in process: acks, sequences, snapshots, deltas, every channel, error codes, faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.control import admin
from simulator.exchange import Exchange
from simulator.ws.commands import receive

from .world import B805, B825, CLE, HIGH, MIN, T80, Client, Listener


def books(listener: Listener, *tickers: str, **more: Any) -> list[dict[str, Any]]:
    return listener.send("subscribe", channels=["orderbook_delta"], market_tickers=list(tickers), **more)


def test_ack_comes_first_then_snapshots_then_deltas_in_one_sequence(client: Client) -> None:
    listener = Listener(client.exchange)
    frames = books(listener, B825, B805, use_yes_price=False)
    assert [f["type"] for f in frames] == ["subscribed", "orderbook_snapshot", "orderbook_snapshot"]
    assert frames[0] == {
        "type": "subscribed",
        "id": 1,
        "msg": {"channel": "orderbook_delta", "sid": 1},
        "sending_ts_ms": client.exchange.now(),
    }
    assert [f["seq"] for f in frames[1:]] == [1, 2]
    assert frames[1]["msg"]["no_dollars_fp"] == [["0.5500", "60.00"], ["0.5800", "20.50"]]
    client.order(B825, "bid", "0.4200", "5")
    client.order(B805, "bid", "0.3500", "5")
    deltas = listener.frames()
    assert [
        (d["seq"], d["msg"]["market_ticker"], d["msg"]["side"], d["msg"]["price_dollars"], d["msg"]["delta_fp"])
        for d in deltas
    ] == [
        (3, B825, "no", "0.5800", "-5.00"),
        (4, B805, "no", "0.6500", "-5.00"),
    ]


def test_yes_price_shows_the_ask_directly(client: Client) -> None:
    listener = Listener(client.exchange)
    frames = books(listener, B825, use_yes_price=True)
    assert frames[1]["msg"]["no_dollars_fp"] == [["0.4200", "20.50"], ["0.4500", "60.00"]]
    client.order(B825, "bid", "0.4200", "5")
    delta = listener.frames()[0]["msg"]
    assert (delta["side"], delta["price_dollars"]) == ("no", "0.4200")


def test_an_empty_side_is_an_absent_key(client: Client) -> None:
    frames = books(Listener(client.exchange), "KXBTC-26JUL1917-B50")
    assert "yes_dollars_fp" not in frames[1]["msg"]
    assert "no_dollars_fp" in frames[1]["msg"]


def test_deltas_rebuild_the_book_and_clocks_rise(make: Callable[..., Exchange]) -> None:
    exchange = make(still=False, flow_interval_ms=100, edge_every_s=3.0)
    listener, tickers = Listener(exchange), [B825, B805, T80, MIN, CLE]
    state: dict[str, dict[tuple[str, str], float]] = {}
    clocks: dict[str, int] = {}
    frames = books(listener, *tickers)
    for _ in range(60):
        exchange.advance(exchange.now() + 1_000)
        frames += listener.frames()
    expected = 1
    for frame in frames[1:]:
        message = frame["msg"]
        assert frame["seq"] == expected
        expected += 1
        ticker = message["market_ticker"]
        if frame["type"] == "orderbook_snapshot":
            state[ticker] = {(s, p): float(c) for s in ("yes", "no") for p, c in message.get(f"{s}_dollars_fp", [])}
        else:
            assert message["clock"] > clocks[ticker]
            level = (message["side"], message["price_dollars"])
            left = round(state[ticker].get(level, 0.0) + float(message["delta_fp"]), 2)
            assert left >= 0
            state[ticker].pop(level, None)
            if left:
                state[ticker][level] = left
        clocks[ticker] = message["clock"]
    assert expected > 200
    client = Client(exchange)
    for ticker in tickers:
        rest = client.get(f"/markets/{ticker}/orderbook")["orderbook_fp"]
        assert {(s, p): float(c) for s in ("yes", "no") for p, c in rest[f"{s}_dollars"]} == state[ticker]


def test_get_snapshot_takes_its_place_in_the_sequence(client: Client) -> None:
    listener = Listener(client.exchange)
    books(listener, B825, B805)
    frames = listener.send("update_subscription", 77, sids=[1], action="get_snapshot", market_tickers=[B805])
    assert [(f["type"], f["id"], f["seq"], f["msg"]["market_ticker"]) for f in frames] == [
        ("orderbook_snapshot", 77, 3, B805)
    ]
    refused = listener.send("update_subscription", sids=[1], action="get_snapshot", market_tickers=[T80])
    assert refused[0]["msg"]["code"] == 11


def test_extending_and_shrinking_a_subscription(client: Client) -> None:
    listener = Listener(client.exchange)
    books(listener, B825)
    frames = listener.send("update_subscription", sids=[1], action="add_markets", market_tickers=[B805])
    assert (frames[0]["type"], frames[0]["seq"], frames[0]["msg"]["market_tickers"]) == ("ok", 2, [B825, B805])
    assert (frames[1]["type"], frames[1]["seq"]) == ("orderbook_snapshot", 3)
    frames = listener.send("update_subscription", sid=1, action="delete_markets", market_tickers=[B825])
    assert (frames[0]["seq"], frames[0]["msg"]["market_tickers"]) == (4, [B805])
    client.order(B825, "bid", "0.4200", "1")
    assert listener.frames() == []


def test_subscribing_again_extends_the_one_subscription(client: Client) -> None:
    listener = Listener(client.exchange)
    books(listener, B825)
    frames = books(listener, B825, B805)
    assert frames[0]["msg"] == {"channel": "orderbook_delta", "sid": 1}
    assert [(f["type"], f["msg"].get("market_ticker")) for f in frames[1:]] == [("orderbook_snapshot", B805)]
    assert listener.send("list_subscriptions")[0]["msg"] == [{"channel": "orderbook_delta", "sid": 1}]


def test_unsubscribe_takes_the_last_number(client: Client) -> None:
    listener = Listener(client.exchange)
    books(listener, B825)
    frames = listener.send("unsubscribe", sids=[1])
    assert (frames[0]["type"], frames[0]["sid"], frames[0]["seq"]) == ("unsubscribed", 1, 2)
    assert listener.send("list_subscriptions")[0]["msg"] == []


def test_ticker_without_a_filter_receives_every_market(client: Client) -> None:
    listener = Listener(client.exchange)
    listener.send("subscribe", channels=["ticker"])
    client.order(B825, "bid", "0.4200", "5")
    client.order(MIN, "bid", "0.4800", "5")
    frames = listener.frames()
    assert [f["msg"]["market_ticker"] for f in frames] == [B825, MIN]
    assert all("seq" not in f for f in frames)
    assert (frames[0]["msg"]["yes_ask_size_fp"], frames[0]["msg"]["last_trade_size_fp"]) == ("15.50", "5.00")


def test_initial_ticker_only_for_listed_markets(client: Client) -> None:
    listener = Listener(client.exchange)
    frames = listener.send("subscribe", channels=["ticker"], market_tickers=[B825], send_initial_snapshot=True)
    assert [f["type"] for f in frames] == ["subscribed", "ticker"]
    client.order(MIN, "bid", "0.4800", "5")
    assert listener.frames() == []


def test_private_channels_publish_fills_orders_and_positions(client: Client) -> None:
    listener = Listener(client.exchange)
    acks = listener.send("subscribe", channels=["fill", "user_orders", "market_positions", "trade"])
    assert len({a["msg"]["sid"] for a in acks}) == 4
    _, order = client.order(B825, "bid", "0.4200", "7.25")
    frames = {f["type"]: f for f in listener.frames()}
    assert set(frames) == {"fill", "user_order", "market_position", "trade"}
    fill, update = frames["fill"]["msg"], frames["user_order"]["msg"]
    assert (fill["order_id"], fill["count_fp"], fill["post_position_fp"]) == (order["order_id"], "7.25", "7.25")
    assert fill["fee_cost"] == client.get("/portfolio/fills")["fills"][0]["fee_cost"]
    assert fill["trade_id"] == frames["trade"]["msg"]["trade_id"]
    assert (update["status"], update["remaining_count_fp"], update["last_update_reason"]) == (
        "executed",
        "0.00",
        "Trade",
    )
    assert frames["market_position"]["msg"]["position_cost_dollars"] == "3.045000"


def test_own_changes_of_the_book_carry_the_client_id(client: Client) -> None:
    listener = Listener(client.exchange)
    books(listener, B825)
    order = client.placed(B825, "bid", "0.1000", "3", client_order_id="mine")
    client.cancel(order)
    assert [(d["msg"]["client_order_id"], d["msg"]["delta_fp"]) for d in listener.frames()] == [
        ("mine", "3.00"),
        ("mine", "-3.00"),
    ]


def test_order_group_updates(client: Client) -> None:
    listener = Listener(client.exchange)
    listener.send("subscribe", channels=["order_group_updates"])
    group = client.call("POST", "/portfolio/order_groups/create", {"contracts_limit_fp": "5.00"})[1]["order_group_id"]
    client.call("PUT", f"/portfolio/order_groups/{group}/limit", {"contracts_limit": 7})
    client.call("PUT", f"/portfolio/order_groups/{group}/trigger")
    client.call("PUT", f"/portfolio/order_groups/{group}/reset")
    client.call("DELETE", f"/portfolio/order_groups/{group}")
    frames = listener.frames()
    assert [f["msg"]["event_type"] for f in frames] == ["created", "limit_updated", "triggered", "reset", "deleted"]
    assert [f["seq"] for f in frames] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "cmd, params, expected",
    [
        ("nonsense", {"x": 1}, 5),
        ("subscribe", {}, 2),
        ("subscribe", {"market_tickers": ["A"]}, 3),
        ("subscribe", {"channels": ["nope"]}, 8),
        ("subscribe", {"channels": ["orderbook_delta"]}, 14),
        ("subscribe", {"channels": ["ticker"], "market_ticker": "A", "market_tickers": ["B"]}, 11),
        ("unsubscribe", {"sids": []}, 4),
        ("unsubscribe", {"sids": [9]}, 7),
        ("update_subscription", {"action": "add_markets"}, 12),
        ("update_subscription", {"sids": [1, 2], "action": "add_markets"}, 12),
        ("update_subscription", {"sids": [9], "action": "add_markets"}, 7),
        ("update_subscription", {"sids": [1]}, 15),
        ("update_subscription", {"sids": [1], "action": "explode"}, 13),
        ("update_subscription", {"sids": [1], "action": "add_markets"}, 14),
    ],
)
def test_error_codes(client: Client, cmd: str, params: dict[str, object], expected: int) -> None:
    listener = Listener(client.exchange)
    books(listener, B825)
    frames = listener.send(cmd, 42, **params)
    assert [(f["type"], f["id"], f["msg"]["code"]) for f in frames] == [("error", 42, expected)]


def test_broken_json_and_the_market_cap(make: Callable[..., Exchange]) -> None:
    exchange = make(subscription_market_cap=2)
    listener = Listener(exchange)
    receive(listener.session, "{oops")
    frame = listener.frames()[0]
    assert (frame["msg"]["code"], "id" in frame) == (1, False)
    assert books(listener, B825, B805, T80)[0]["msg"]["code"] == 26


def test_a_slow_reader_loses_its_subscription(make: Callable[..., Exchange]) -> None:
    exchange = make(buffer_limit_bytes=2_000)
    client, listener = Client(exchange), Listener(exchange)
    books(listener, B825)
    for _ in range(40):
        client.order(B825, "bid", "0.4200", "0.01")
    frames = listener.frames()
    assert frames[-1]["msg"] == {"code": 25, "msg": "Subscription buffer overflow"}
    assert frames[-1]["seq"] == frames[-2]["seq"] + 1
    assert listener.send("list_subscriptions")[0]["msg"] == []


def test_frame_faults(client: Client) -> None:
    exchange, listener = client.exchange, Listener(client.exchange)
    books(listener, B825)

    def numbers() -> list[int]:
        client.order(B825, "bid", "0.4200", "0.01")
        return [f["seq"] for f in listener.frames() if f["type"] == "orderbook_delta"]

    exchange.faults.add(kind="drop", channel="orderbook_delta")
    assert numbers() == []
    assert numbers() == [3]
    exchange.faults.add(kind="duplicate", channel="orderbook_delta")
    assert numbers() == [4, 4]
    exchange.faults.add(kind="gap", channel="orderbook_delta")
    assert numbers() == [8]
    exchange.faults.add(kind="overflow", channel="orderbook_delta")
    client.order(B825, "bid", "0.4200", "0.01")
    assert listener.frames()[-1]["msg"]["code"] == 25
    exchange.faults.add(kind="disconnect", channel="fill")
    listener.send("subscribe", channels=["fill"])
    client.order(B825, "bid", "0.4200", "0.01")
    assert listener.session.closed
    assert exchange.hub.sessions == []


def test_structure_and_metadata_updates_are_published(client: Client) -> None:
    listener = Listener(client.exchange)
    listener.send("subscribe", channels=["market_lifecycle_v2"])
    admin.handle(client.exchange, "POST", "market/structure", {}, {"ticker": B825, "structure": "deci_cent"})
    admin.handle(client.exchange, "POST", "market/rules", {}, {"ticker": B825, "yes_sub_title": "Other"})
    admin.handle(
        client.exchange,
        "POST",
        "event/fees",
        {},
        {"event_ticker": HIGH, "fee_type": "quadratic", "fee_multiplier": 0.5},
    )
    admin.handle(client.exchange, "POST", "event/add_market", {}, {"event_ticker": HIGH, "suffix": "X"})
    frames = listener.frames()
    assert [(f["type"], f["msg"].get("event_type")) for f in frames] == [
        ("market_lifecycle_v2", "price_level_structure_updated"),
        ("market_lifecycle_v2", "metadata_updated"),
        ("event_fee_update", None),
        ("market_lifecycle_v2", "created"),
    ]
    assert client.order(B825, "bid", "0.4210", "1")[0] == 201
    assert frames[2]["msg"]["fee_multiplier_override"] == 0.5
