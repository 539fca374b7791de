"""Thresholds beside ranges on the simulated exchange: one value, certified together, coherent but for what is planted, settled alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from kalbot.common import clock as clocks
from markets.catalogue.scan import scan
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.models import Certificate, RefusedFamily
from markets.terms.registry import changes
from markets.terms.states import StateList
from simulator.clock import ManualClock
from simulator.config import SimulatorConfig
from simulator.exchange import Exchange
from simulator.flow import family_edges, market_makers
from simulator.listing import date_ladders, thresholds
from simulator.listing.model import Event
from simulator.persistence.snapshot import load_snapshot
from tests.trading.twin import BASE, NoLimit, TwinSession, Unsigned

BUNDLED = next(Path("simulator/data").glob("2*"))


@pytest.fixture
def exchange() -> Exchange:
    """The bundled snapshot with its range event alone."""
    return listed(ManualClock(1_786_000_000_000))


def listed(clock: ManualClock) -> Exchange:
    """The same by another clock."""
    config = SimulatorConfig(flow_events_per_step=0, rate_limits=False)
    found = Exchange(config, clock)
    found.open_accounts()
    loaded = load_snapshot(BUNDLED, config, found.streams, found.now())
    loaded.events = {ticker: event for ticker, event in loaded.events.items() if event.series_ticker == "KXBTC"}
    loaded.markets = {ticker: market for ticker, market in loaded.markets.items() if market.series_ticker == "KXBTC"}
    loaded.series = {"KXBTC": loaded.series["KXBTC"]}
    found.list_snapshot(loaded)
    return found


def pair(exchange: Exchange) -> tuple[Event, Event]:
    ranges = next(event for event in exchange.events.values() if event.series_ticker == "KXBTC")
    second = thresholds.beside(exchange, ranges)
    assert second is not None
    return ranges, second


def test_prices_of_both_agree_while_they_move(exchange: Exchange) -> None:
    ranges, second = pair(exchange)
    rng = exchange.streams.stream("flow")
    for _ in range(20):
        market_makers.move_event(exchange, ranges, rng)
        steps = [exchange.markets[ticker] for ticker in ranges.markets]
        chances = market_makers.fair_probabilities(exchange, ranges, steps)
        for ticker in second.markets:
            market, book = exchange.markets[ticker], exchange.books[ticker]
            fair = thresholds.chance(market.floor_strike or 0, steps, chances) * 10_000
            assert (book.best_bid() or 0) <= fair <= (book.best_ask() or 10_000)


def test_a_planted_edge_pays_more_than_it_costs_and_is_withdrawn(exchange: Exchange) -> None:
    ranges, second = pair(exchange)
    ranges.life_ms = 1_000  # its prices do not show the outcome yet
    edge = family_edges.plant(exchange, second, 10_000, exchange.streams.stream("edges"))
    assert edge is not None
    threshold, above = edge.prices
    assert exchange.books[threshold].best_ask() == edge.prices[threshold]
    assert exchange.books[above].best_bid() == edge.prices[above]
    assert edge.prices[threshold] + 10_000 - edge.prices[above] <= 10_000 - 350
    exchange.advance(exchange.now() + 11_000)
    assert (exchange.books[threshold].best_ask() or 10_000) > edge.prices[threshold]
    assert not exchange.edges


def test_both_are_determined_by_one_value_and_followed_together(exchange: Exchange) -> None:
    ranges, second = pair(exchange)
    winner = exchange.markets[ranges.outcome]
    exchange.advance(exchange.markets[ranges.markets[0]].close_ms + 60_000)
    for ticker in second.markets:
        market = exchange.markets[ticker]
        expected = winner.floor_strike is not None and winner.floor_strike > (market.floor_strike or 0)
        assert market.result == ("yes" if expected else "no")
    follower = [event for event in exchange.events.values() if event.generation == 1]
    assert sorted(event.series_ticker for event in follower) == ["KXBTC", "KXBTCD", date_ladders.SERIES]
    follower = [event for event in follower if not date_ladders.is_one(event)]
    assert len({exchange.markets[ticker].close_ms for event in follower for ticker in event.markets}) == 1


@pytest.mark.django_db
def test_what_is_listed_is_certified_as_one_family(exchange: Exchange) -> None:
    client = KalshiClient(
        from_settings(BASE, "ws://twin.invalid/trade-api/ws/v2"),
        Unsigned(),  # type: ignore[arg-type]  # the twin has no keys
        NoLimit(),
        TwinSession(exchange),
        clock=clocks.now_ms,
    )
    changes.ensure_proposals()
    scan(client)
    for again in (False, True):
        rows = Certificate.objects.filter(event__is_family=True, event__is_open=True, status="granted")
        rows = rows.exclude(event__series=date_ladders.SERIES)
        assert rows.count() == 1, list(RefusedFamily.objects.values_list("code", "sentence"))
        atoms = StateList.from_json(rows.get().states).atoms
        assert atoms is not None
        assert len(atoms.spans) == 188 + 2 * thresholds.EACH_WAY
        if not again:
            ranges, _ = pair(exchange)
            exchange.advance(exchange.markets[ranges.markets[0]].close_ms + 60_000)
            scan(client)
