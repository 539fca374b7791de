"""Whatever is sent, the simulator answers in one of its shapes, keeps its books straight and loses no money."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from simulator.control.internal_state import internal_state
from simulator.exchange import Exchange
from simulator.rest.router import ROUTES
from simulator.ws.commands import receive

from .spec import error_shape
from .world import B825, HIGH, MIN, Client, Listener

JUNK: list[Any] = [
    None,
    "",
    "0",
    "-1",
    "1e9",
    "NaN",
    "0.42",
    "0.4200",
    "99999999999999999999",
    0,
    -1,
    1,
    3,
    2**70,
    0.5,
    True,
    False,
    [],
    {},
    [1],
    {"a": 1},
    "bid",
    "ask",
    "yes",
    "good_till_canceled",
    "immediate_or_cancel",
    "fill_or_kill",
    "maker",
    "taker_at_cross",
    B825,
    MIN,
    HIGH,
    "é\u0000",
    "x" * 5_000,
    "event_contract",
    "open",
    "settled",
    "true",
]
FIELDS = [
    "ticker",
    "side",
    "price",
    "count",
    "time_in_force",
    "self_trade_prevention_type",
    "client_order_id",
    "expiration_time",
    "post_only",
    "reduce_only",
    "cancel_order_on_pause",
    "subaccount",
    "order_group_id",
    "exchange_index",
    "orders",
    "reduce_by",
    "reduce_to",
    "market_ticker",
    "order_id",
    "contracts_limit",
    "contracts_limit_fp",
    "client_transfer_id",
    "from_subaccount",
    "to_subaccount",
    "amount_cents",
    "source",
    "destination",
    "amount",
    "source_exchange_shard",
    "destination_exchange_shard",
    "allocations",
    "subaccount_number",
    "enabled",
    "limit",
    "cursor",
    "status",
    "tickers",
    "event_ticker",
    "series_ticker",
    "min_ts",
    "max_ts",
    "depth",
    "min_close_ts",
    "mve_filter",
    "with_nested_markets",
    "settlement_status",
    "count_filter",
]
GOOD = {
    "ticker": B825,
    "side": "bid",
    "price": "0.4200",
    "count": "2",
    "time_in_force": "good_till_canceled",
    "self_trade_prevention_type": "maker",
}


def test_no_request_breaks_the_simulator(make: Callable[..., Exchange]) -> None:
    exchange = make(tier="advanced")
    client, rng = Client(exchange), random.Random(17)
    statuses: dict[int, int] = {}
    for step in range(4_000):
        route = rng.choice(ROUTES)
        path = route.template
        while "{" in path:
            start, end = path.index("{"), path.index("}")
            known = [
                B825,
                HIGH,
                "KXHIGHNY",
                "x",
                "%00",
                *list(exchange.ledger.orders)[-3:],
                *list(exchange.ledger.groups)[-2:],
            ]
            path = path[:start] + rng.choice(known) + path[end + 1 :]
        query = {name: rng.choice(JUNK) for name in rng.sample(FIELDS, rng.randrange(4))}
        body: Any = dict(GOOD) if rng.random() < 0.6 else {}
        for name in rng.sample(FIELDS, rng.randrange(4)):
            body[name] = rng.choice(JUNK) if name != "orders" else [rng.choice([dict(GOOD), *JUNK]) for _ in range(3)]
        if rng.random() < 0.05:
            body = rng.choice([b"{", b"\xff\xfe", b"[]", "null", b"1"])
        status, answer = client.call(route.method, path, body, **query)
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500
        assert status < 400 or error_shape(answer), (route.template, status, answer)
        json.dumps(answer)
        if step % 200 == 0:
            assert internal_state(exchange, {"none"})["balanced"]
    assert statuses[200] > 200
    assert statuses[201] > 50
    assert internal_state(exchange, {"none"})["balanced"]


def test_no_command_breaks_a_session(exchange: Exchange) -> None:
    rng = random.Random(18)
    words = ["subscribe", "unsubscribe", "update_subscription", "list_subscriptions", "x", None, 3]
    names = [
        "channels",
        "market_ticker",
        "market_tickers",
        "market_id",
        "market_ids",
        "send_initial_snapshot",
        "skip_ticker_ack",
        "use_yes_price",
        "sid",
        "sids",
        "action",
    ]
    values = [
        *JUNK,
        ["orderbook_delta"],
        ["ticker", "fill"],
        [B825, MIN],
        [1],
        [2, 3],
        "add_markets",
        "delete_markets",
        "get_snapshot",
    ]
    listener = Listener(exchange)
    kinds = set()
    for _ in range(4_000):
        command: Any = {"id": rng.choice([1, 5, 0, -1, "x", None]), "cmd": rng.choice(words)}
        if rng.random() < 0.9:
            command["params"] = {name: rng.choice(values) for name in rng.sample(names, rng.randrange(5))}
        receive(listener.session, json.dumps(rng.choice([command] * 20 + [values[3]])))
        kinds |= {(f["type"], f["msg"]["code"]) if f["type"] == "error" else (f["type"], 0) for f in listener.frames()}
        exchange.advance(exchange.now() + 1)
    assert {code for kind, code in kinds if kind == "error"} >= {1, 2, 3, 5, 7, 8, 11, 12, 14}
    assert ("subscribed", 0) in kinds
