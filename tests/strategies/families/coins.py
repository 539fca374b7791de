"""Ranges and thresholds of one coin and hour as catalogue rows, with their registered terms, and their live books."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from kalbot.common import clock
from markets.connect import environment
from markets.models import ContractTerms, Event, Market, Series
from markets.terms import certificates
from markets.terms.facts import EventFacts
from tests.markets.terms.test_families import thresholds
from tests.markets.terms.wording import price_range
from tests.strategies import world

SOURCES = [{"name": "CF Benchmarks", "url": "https://www.cfbenchmarks.com/data/indices/BRTI"}]
URL = "/contract_terms/BTC.txt"
FAMILY = "FAMILY-KXBTC-1-KXBTCD-1"
RANGES = [(3, 5), (38, 40), (38, 40), (18, 20)]
"""YES bid and ask in cents. The asks add up to more than a dollar."""
THRESHOLDS = [(95, 97), (57, 60), (17, 22)]
"""Coherent with the ranges."""
CHEAP = [(95, 97), (40, 42), (65, 68)]
"""YES above 54,299.99 for 42 and NO above 54,399.99 for 35: one of them pays always, both in between."""


def add_coins(hours: int = 1) -> None:
    """The two events with coherent quotes, approved terms with common determination, and the certificate of each event alone."""
    closes = clock.now() + timedelta(hours=hours)
    ContractTerms.objects.create(
        exchange="simulator",
        url=URL,
        series_tickers=["KXBTC", "KXBTCD"],
        status="approved",
        approved_sha256="a" * 64,
        no_data="all_no",
        common_determination="One average at one instant.",
    )
    add(price_range(), closes, RANGES)
    add(thresholds(), closes, THRESHOLDS)
    certificates.refresh(["KXBTC-1", "KXBTCD-1"])


def quote(event: str, quotes: list[tuple[int, int]]) -> None:
    """Put these best prices into the catalogue and, ten thousand contracts of each, into the live books."""
    facts = price_range() if event == "KXBTC-1" else thresholds()
    tickers = [market.ticker for market in facts.markets]
    for ticker, (bid, ask) in zip(tickers, quotes, strict=True):
        Market.objects.filter(pk=ticker).update(yes_bid=bid * 100, yes_ask=ask * 100)
    books = {
        t: (((bid * 100, 10_000),), ((10_000 - ask * 100, 10_000),))
        for t, (bid, ask) in zip(tickers, quotes, strict=True)
    }
    world.publish(event, books)


def add(facts: EventFacts, closes: datetime, quotes: list[tuple[int, int]]) -> None:
    Series.objects.create(
        ticker=facts.series_ticker,
        category="Crypto",
        fee_type="quadratic",
        contract_terms_url=document(),
        settlement_sources=SOURCES,
    )
    event = Event.objects.create(
        ticker=facts.event_ticker,
        series_id=facts.series_ticker,
        title=facts.event_ticker,
        mutually_exclusive=facts.mutually_exclusive,
        collateral_return_type=facts.collateral_return_type,
        close_time=closes,
        market_count=len(facts.markets),
    )
    list_markets(event, facts, [closes] * len(facts.markets), quotes)


def list_markets(
    event: Event, facts: EventFacts, closes: Sequence[datetime], quotes: Sequence[tuple[int, int]]
) -> None:
    """The event's markets in the catalogue, by their own times of close and best prices in cents, a hundred contracts of each."""
    for market, at, (bid, ask) in zip(facts.markets, closes, quotes, strict=True):
        Market.objects.create(
            ticker=market.ticker,
            event=event,
            status="active",
            market_type="binary",
            yes_sub_title=market.yes_sub_title,
            rules_primary=market.rules_primary,
            rules_secondary=market.rules_secondary,
            strike_type=market.strike_type,
            floor_strike=str(market.floor_strike or ""),
            cap_strike=str(market.cap_strike or ""),
            close_time=at,
            expected_expiration_time=at + timedelta(minutes=10),
            price_bands=[[0, 10_000, 100]],
            yes_bid=bid * 100,
            yes_bid_size=10_000,
            yes_ask=ask * 100,
            yes_ask_size=10_000,
        )


def document() -> str:
    """The simulator's address of the document, as a series carries it."""
    at = urlsplit(environment().rest_url)
    return f"{at.scheme}://{at.netloc}{URL}"
