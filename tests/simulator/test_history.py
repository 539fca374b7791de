"""Candlesticks, what leaves the live listings, and the small reads: each as the official file says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator.clock import parse_iso_ms
from simulator.control import admin
from simulator.exchange import Exchange

from ..conftest import SHARED
from .spec import answer_problems, openapi
from .test_troubles import act
from .world import B825, CLE, GAME, HIGH, MIN, Client, code

DAY_MS = 86_400_000


def settle(exchange: Exchange, *tickers: str) -> None:
    for ticker in tickers:
        act(exchange, "market/determine", ticker=ticker, result="no")
        act(exchange, "market/finalize", ticker=ticker)


def listed(client: Client, path: str, **query: Any) -> set[str]:
    return {market["ticker"] for market in client.get(path, **query)["markets"]}


def test_a_settled_market_leaves_every_live_listing_for_the_historical_one(client: Client) -> None:
    exchange = client.exchange
    settle(exchange, MIN)
    assert MIN in listed(client, "/markets", status="settled")
    exchange.advance(exchange.now() + exchange.config.markets_historical_ms + 1)
    assert MIN not in listed(client, "/markets", event_ticker=GAME)
    assert MIN not in {m["ticker"] for m in client.get(f"/events/{GAME}", with_nested_markets=True)["event"]["markets"]}
    assert code(client.call("GET", f"/markets/{MIN}")) == (404, "not_found")
    assert listed(client, "/historical/markets", event_ticker=GAME) == {MIN}
    assert listed(client, "/historical/markets", tickers=f"{MIN},{CLE}") == {MIN}
    found = client.get(f"/historical/markets/{MIN}")["market"]
    assert (found["status"], found["result"], found["settlement_value_dollars"]) == ("finalized", "no", "0.0000")
    assert client.call("GET", f"/historical/markets/{CLE}")[0] == 404
    cutoff = parse_iso_ms(client.get("/historical/cutoff")["market_settled_ts"])
    assert parse_iso_ms(found["settlement_ts"]) < cutoff


def test_historical_filters_exclude_each_other(client: Client) -> None:
    assert client.call("GET", "/historical/markets", event_ticker=GAME, series_ticker="KXMLBGAME")[0] == 400


def test_own_records_leave_the_live_listings_for_the_historical_ones(client: Client) -> None:
    exchange = client.exchange
    _, sold = client.order(MIN, "bid", "0.4900", "5.00")
    resting = client.placed(CLE, "bid", "0.4000", "1.00")
    settle(exchange, MIN)
    exchange.config.account_historical_ms = DAY_MS
    exchange.advance(exchange.now() + DAY_MS + 1)
    orders = {o["order_id"] for o in client.get("/portfolio/orders", status="executed")["orders"]}
    assert orders == set()
    assert client.call("GET", f"/portfolio/orders/{sold['order_id']}")[0] == 404
    assert client.get("/portfolio/fills")["fills"] == client.get("/portfolio/settlements")["settlements"] == []
    assert client.get("/portfolio/positions", settlement_status="all")["market_positions"] == []
    assert client.get("/markets/trades", ticker=MIN)["trades"] == []
    old = client.get("/historical/orders")["orders"]
    assert sold["order_id"] in {o["order_id"] for o in old}
    assert resting not in {o["order_id"] for o in old} or client.one(resting)
    assert [f["count_fp"] for f in client.get("/historical/fills", ticker=MIN)["fills"]] == ["5.00"]
    assert [p["ticker"] for p in client.get("/historical/positions")["market_positions"]] == [MIN]
    assert len(client.get("/historical/trades", ticker=MIN)["trades"]) == 1


def test_candlesticks_add_up_to_the_trades(client: Client) -> None:
    exchange = client.exchange
    start = exchange.now() // 1000
    for price, count in (("0.4900", "5.00"), ("0.4900", "7.00"), ("0.4700", "1.00")):
        client.order(MIN, "bid" if price == "0.4900" else "ask", price, count)
        exchange.advance(exchange.now() + 61_000)
    end = exchange.now() // 1000 + 86_400
    path = f"/series/KXMLBGAME/markets/{MIN}/candlesticks"
    minutes = client.get(path, start_ts=start, end_ts=end, period_interval=1)["candlesticks"]
    (day,) = client.get(path, start_ts=start, end_ts=end, period_interval=1440)["candlesticks"]
    trades = client.get("/markets/trades", ticker=MIN)["trades"]
    total = sum(round(float(t["count_fp"]) * 100) for t in trades)
    assert sum(round(float(c["volume_fp"]) * 100) for c in minutes) == round(float(day["volume_fp"]) * 100) == total
    assert (day["price"]["open_dollars"], day["price"]["close_dollars"]) == ("0.4800", "0.4700")
    assert (day["price"]["high_dollars"], day["price"]["low_dollars"]) == ("0.4800", "0.4700")
    assert all(c["end_period_ts"] % 60 == 0 for c in minutes)
    assert minutes[0]["price"]["previous_dollars"] is None
    assert minutes[-1]["yes_bid"]["close_dollars"] == client.get(f"/markets/{MIN}")["market"]["yes_bid_dollars"]


def test_latest_candlestick_before_the_start_is_prepended_flat(client: Client) -> None:
    exchange = client.exchange
    client.order(MIN, "bid", "0.4900", "5.00")
    start = exchange.now() // 1000 + 7_200
    query = {"start_ts": start, "end_ts": start + 60, "period_interval": 1}
    path = f"/series/KXMLBGAME/markets/{MIN}/candlesticks"
    assert client.get(path, **query)["candlesticks"] == []
    (flat,) = client.get(path, include_latest_before_start=True, **query)["candlesticks"]
    assert (flat["end_period_ts"], flat["volume_fp"], flat["price"]["open_dollars"]) == (start, "0.00", None)


@pytest.mark.parametrize(
    "query",
    [
        {"start_ts": 1, "end_ts": 2},
        {"start_ts": 1, "end_ts": 2, "period_interval": 5},
        {"start_ts": 2, "end_ts": 1, "period_interval": 1},
        {"start_ts": 0, "end_ts": 10**12, "period_interval": 1},
        {"start_ts": "\u0661", "end_ts": 2, "period_interval": 1},
    ],
)
def test_spans_that_cannot_be_served_are_refused(client: Client, query: dict[str, Any]) -> None:
    assert client.call("GET", f"/series/KXMLBGAME/markets/{MIN}/candlesticks", **query)[0] == 400


@pytest.mark.parametrize(
    "text", ["\uff11", "1_0", "+1", " 1", "1 ", "\u0661\u0662", "1e1", "0x1", "01", "-0", "-01", "00", ""]
)
def test_odd_digits_in_a_query_are_refused(client: Client, text: str) -> None:
    assert client.call("GET", "/markets", limit=text)[0] == (200 if text == "" else 400)


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000, b'{"orders":' + b"[" * 50_000])
def test_deep_nesting_is_a_bad_request(client: Client, deep: bytes) -> None:
    status, body = client.call("POST", "/portfolio/events/orders", deep)
    assert (status, body["code"]) == (400, "bad_request")


def test_programmes_deposits_and_resting_value(client: Client) -> None:
    exchange = client.exchange
    act(exchange, "incentive", ticker=MIN, period_reward=500_000, for_ms=60_000, target_size="300.00")
    act(exchange, "incentive", ticker=CLE, period_reward=1, in_ms=30_000, for_ms=60_000, type="volume")
    (active,) = client.get("/incentive_programs", status="active")["incentive_programs"]
    assert (active["market_ticker"], active["target_size_fp"]) == (MIN, "300.00")
    assert len(client.get("/incentive_programs", type="volume")["incentive_programs"]) == 1
    exchange.advance(exchange.now() + 90_000)
    assert len(client.get("/incentive_programs", status="closed")["incentive_programs"]) == 2
    act(exchange, "actor", do="deposit", shard=3, amount=25_000_000)
    act(exchange, "deposit", shard=0, amount=-10_000_000)
    assert [d["amount_cents"] for d in client.get("/portfolio/deposits")["deposits"]] == [2_500]
    assert [w["amount_cents"] for w in client.get("/portfolio/withdrawals")["withdrawals"]] == [1_000]
    client.placed(MIN, "bid", "0.4000", "5.00")
    assert client.get("/portfolio/summary/total_resting_order_value")["total_resting_order_value"] == 200
    details = client.get(f"/events/{HIGH}/metadata")["market_details"]
    assert B825 in {d["market_ticker"] for d in details}


@pytest.mark.shared
def test_all_of_it_is_as_the_official_file_says(client: Client) -> None:
    exchange, spec = client.exchange, openapi(SHARED)
    client.order(MIN, "bid", "0.4900", "5.00")
    act(exchange, "incentive", ticker=CLE, period_reward=500_000, for_ms=60_000)
    act(exchange, "deposit", shard=0, amount=10_000_000)
    act(exchange, "deposit", shard=0, amount=-10_000_000)
    exchange.config.account_historical_ms = 1_000
    settle(exchange, MIN)
    exchange.advance(exchange.now() + exchange.config.markets_historical_ms + 60_001)
    client.order(CLE, "bid", "0.6000", "5.00")
    now = exchange.now() // 1000
    span = {"start_ts": now - 86_400, "end_ts": now + 86_400, "period_interval": 60}
    calls: list[tuple[str, dict[str, Any]]] = [
        (f"/series/KXMLBGAME/markets/{CLE}/candlesticks", span | {"include_latest_before_start": True}),
        (f"/series/KXMLBGAME/events/{GAME}/candlesticks", span),
        ("/markets/candlesticks", span | {"market_tickers": f"{CLE},{B825}"}),
        ("/historical/markets", {}),
        (f"/historical/markets/{MIN}", {}),
        (f"/historical/markets/{MIN}/candlesticks", span),
        *[(f"/historical/{name}", {}) for name in ("trades", "orders", "fills", "positions", "cutoff")],
        (f"/events/{HIGH}/metadata", {}),
        *[(f"/portfolio/{name}", {}) for name in ("deposits", "withdrawals", "summary/total_resting_order_value")],
        ("/incentive_programs", {}),
        ("/search/tags_by_categories", {}),
        ("/search/filters_by_sport", {}),
        *[(path, {}) for path in ("/milestones", "/structured_targets", "/events/multivariate")],
        ("/multivariate_event_collections", {}),
        ("/live_data/batch", {}),
        ("/account/api_usage_level/volume_progress", {}),
        *[(f"/communications/{n}", {}) for n in ("id", "rfqs", "quotes", "rfq_batches", "block-trade-proposals")],
    ]
    for path, query in calls:
        status, body = client.call("GET", path, **query)
        name, problems = answer_problems(spec, "GET", path, status, json.loads(json.dumps(body)))
        assert (status, problems) == (200, []), (name, body)
    full = ("/historical/markets", "/historical/trades", "/historical/fills", "/historical/positions")
    assert all(next(iter(client.get(path).values())) for path in full)


def test_amend_that_is_refused_changes_nothing(client: Client) -> None:
    exchange = client.exchange
    later = exchange.now() // 1000 + 600
    order_id = client.placed(MIN, "bid", "0.4000", "5.00", post_only=True, expiration_time=later)
    before, cash = client.one(order_id), client.free(3)
    body: dict[str, Any] = {"ticker": MIN, "side": "bid", "count": "6.00", "updated_client_order_id": "new-id"}
    body["expiration_time"] = later + 60
    refusals = [
        body | {"price": "0.4900"},  # would cross
        body | {"price": "0.4500", "count": "900000.00"},  # no cash
        body | {"price": "0.4455"},  # off the grid
        body | {"price": "0.4500", "side": "ask"},
        body | {"price": "0.4500", "expiration_time": 1},
    ]
    for refused in refusals:
        status, answer = client.call("POST", f"/portfolio/events/orders/{order_id}/amend", refused)
        assert status == 400, answer
        assert (client.one(order_id), client.free(3)) == (before, cash)
    assert "new-id" not in exchange.ledger.spent_ids
    assert client.call("POST", f"/portfolio/events/orders/{order_id}/amend", body | {"price": "0.4500"})[0] == 200
    assert client.one(order_id)["client_order_id"] == "new-id"
    assert admin.handle(exchange, "GET", "truth", {}, {})[1]["balanced"]
