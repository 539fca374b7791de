"""Planted baskets pay what they promise, moving books never offer one by themselves; on the bundled recording."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.clock import ManualClock
from simulator.config import SimulatorConfig
from simulator.exchange import Exchange
from simulator.flow import edges, market_makers
from simulator.listing.model import Edge
from simulator.persistence.snapshot import load_snapshot
from simulator.weather import adverse_turns

from .world import START

BUNDLED = Path(simulator.__file__).parent / "data" / "20260719T155529Z"


def bundled(**settings: Any) -> Exchange:
    config = SimulatorConfig(**({"rate_limits": False} | settings))
    exchange = Exchange(config, ManualClock(START))
    exchange.list_snapshot(load_snapshot(BUNDLED, config, exchange.streams, START))
    exchange.open_accounts()
    exchange.begin()
    return exchange


def net(exchange: Exchange, edge: Edge) -> Fraction:
    """Dollars per set of contracts after taker fees, from the books as they are (expectation for coverage)."""
    total = Fraction(0)
    for ticker, price in edge.prices.items():
        market, book = exchange.markets[ticker], exchange.books[ticker]
        best = book.best_bid() if edge.kind == "all_no" else book.best_ask()
        assert best is not None
        assert best >= price if edge.kind == "all_no" else best <= price
        assert edge.sizes[ticker] >= 2_000
        p = Fraction(best, 10_000)
        fee = Fraction(exchange.terms(market).multiplier, 10_000) * Fraction(7, 100) * p * (1 - p)
        total += (p if edge.kind == "all_no" else -p) - fee
    if edge.kind == "all_no":
        return total - 1
    covered = 1.0 if edge.kind == "all_yes" else sum(exchange.markets[t].anchor for t in edge.prices)
    return total + Fraction(covered)


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return bundled(edge_every_s=0.0)


@pytest.mark.parametrize("kind", edges.KINDS)
def test_an_edge_is_profitable_after_fees_and_goes_away(exchange: Exchange, kind: str) -> None:
    rng, planted = exchange.streams.stream("test"), []
    for name in exchange.live_events():
        event = exchange.events[name]
        edge = edges.plant(exchange, event, kind, 12_000, rng)
        if edge is not None:
            planted.append(edge)
            profit = net(exchange, edge)
            assert profit >= Fraction(3, 100), (name, profit)
            assert profit * min(edge.sizes.values()) / 100 > Fraction(1, 10) * 5
            for ticker in event.markets:
                book = exchange.books[ticker]
                bid, ask = book.best_bid(), book.best_ask()
                assert bid is None or ask is None or bid < ask
        if len(planted) >= 12:
            break
    assert len(planted) >= 6
    exchange.advance(exchange.now() + 13_000)
    assert exchange.edges == {}
    for edge in planted:
        assert _spontaneous(exchange, edge.event_ticker) is None


def _spontaneous(exchange: Exchange, event_ticker: str) -> str | None:
    """A basket on all legs that would pay after fees, if there is one."""
    markets = [exchange.markets[t] for t in exchange.events[event_ticker].markets]
    asks = [a for m in markets if (a := exchange.books[m.ticker].best_ask()) is not None]
    bids = [b for m in markets if (b := exchange.books[m.ticker].best_bid())]

    def fees(prices: list[int]) -> float:
        return sum(0.07 * p / 1e4 * (1 - p / 1e4) for p in prices)

    if len(asks) == len(markets) and sum(asks) / 1e4 + fees(asks) < 0.995:
        return f"YES asks of {event_ticker}: {asks}"
    if sum(bids) / 1e4 - fees(bids) > 1.005:
        return f"YES bids of {event_ticker}: {bids}"
    return None


def test_moving_books_offer_nothing_by_themselves() -> None:
    exchange = bundled(flow_interval_ms=100, flow_events_per_step=20, edge_every_s=0.0)
    found = []
    for _ in range(20):
        exchange.advance(exchange.now() + 500)
        for name in exchange.live_events():
            event = exchange.events[name]
            if event.mutually_exclusive and (what := _spontaneous(exchange, name)):
                found.append(what)
    moved = sum(m.clock > 0 for m in exchange.markets.values())
    assert moved > 500
    assert len(set(found)) <= 2, found  # what was recorded that way


def test_makers_never_quote_beyond_the_fair_price(make: Callable[..., Exchange]) -> None:
    exchange = make()
    for event in exchange.events.values():
        markets = [exchange.markets[t] for t in event.markets]
        for market in markets:
            market.anchor *= 0.7  # recorded prices that sum to more than one
        for leader in markets:
            fair = [0.97 if m is leader else 0.03 / (len(markets) - 1) for m in markets]
            for market, chance in zip(markets, fair, strict=True):
                bid, ask = market_makers.targets(market, chance)
                assert bid <= chance * 10_000 <= ask
                assert bid < ask


def test_edges_come_in_turn() -> None:
    exchange = bundled(edge_every_s=1.0, flow_events_per_step=0)
    exchange.advance(START + 9_500)
    assert [e.kind for e in exchange.edge_log] == ["all_no", "all_yes", "coverage"] * 3


def test_nothing_moves_and_no_edge_comes_when_still(make: Callable[..., Exchange]) -> None:
    still = make(edge_every_s=1.0, still=True)
    still.advance(START + 9_500)
    assert (len(still.edge_log), sum(m.clock for m in still.markets.values())) == (0, 0)


def test_weather_turns_against_the_first_and_every_second_coverage_basket(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = bundled(edge_every_s=1.0, turn_every=2, flow_events_per_step=0, speed=1200.0)
    before = {event.ticker: event.outcome for event in exchange.events.values()}
    exchange.advance(exchange.now() + 24_000)
    coverage = [edge for edge in exchange.edge_log if edge.kind == "coverage"]
    assert [edge.turns for edge in coverage] == [i % 2 == 0 for i in range(len(coverage))]
    assert len(coverage) >= 6
    turned = [e for e in coverage if e.turns and e.until_ms < exchange.now()]
    assert [e.event_ticker for e in turned] == list(exchange.turned)
    for edge in turned:
        outcome = exchange.events[edge.event_ticker].outcome
        assert outcome not in edge.prices
        assert exchange.markets[outcome].strike_type == "greater"
    untouched = [e for e in exchange.events.values() if e.ticker not in exchange.turned and e.ticker in before]
    assert all(e.outcome == before[e.ticker] for e in untouched)


def test_a_day_past_its_noon_turns_no_more() -> None:
    exchange = bundled(edge_every_s=0.0, speed=1200.0)
    for event in exchange.events.values():
        if event.series_ticker.startswith("KXHIGH"):
            close = min(exchange.markets[t].close_ms for t in event.markets)
            assert adverse_turns.hottest(exchange, event, (), close - 36_001) is not None
            assert adverse_turns.hottest(exchange, event, (), close - 35_999) is None
            assert adverse_turns.hottest(exchange, event, event.markets, close - 60_000) is None
        else:
            assert adverse_turns.hottest(exchange, event, (), exchange.now()) is None


def test_a_turn_that_no_day_allows_is_deferred_to_the_next_coverage_basket(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = bundled(edge_every_s=1.0, turn_every=2, flow_events_per_step=0, speed=1200.0)
    with monkeypatch.context() as patched:
        patched.setattr(adverse_turns, "hottest", lambda *args: None)
        exchange.advance(exchange.now() + 3_500)
    exchange.advance(exchange.now() + 3_000)
    assert [edge.turns for edge in exchange.edge_log if edge.kind == "coverage"] == [False, True]
