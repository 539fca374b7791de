"""Ladders of dates on the simulated exchange: coherent but for what is planted, settled by one day, certified by their registered form."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from kalbot.common import clock
from markets.catalogue.scan import scan
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.models import Certificate, ContractTerms, RefusedFamily
from markets.terms.registry import changes
from markets.terms.states import StateList
from simulator.exchange import Exchange
from simulator.flow import family_edges, market_makers
from simulator.listing import date_ladders
from simulator.listing.model import Event
from simulator.rest import render
from tests.simulator.test_thresholds import exchange
from tests.trading.twin import BASE, NoLimit, TwinSession, Unsigned

__all__ = ["exchange"]


def ladder(exchange: Exchange) -> Event:
    return next(
        event for event in exchange.events.values() if date_ladders.is_one(event) and exchange.markets[event.markets[0]]
    )


def test_a_later_date_is_never_offered_for_less_than_an_earlier_one_is_bid_for(exchange: Exchange) -> None:
    event, rng = ladder(exchange), exchange.streams.stream("flow")
    assert len(event.markets) == len(date_ladders.CHANCES)
    for _ in range(30):
        market_makers.move_event(exchange, event, rng)
        for earlier, later in pairwise(event.markets):
            bid, ask = exchange.books[earlier].best_bid() or 0, exchange.books[later].best_ask() or 10_000
            assert bid <= ask


def test_a_planted_edge_pays_more_than_it_costs_and_is_withdrawn(exchange: Exchange) -> None:
    event = ladder(exchange)
    event.life_ms = 1_000  # its prices do not show the outcome yet
    edge = family_edges.plant(exchange, event, 10_000, exchange.streams.stream("edges"))
    assert edge is not None
    later, earlier = edge.prices
    assert exchange.markets[later].close_ms > exchange.markets[earlier].close_ms
    assert exchange.books[later].best_ask() == edge.prices[later]
    assert exchange.books[earlier].best_bid() == edge.prices[earlier]
    assert edge.prices[later] + 10_000 - edge.prices[earlier] <= 10_000 - 350
    exchange.advance(exchange.now() + 11_000)
    assert (exchange.books[later].best_ask() or 10_000) > edge.prices[later]
    assert not exchange.edges


def test_dates_close_one_after_the_other_are_settled_by_one_day_and_followed(exchange: Exchange) -> None:
    event = ladder(exchange)
    closes = [exchange.markets[ticker].close_ms for ticker in event.markets]
    assert closes == sorted(set(closes))
    exchange.advance(closes[0] + 500)
    assert [exchange.markets[ticker].status for ticker in event.markets[:2]] == ["closed", "active"]
    exchange.advance(closes[-1] + 60_000)
    results = [exchange.markets[ticker].result for ticker in event.markets]
    assert results == sorted(results), "once Yes, Yes before every later date"
    assert set(results) <= {"yes", "no"}
    assert any(date_ladders.is_one(one) and one.generation == 1 for one in exchange.events.values())


def test_a_series_that_is_listed_while_the_exchange_runs_has_its_terms_too(exchange: Exchange) -> None:
    """The demo's first ladder comes with the first range event that lives long enough, after the exchange began to serve its documents."""
    assert render.series(exchange, exchange.series[date_ladders.SERIES])["contract_terms_url"].endswith("KXLAUNCH.pdf")
    exchange.documents_at = "http://127.0.0.1:9"
    ranges = next(event for event in exchange.events.values() if event.series_ticker == date_ladders.WITH)
    del exchange.series[date_ladders.SERIES]
    assert date_ladders.list_with(exchange, ranges) is not None
    found = {name: render.series(exchange, one)["contract_terms_url"] for name, one in exchange.series.items()}
    assert found[date_ladders.SERIES] == "http://127.0.0.1:9/terms/LAUNCH.txt"
    assert found["KXBTC"] == found["KXBTCD"] == "http://127.0.0.1:9/terms/BTC.txt"
    exchange.series["KXBTC"].contract_terms_url = "https://terms.invalid/2.pdf"
    assert render.series(exchange, exchange.series["KXBTC"])["contract_terms_url"] == "https://terms.invalid/2.pdf"


@pytest.mark.django_db
def test_what_is_listed_is_certified_by_its_form_once_a_person_approved_the_terms(
    exchange: Exchange, settings: Any
) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    exchange.documents_at = "http://127.0.0.1:9"
    client = KalshiClient(
        from_settings(BASE, "ws://twin.invalid/trade-api/ws/v2"),
        Unsigned(),  # type: ignore[arg-type]  # the twin has no keys
        NoLimit(),
        TwinSession(exchange),
        clock=clock.now_ms,
    )
    changes.ensure_proposals()
    scan(client)
    family = f"FAMILY-{ladder(exchange).ticker}"
    refused = list(RefusedFamily.objects.values_list("series_tickers", "code", "sentence"))
    proposed = Certificate.objects.filter(event=family, status="granted").first()
    assert proposed is not None, refused
    assert proposed.grade == "if_determined"
    entry = ContractTerms.objects.get(url="/terms/LAUNCH.txt")
    columns: dict[str, Any] = {"status": ContractTerms.Status.APPROVED, "approved_sha256": "a" * 64}
    ContractTerms.objects.filter(pk=entry.pk).update(**columns)
    scan(client)
    certificate = Certificate.objects.get(event=family, status="granted")
    assert certificate.grade == "guaranteed"
    states = StateList.from_json(certificate.states)
    assert states.atoms is not None
    assert len(states.atoms) == len(date_ladders.CHANCES) + 1, "a day before each date, and one after all"
    words = states.atoms.words(0)
    assert words == f"x < {date_ladders.words_of(date_ladders.dates(exchange.now(), 1)[0])}"
