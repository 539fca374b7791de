"""Closing, determination, dispute, payment of every kind, pauses, and the event that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from simulator.control import admin
from simulator.exchange import Exchange
from simulator.listing import lifecycle
from simulator.listing.tickers import moved_day
from simulator.randomness import Streams

from .world import B805, B825, CLE, COIN, DRAW, GAME, HIGH, MIN, START, T83, Client, Listener, code

DOLLAR = 1_000_000


def control(exchange: Exchange, name: str, **body: object) -> Any:
    status, answer = admin.handle(exchange, "POST", name, {}, body)
    assert status == 200, answer
    return answer


def test_a_market_closes_by_the_clock_and_refuses_everything(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "1")
    close = client.exchange.markets[B825].close_ms
    client.exchange.advance(close - 1)
    assert client.order(B825, "bid", "0.4200", "1")[0] == 201
    client.exchange.advance(close)
    assert client.get(f"/markets/{B825}")["market"]["status"] == "closed"
    assert code(client.order(B825, "bid", "0.4200", "1")) == (400, "market_inactive")
    assert code(client.cancel(order)) == (400, "market_inactive")
    client.exchange.advance(close + 250)
    assert client.exchange.ledger.orders[order].reason == "CloseCancel"


def test_exactly_one_outcome_of_an_exclusive_event_wins_and_is_paid(client: Client) -> None:
    for ticker in (B805, B825, T83):
        client.order(ticker, "bid", "0.6000", "10")
    before = client.cash()
    listener = Listener(client.exchange)
    listener.send("subscribe", channels=["market_lifecycle_v2"])
    client.exchange.advance(client.exchange.markets[B825].close_ms + 10_000)
    markets = client.get(f"/events/{HIGH}")["markets"]
    assert Counter(m["result"] for m in markets) == {"yes": 1, "no": 3}
    assert {m["status"] for m in markets} == {"finalized"}
    assert len({m["expiration_value"] for m in markets}) == 1
    winner = next(m["ticker"] for m in markets if m["result"] == "yes")
    records = {s["ticker"]: s for s in client.get("/portfolio/settlements")["settlements"]}
    assert set(records) == {B805, B825, T83}
    paid = 10 * DOLLAR if winner in records else 0
    assert client.cash() - before == paid
    assert sum(r["revenue"] for r in records.values()) == paid // 10_000
    kinds = Counter(f["msg"]["event_type"] for f in listener.frames() if f["msg"]["market_ticker"].startswith(HIGH))
    assert kinds == {"determined": 4, "settled": 4}
    assert client.get("/portfolio/positions")["market_positions"] == []
    assert len(client.get("/portfolio/positions", settlement_status="settled")["market_positions"]) == 3


def test_money_comes_only_when_final(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "10")
    before = client.cash()
    control(client.exchange, "market/determine", ticker=B825, result="yes")
    assert client.get(f"/markets/{B825}")["market"]["status"] == "determined"
    assert client.cash() == before
    client.exchange.advance(client.exchange.now() + 3_000)
    assert client.get(f"/markets/{B825}")["market"]["status"] == "finalized"
    assert client.cash() == before + 10 * DOLLAR


def test_a_disputed_result_can_be_amended_before_it_pays(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "10")
    before = client.cash()
    control(client.exchange, "market/determine", ticker=B825, result="yes")
    control(client.exchange, "market/dispute", ticker=B825)
    client.exchange.advance(client.exchange.now() + 60_000)
    assert client.get(f"/markets/{B825}")["market"]["status"] == "disputed"
    control(client.exchange, "market/determine", ticker=B825, result="no")
    assert client.get(f"/markets/{B825}")["market"]["status"] == "amended"
    client.exchange.advance(client.exchange.now() + 3_000)
    assert client.cash() == before
    assert client.get("/portfolio/settlements")["settlements"][0]["market_result"] == "no"


def test_a_scalar_result_pays_both_sides_in_whole_cents(client: Client) -> None:
    client.order(B825, "bid", "0.4200", "7.5")
    client.order(B805, "ask", "0.3000", "3")
    before = client.cash()
    for ticker in (B825, B805):
        control(client.exchange, "market/determine", ticker=ticker, result="scalar", value="0.3350")
        client.exchange.advance(client.exchange.now() + 3_000)
    # YES 7.5 * 0.335 = 2.5125 -> 2.51; NO 3 * 0.665 = 1.995 -> 1.99
    assert client.cash() - before == 4_500_000
    records = {s["ticker"]: s for s in client.get("/portfolio/settlements")["settlements"]}
    assert (records[B825]["revenue"], records[B805]["revenue"]) == (251, 199)
    assert (records[B825]["market_result"], records[B825]["value"]) == ("scalar", 33)
    assert records[B825]["yes_count_fp"], records[B805]["no_count_fp"] == ("7.50", "3.00")


def test_a_void_event_settles_every_market_at_its_last_price(make: Callable[..., Exchange]) -> None:
    client = Client(make(scalar_rate=1.0))
    client.exchange.advance(client.exchange.markets[MIN].close_ms + 10_000)
    markets = client.get(f"/events/{GAME}")["markets"]
    assert {m["result"] for m in markets} == {"scalar"}
    assert sum(float(m["settlement_value_dollars"]) for m in markets) != 1.0


def test_an_outcome_that_was_not_listed_pays_no_yes(client: Client) -> None:
    control(client.exchange, "event/outcome", event_ticker=DRAW, outcome="")
    client.exchange.advance(client.exchange.markets[f"{DRAW}-ATL"].close_ms + 10_000)
    assert {m["result"] for m in client.get(f"/events/{DRAW}")["markets"]} == {"no"}


def test_a_threshold_ladder_is_determined_in_order(client: Client) -> None:
    markets = [m for m in client.exchange.markets.values() if m.ticker.startswith("KXPAYROLLS")]
    for market, anchor in zip(markets, (0.9, 0.6, 0.2), strict=True):
        market.anchor = anchor
    client.exchange.advance(markets[0].close_ms + 10_000)
    results = [m.result for m in markets]
    assert results == sorted(results, reverse=True)


def test_winners_follow_the_prices(make: Callable[..., Exchange]) -> None:
    exchange, wins = make(), Counter[str]()
    for seed in range(400):
        exchange.streams = Streams(seed)
        lifecycle.draw_outcome(exchange, exchange.events[HIGH])
        wins[exchange.events[HIGH].outcome] += 1
    assert wins[B825] / 400 == pytest.approx(0.42, abs=0.08)
    assert wins[B805] / 400 == pytest.approx(0.33, abs=0.08)


def test_pause_keeps_orders_and_resume_cancels_them(client: Client) -> None:
    keep = client.placed(B825, "bid", "0.1000", "1")
    gone = client.placed(B825, "bid", "0.1000", "1", cancel_order_on_pause=True)
    listener = Listener(client.exchange)
    listener.send("subscribe", channels=["market_lifecycle_v2"])
    control(client.exchange, "market/pause", ticker=B825)
    assert client.one(keep)["status"] == "resting"
    assert client.one(gone)["status"] == "canceled"
    assert code(client.order(B825, "bid", "0.4200", "1")) == (409, "trading_is_paused")
    assert client.get("/markets", status="paused")["markets"][0]["ticker"] == B825
    control(client.exchange, "market/resume", ticker=B825)
    assert client.one(keep)["status"] == "canceled"
    assert [f["msg"]["event_type"] for f in listener.frames()] == ["deactivated", "activated"]


def test_a_paused_market_still_takes_cancels(client: Client) -> None:
    order = client.placed(B825, "bid", "0.1000", "1")
    control(client.exchange, "market/pause", ticker=B825)
    assert client.cancel(order)[0] == 200


def test_trading_pause_of_a_shard_and_exchange_pause(client: Client) -> None:
    order = client.placed(MIN, "bid", "0.1000", "1")
    control(client.exchange, "status", trading_paused=True, shard=3)
    assert code(client.order(MIN, "bid", "0.4800", "1")) == (409, "trading_is_paused")
    assert client.order(B825, "bid", "0.4200", "1")[0] == 201
    control(client.exchange, "status", exchange_paused=True)
    assert code(client.cancel(order, market_ticker=MIN)) == (409, "exchange_is_paused")
    status = client.get("/exchange/status")
    assert (status["exchange_active"], status["trading_active"]) == (False, False)
    control(client.exchange, "status", exchange_paused=False)
    assert client.cancel(order, market_ticker=MIN)[0] == 200


def test_thursday_maintenance_refuses_orders_and_takes_cancels(make: Callable[..., Exchange]) -> None:
    exchange = make(weekly_maintenance=True)
    client, listener = Client(exchange), Listener(exchange)
    for market in exchange.markets.values():
        market.close_ms += 10 * 86_400_000
    order = client.placed(B825, "bid", "0.1000", "1")
    thursday = 1_795_680_000_000  # 2026-11-26 08:00 UTC, 03:00 in New York
    assert thursday > START
    exchange.advance(thursday + 60_000)
    assert listener.session.closed
    assert code(client.order(B825, "bid", "0.4200", "1")) == (409, "trading_is_paused")
    assert client.cancel(order)[0] == 200
    exchange.advance(thursday + 2 * 3_600_000)
    assert client.order(B825, "bid", "0.4200", "1")[0] == 201


def test_early_close_and_reopen(client: Client) -> None:
    listener = Listener(client.exchange)
    listener.send("subscribe", channels=["market_lifecycle_v2"])
    control(client.exchange, "market/close", ticker=B825)
    assert code(client.order(B825, "bid", "0.4200", "1")) == (400, "market_inactive")
    control(client.exchange, "market/reopen", ticker=B825, for_ms=50_000)
    assert client.exchange.markets[B825].status == "active"
    kinds = [f["msg"]["event_type"] for f in listener.frames()]
    assert kinds == ["close_date_updated", "activated", "close_date_updated"]
    client.exchange.advance(client.exchange.now() + 50_000)
    assert client.exchange.markets[B825].status == "closed"


def test_the_next_event_opens_after_settlement(make: Callable[..., Exchange]) -> None:
    client = Client(make(still=False, flow_events_per_step=0))
    listener = Listener(client.exchange)
    listener.send("subscribe", channels=["market_lifecycle_v2"])
    client.exchange.advance(client.exchange.markets[B825].close_ms + 10_000)
    fresh = client.get("/events", series_ticker="KXHIGHNY", status="open", with_nested_markets=True)["events"]
    assert [e["event_ticker"] for e in fresh] == ["KXHIGHNY-26JUL21"]
    assert fresh[0]["title"] == "Highest temperature in NYC on Jul 21, 2026?"
    legs = fresh[0]["markets"]
    assert len(legs) == 4
    assert {m["title"] for m in legs} == {"Highest temperature in NYC on Jul 21, 2026?"}, "no label of the day before"
    assert fresh[0].get("strike_date", "2026-07-21")[:10] in ("2026-07-21", "2026-07-22"), "nor the date of today"
    assert all("July 21" in m["rules_primary"] or "Jul 21" in m["rules_primary"] for m in legs)
    between = [(m["floor_strike"], m["cap_strike"]) for m in legs if m["strike_type"] == "between"]
    low = next(m["cap_strike"] for m in legs if m["strike_type"] == "less")
    high = next(m["floor_strike"] for m in legs if m["strike_type"] == "greater")
    assert sorted(between) == [(low, low + 1), (low + 2, low + 3)]
    assert high == low + 3
    types = Counter(f["type"] for f in listener.frames())
    assert types["event_lifecycle"] >= 1
    assert client.order(legs[1]["ticker"], "bid", "0.9000", "1")[1]["fill_count"] == "1.00"


def test_still_opens_nothing(client: Client) -> None:
    client.exchange.advance(client.exchange.markets[B825].close_ms + 10_000)
    assert client.get("/events", series_ticker="KXHIGHNY", status="open")["events"] == []


def test_prices_go_to_the_outcome_near_the_close(make: Callable[..., Exchange]) -> None:
    exchange = make(still=False, flow_interval_ms=60_000, flow_events_per_step=5)
    winner = exchange.events[HIGH].outcome
    exchange.advance(exchange.markets[winner].close_ms - 1_000)
    assert (exchange.books[winner].best_bid() or 0) > 8_500
    losers = [t for t in exchange.events[HIGH].markets if t != winner]
    assert all((exchange.books[t].best_ask() or 0) < 1_500 for t in losers)


def test_coin_range_lives_on_the_crypto_shard(client: Client) -> None:
    assert client.get(f"/events/{COIN}")["event"]["exchange_index"] == 2
    assert client.get(f"/markets/{CLE}")["market"]["exchange_index"] == 3


def test_labels_of_the_next_event_name_its_own_day() -> None:
    old, new = "KXAFLGAME-26JUL182310HAWRIC", "KXAFLGAME-26JUL192310HAWRIC"
    assert moved_day("2026-07-18", old, new) == "2026-07-19"
    assert moved_day("Highest temperature on Jul 18, 2026?", old, new) == "Highest temperature on Jul 19, 2026?"
    assert moved_day("A vs B (Jul 18)", old, "KXGAME-AB") == "A vs B (Jul 18)"
