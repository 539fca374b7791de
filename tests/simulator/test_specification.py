"""Every answer and every frame of the simulator against the official files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.control import admin
from simulator.exchange import Exchange
from simulator.rest.app import handle

from ..conftest import SHARED
from .day import Recorder, trade_a_day
from .spec import answer_problems, asyncapi, frame_problems, openapi, operations
from .test_edges_and_flow import bundled
from .world import B805, B825, CLE, DRAW, GAME, MIN, T80, Client, Listener

pytestmark = pytest.mark.shared
OPERATIONS = [
    "GetExchangeStatus",
    "GetExchangeSchedule",
    "GetUserDataTimestamp",
    "GetEvents",
    "GetEvent",
    "GetEventFeeChanges",
    "GetMarkets",
    "GetMarket",
    "GetMarketOrderbook",
    "GetMarketOrderbooks",
    "GetTrades",
    "GetSeriesList",
    "GetSeries",
    "GetSeriesFeeChanges",
    "GetAccountEndpointCosts",
    "GetHistoricalCutoff",
    "CreateOrderV2",
    "CancelAllOrders",
    "BatchCreateOrdersV2",
    "BatchCancelOrdersV2",
    "CancelOrderV2",
    "AmendOrderV2",
    "DecreaseOrderV2",
    "GetOrders",
    "GetOrder",
    "GetOrderQueuePositions",
    "CreateOrderGroup",
    "GetOrderGroup",
    "GetOrderGroups",
    "ResetOrderGroup",
    "TriggerOrderGroup",
    "UpdateOrderGroupLimit",
    "DeleteOrderGroup",
    "GetBalance",
    "GetPositions",
    "GetFills",
    "GetSettlements",
    "GetHistoricalPositions",
    "GetFillsHistorical",
    "GetHistoricalOrders",
    "CreateSubaccount",
    "ApplySubaccountTransfer",
    "GetSubaccountBalances",
    "GetSubaccountNetting",
    "UpdateSubaccountNetting",
    "IntraExchangeInstanceTransfer",
    "GetIntraExchangeInstanceTransfer",
    "GetIntraExchangeInstanceTransfers",
    "GetTargetBalanceAllocation",
    "SetTargetBalanceAllocation",
    "GetAccountApiLimits",
    "UpgradeAccountApiUsageLevel",
    "GetApiKeys",
]
MORE_OPERATIONS = [
    "GetMarketCandlesticks",
    "GetMarketCandlesticksByEvent",
    "BatchGetMarketCandlesticks",
    "GetHistoricalMarkets",
    "GetHistoricalMarket",
    "GetMarketCandlesticksHistorical",
    "GetTradesHistorical",
    "GetEventMetadata",
    "GetIncentivePrograms",
    "GetDeposits",
    "GetWithdrawals",
    "GetPortfolioRestingOrderTotalValue",
]
"""Exercised one by one in ``test_history``, and with generated requests beside the others."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, int, Any]]:
    from .world import make_exchange, write_snapshot

    client = Recorder(
        make_exchange(write_snapshot(tmp_path_factory.mktemp("spec")), still=False, speed=600.0, flow_interval_ms=1_000)
    )
    trade_a_day(client)
    return client.calls


def test_every_answer_is_what_the_specification_says(calls: list[tuple[str, str, int, Any]]) -> None:
    spec, seen, problems = openapi(SHARED), set(), []
    for method, path, status, body in calls:
        name, found = answer_problems(spec, method, path, status, body)
        if status < 400:
            seen.add(name)
        problems += [f"{name} {status}: {problem}" for problem in found]
    assert not problems, "\n".join(sorted(set(problems))[:40])
    assert set(OPERATIONS) - seen == set()


def test_the_operations_of_the_contract_exist_in_the_specification() -> None:
    assert set(OPERATIONS) - {name for _, _, name, _ in operations(openapi(SHARED))} == set()


def test_whole_pages_of_a_recorded_exchange_validate() -> None:
    exchange, spec = bundled(still=True), openapi(SHARED)
    for path, query in (
        ("/events", {"with_nested_markets": True, "limit": 200}),
        ("/markets", {"limit": 1000}),
        ("/series", {}),
    ):
        status, body = handle(exchange, "GET", path, query)
        name = next(iter(body))
        body[name] = body[name][:: max(1, len(body[name]) // 25)]  # a sample of every part; the validator is slow
        assert answer_problems(spec, "GET", path, status, body)[1] == []


def test_every_frame_is_what_the_specification_says(make: Callable[..., Exchange]) -> None:
    exchange = make(still=False, speed=600.0, flow_interval_ms=1_000, edge_every_s=20.0)
    client, listener, frames = Client(exchange), Listener(exchange), []
    frames += listener.send(
        "subscribe",
        channels=[
            "ticker",
            "trade",
            "fill",
            "user_orders",
            "market_positions",
            "market_lifecycle_v2",
            "order_group_updates",
        ],
    )
    frames += listener.send(
        "subscribe", channels=["orderbook_delta"], market_tickers=[B825, MIN, f"{DRAW}-ATL"], use_yes_price=True
    )
    frames += listener.send("update_subscription", sids=[8], action="add_markets", market_tickers=[B805])
    frames += listener.send("update_subscription", sids=[8], action="get_snapshot", market_tickers=[B805])
    frames += listener.send("list_subscriptions") + listener.send("nonsense") + listener.send("unsubscribe", sids=[2])
    frames += listener.send("subscribe", channels=["trade"])
    group = client.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})[1]["order_group_id"]
    client.placed(B825, "bid", "0.4200", "30", order_group_id=group, expiration_time=exchange.now() // 1000 + 60)
    client.order(MIN, "ask", "0.4600", "5")
    for name, body in (
        ("market/pause", {"ticker": CLE}),
        ("market/resume", {"ticker": CLE}),
        ("market/structure", {"ticker": CLE}),
        ("market/rules", {"ticker": CLE, "yes_sub_title": "C"}),
        ("event/fees", {"event_ticker": GAME, "fee_type": None, "fee_multiplier": None}),
        ("market/close", {"ticker": T80}),
        ("overflow", {"channel": "trade"}),
        ("market/determine", {"ticker": T80, "result": "scalar", "value": "0.3"}),
    ):
        assert admin.handle(exchange, "POST", name, {}, body)[0] == 200
    exchange.advance(exchange.markets[B825].close_ms + 20_000)
    frames += listener.frames()
    spec = asyncapi(SHARED)
    problems, checked = set(), Counter[tuple[str, str]]()
    for frame in frames:
        kind = (frame["type"], frame["msg"].get("event_type", "") if isinstance(frame.get("msg"), dict) else "")
        checked[kind] += 1
        if checked[kind] <= 50:
            problems |= {f"{kind}: {problem}" for problem in frame_problems(spec, frame)}
    assert not problems, "\n".join(sorted(problems)[:30])
    assert {f["type"] for f in frames} >= {
        "ticker",
        "trade",
        "fill",
        "user_order",
        "market_position",
        "market_lifecycle_v2",
        "event_lifecycle",
        "event_fee_update",
        "order_group_updates",
        "orderbook_snapshot",
        "orderbook_delta",
        "subscribed",
        "ok",
        "unsubscribed",
        "error",
    }


def test_the_validators_notice_a_wrong_answer() -> None:
    spec = openapi(SHARED)
    good = {"exchange_active": True, "trading_active": True}
    assert answer_problems(spec, "GET", "/exchange/status", 200, good)[1] == []
    assert answer_problems(spec, "GET", "/exchange/status", 200, good | {"extra": 1})[1]
    assert answer_problems(spec, "GET", "/exchange/status", 200, {"exchange_active": True})[1]
    assert answer_problems(spec, "GET", "/markets/X", 404, {"oops": 1})[1]


PASSES = ("20260719T005522Z", "20260719T035521Z", "20260719T095523Z", "20260719T155529Z")


@pytest.mark.parametrize("name", [PASSES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in PASSES[1:])])
def test_still_books_are_exactly_the_recorded_ones(name: str) -> None:
    import gzip

    from simulator.clock import ManualClock
    from simulator.config import SimulatorConfig
    from simulator.persistence.snapshot import load_snapshot

    from .world import START

    folder: Path = SHARED / "recorded" / "snapshots" / name
    config = SimulatorConfig(still=True, rate_limits=False)
    exchange = Exchange(config, ManualClock(START))
    exchange.list_snapshot(load_snapshot(folder, config, exchange.streams, START))
    exchange.begin()
    exchange.advance(START + 30_000)
    client, count = Client(exchange), 0
    with gzip.open(folder / "orderbooks.jsonl.gz", "rt") as lines:
        for line in lines:
            row = json.loads(line)
            count += 1
            recorded = {side: row["orderbook_fp"].get(side) or [] for side in ("yes_dollars", "no_dollars")}
            assert client.get(f"/markets/{row['ticker']}/orderbook")["orderbook_fp"] == recorded
    assert count > 1_000
