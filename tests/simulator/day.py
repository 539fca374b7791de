"""A day of trading that uses every operation of the contract, from opening to settlement."""

from __future__ import annotations

import json
from typing import Any

from simulator.control import admin
from simulator.exchange import Exchange
from simulator.rest.app import handle

from .world import B805, B825, CLE, GAME, HIGH, MIN, T80, Client

UUID = "5b7d2b8e-7a0f-4a1c-9a52-77f6b8a1c00"


class Recorder(Client):
    """A client that notes every call with its answer."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.calls: list[tuple[str, str, int, Any]] = []

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        status, answer = handle(self.exchange, method, path, query, {}, body)
        self.calls.append((method, path, status, json.loads(json.dumps(answer))))
        return status, answer


def trade_a_day(client: Recorder) -> None:
    """Every operation that the simulator answers, at least once, over a life from opening to settlement."""
    exchange = client.exchange
    first = client.placed(B825, "bid", "0.4200", "30")
    client.order(B825, "ask", "0.3800", "12.5")
    client.order(MIN, "bid", "0.4800", "10")
    client.order(T80, "bid", "0.9900", "1", "fill_or_kill")
    client.order(T80, "bid", "0.9900", "99999", "fill_or_kill")
    client.call("POST", f"/portfolio/events/orders/{first}/decrease", {"reduce_by": "1.00", "market_ticker": B825})
    client.call(
        "POST",
        f"/portfolio/events/orders/{first}/amend",
        {"ticker": B825, "side": "bid", "price": "0.4100", "count": "40.00"},
    )
    client.call(
        "POST",
        f"/portfolio/events/orders/{first}/amend",
        {"ticker": B825, "side": "bid", "price": "0.4600", "count": "60.00"},
    )
    item = {
        "ticker": B805,
        "side": "bid",
        "price": "0.1000",
        "count": "2",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "maker",
    }
    group = client.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 50})[1]["order_group_id"]
    batch = client.call(
        "POST",
        "/portfolio/events/orders/batched",
        {"orders": [item, item | {"price": "2"}, item | {"order_group_id": group}]},
    )
    ids = [o["order_id"] for o in batch[1]["orders"] if "order_id" in o]
    for path in ("/portfolio/orders", f"/portfolio/orders/{ids[0]}", f"/portfolio/orders/{ids[0]}/queue_position"):
        assert client.call("GET", path)[0] == 200
    client.call("GET", "/portfolio/orders/queue_positions", market_tickers=f"{B805},{B825}")
    client.cancel(ids[0], market_ticker=B805)
    client.cancel(ids[0], market_ticker=B805)
    client.call("GET", "/portfolio/order_groups")
    client.call("GET", f"/portfolio/order_groups/{group}")
    client.call("PUT", f"/portfolio/order_groups/{group}/limit", {"contracts_limit_fp": "12.50"})
    client.call("PUT", f"/portfolio/order_groups/{group}/trigger", {})
    client.call("PUT", f"/portfolio/order_groups/{group}/reset", {})
    client.call("DELETE", f"/portfolio/order_groups/{group}")
    client.call("DELETE", "/portfolio/events/orders/batched", {"orders": [{"order_id": ids[1]}, {"order_id": "x"}]})
    client.placed(CLE, "bid", "0.1000", "2", expiration_time=exchange.now() // 1000 + 3600)
    client.call("DELETE", "/portfolio/events/orders", subaccount=0)
    _accounts(client)
    _public(client)
    admin.handle(exchange, "POST", "market/determine", {}, {"ticker": T80, "result": "scalar", "value": "0.2550"})
    exchange.advance(exchange.markets[B825].close_ms + 20_000)
    for path in ("/portfolio/settlements", "/portfolio/fills", "/portfolio/orders", "/portfolio/balance"):
        client.call("GET", path)
    client.call("GET", "/portfolio/positions", settlement_status="all")
    _public(client)


def _accounts(client: Recorder) -> None:
    client.call("POST", "/account/api_usage_level/upgrade")
    client.call("POST", "/portfolio/subaccounts", {})
    client.call(
        "POST",
        "/portfolio/subaccounts/transfer",
        {
            "client_transfer_id": f"{UUID}1",
            "from_subaccount": 0,
            "to_subaccount": 1,
            "amount_cents": 500,
        },
    )
    client.call(
        "PUT",
        "/portfolio/subaccounts/netting",
        {"subaccount_number": 1, "enabled": True},
    )
    moved = client.call(
        "POST",
        "/portfolio/intra_exchange_instance_transfer",
        {
            "source": "event_contract",
            "destination": "event_contract",
            "amount": 10_000,
            "source_exchange_shard": 0,
            "destination_exchange_shard": 2,
            "client_transfer_id": f"{UUID}2",
        },
    )[1]["transfer_id"]
    allocations = [{"exchange_index": 0, "percent": 60}, {"exchange_index": 3, "percent": 40}]
    client.call("POST", "/portfolio/target_balance_allocation", {"allocations": allocations})
    for path in (
        "/portfolio/subaccounts/balances",
        "/portfolio/subaccounts/transfers",
        "/portfolio/subaccounts/netting",
        "/portfolio/intra_exchange_instance_transfers",
        f"/portfolio/intra_exchange_instance_transfers/{moved}",
        "/portfolio/target_balance_allocation",
        "/account/limits",
        "/api_keys",
        "/portfolio/balance",
        "/portfolio/positions",
        "/portfolio/fills",
        "/portfolio/settlements",
        "/historical/fills",
        "/historical/orders",
        "/historical/positions",
    ):
        client.call("GET", path)


def _public(client: Recorder) -> None:
    admin.handle(
        client.exchange,
        "POST",
        "event/fees",
        {},
        {"event_ticker": HIGH, "fee_type": "quadratic", "fee_multiplier": 0.5, "in_ms": 10**9},
    )
    admin.handle(
        client.exchange,
        "POST",
        "series/fees",
        {},
        {"series_ticker": "KXBTC", "fee_type": "flat", "fee_multiplier": 1, "in_ms": 10**9},
    )
    for path in (
        "/exchange/status",
        "/exchange/schedule",
        "/exchange/user_data_timestamp",
        "/series/KXHIGHNY",
        "/series/fee_changes",
        "/events/fee_changes",
        f"/events/{GAME}",
        f"/markets/{B825}",
        f"/markets/{B825}/orderbook",
        "/markets/trades",
        "/historical/cutoff",
        "/account/endpoint_costs",
        "/markets",
        "/markets/NOPE",
    ):
        client.call("GET", path)
    client.call("GET", "/series", include_volume=True)
    client.call("GET", "/events", with_nested_markets=True, with_milestones=True)
    client.call("GET", f"/events/{HIGH}", with_nested_markets=True)
    client.call("GET", "/markets/orderbooks", tickers=[B825, MIN])
    client.call("GET", "/markets", limit=5_000)
