"""``manage.py families`` on catalogue rows: ranges and thresholds of one coin and hour."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from kalbot.common import clock
from markets.connect import environment
from markets.models import ContractTerms, Event, Market, Series
from markets.terms.facts import EventFacts
from tests.markets.terms.test_families import thresholds
from tests.markets.terms.wording import price_range

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]
URL = "/contract_terms/BTC.txt"


@pytest.fixture(autouse=True)
def catalogue(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    closes = clock.now() + timedelta(hours=1)
    ContractTerms.objects.create(
        exchange="simulator",
        url=URL,
        series_tickers=["KXBTC", "KXBTCD"],
        status="approved",
        approved_sha256="a" * 64,
        no_data="all_no",
        common_determination="One average at one instant.",
    )
    # asks add up to more than a dollar everywhere: ranges 5, 40, 40, 20; thresholds 97, 60, 22
    add(price_range(), closes, [(3, 5), (38, 40), (38, 40), (18, 20)])
    add(thresholds(), closes, [(95, 97), (57, 60), (17, 22)])


def add(facts: EventFacts, closes: datetime, quotes: list[tuple[int, int]]) -> None:
    Series.objects.create(
        ticker=facts.series_ticker, category="Crypto", fee_type="quadratic", contract_terms_url=document()
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
    for market, (bid, ask) in zip(facts.markets, quotes, strict=True):
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
            close_time=closes,
            expected_expiration_time=closes + timedelta(minutes=10),
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


def families(*options: str) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("families", "--json", *options, stdout=out)
    return list(json.loads(out.getvalue()))


def test_coherent_prices_are_proven_to_hold_no_basket() -> None:
    (found,) = families()
    assert found["events"] == ["KXBTC-1", "KXBTCD-1"]
    assert found["result"] == "none, proven"
    out = StringIO()
    call_command("families", "--atoms", "KXBTC-1", stdout=out)
    shown = out.getvalue()
    assert "54199.99 < x < 54200" in shown
    call_command("families", stdout=out)
    assert "1 groups: 0 baskets" in out.getvalue()


def test_a_threshold_that_is_too_cheap_beside_a_range_makes_a_guaranteed_basket() -> None:
    # YES above 54,299.99 for 60 and NO above 54,399.99, whose YES bid rises to 55, for 45: one pays always, both in between
    Market.objects.filter(ticker__contains="greater54299.99").update(yes_bid=4_000, yes_ask=4_200)
    Market.objects.filter(ticker__contains="KXBTCD-1-greater54399.99").update(yes_bid=6_500, yes_ask=6_800)
    (found,) = families("--max-cost", "50")
    assert found["grade"] == "guaranteed"
    assert float(found["floor"].strip("$")) > float(found["cost"].strip("$"))
    assert float(found["cost"].strip("$")) <= 50
    assert len(found["legs"]) >= 2


def test_a_family_without_its_clause_is_refused_by_name() -> None:
    ContractTerms.objects.update(common_determination="")
    (found,) = families()
    assert found["refused"] == "common_determination"
    with pytest.raises(CommandError, match="no clause"):
        families("--atoms", "KXBTC-1")


def test_bad_options_are_said() -> None:
    with pytest.raises(CommandError, match="decimal"):
        families("--max-cost", "much")
    with pytest.raises(CommandError, match="in no family"):
        families("--atoms", "NOBODY")
