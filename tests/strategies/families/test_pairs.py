"""Two events of one source and one moment are a family, or somebody can look up why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from itertools import combinations
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kalbot.common import clock
from markets.catalogue import families
from markets.catalogue.family_pairs import Pairs
from markets.models import Certificate, ContractTerms, Event, Market, RefusedFamily, Series
from markets.terms import certificates
from tests.markets.terms.test_families import thresholds
from tests.strategies.families import coins

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]
SECOND = "KXBTCD-2"


@pytest.fixture(autouse=True)
def catalogue(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    coins.add_coins()


def another(series: str = "KXBTCD", ticker: str = SECOND, markets: slice = slice(None)) -> None:
    """One more ladder of thresholds at the moment of the first."""
    facts = thresholds()
    renamed = tuple(
        replace(market, ticker=market.ticker.replace("KXBTCD-1", ticker)) for market in facts.markets[markets]
    )
    closes = Event.objects.get(pk="KXBTCD-1").close_time
    assert closes is not None
    Series.objects.get_or_create(
        ticker=series, defaults={"settlement_sources": coins.SOURCES, "contract_terms_url": coins.document()}
    )
    event = Event.objects.create(ticker=ticker, series_id=series, title=facts.title, close_time=closes)
    coins.list_markets(
        event, replace(facts, markets=renamed), [closes] * len(renamed), coins.THRESHOLDS[: len(renamed)]
    )
    certificates.refresh([ticker])


def alone(event: str) -> None:
    Market.objects.filter(event=event).update(status="finalized")
    Event.objects.filter(pk=event).update(is_open=False)


def test_two_ladders_of_one_series_that_say_the_same_are_refused_by_name() -> None:
    """Nothing that is read distinguishes them, and nothing said so."""
    another()
    alone("KXBTC-1")
    assert families.refresh().families == []
    row = RefusedFamily.objects.get(series_tickers="KXBTCD")
    assert (row.code, row.example) == ("listed_twice", f"KXBTCD-1 + {SECOND}")
    assert Pairs.read().why("KXBTCD-1", SECOND).code == "listed_twice"


def test_two_ladders_of_one_series_with_strikes_of_their_own_are_a_family_where_the_terms_prove_it() -> None:
    another(markets=slice(0, 2))
    Market.objects.filter(event="KXBTCD-1", ticker__in=[one.ticker for one in thresholds().markets[:2]]).delete()
    more = thresholds().markets[2]
    assert Market.objects.filter(event="KXBTCD-1").get().pk == more.ticker
    alone("KXBTC-1")
    certificates.refresh(["KXBTCD-1", SECOND])
    (family,) = families.refresh().families
    assert family == f"FAMILY-KXBTCD-1-{SECOND}"
    assert len(Certificate.objects.get(event=family, status="granted").states["atoms"]["spans"]) == 3
    assert Pairs.read().why("KXBTCD-1", SECOND).code == "family"


def test_two_ladders_of_an_unregistered_series_are_refused_for_its_terms() -> None:
    another()
    alone("KXBTC-1")
    ContractTerms.objects.all().delete()
    families.refresh()
    assert RefusedFamily.objects.get(series_tickers="KXBTCD").code == "terms_missing"
    assert Pairs.read().why("KXBTCD-1", SECOND).code == "terms_missing"


def _no_strikes(ticker: str) -> None:
    Market.objects.filter(event=ticker).update(floor_strike="", cap_strike="", strike_type="structured")


CHANGES: dict[str, Any] = {
    "no_values": _no_strikes,
    "times_unknown": lambda ticker: Market.objects.filter(event=ticker).update(expected_expiration_time=None),
    "shard_differs": lambda ticker: Market.objects.filter(event=ticker).update(exchange_index=3),
    "leg_not_active": lambda ticker: Market.objects.filter(event=ticker).update(status="closed"),
    "expiry_differs": lambda ticker: Market.objects.filter(
        pk=Market.objects.filter(event=ticker).order_by("pk")[0].pk
    ).update(expected_expiration_time=clock.now() + timedelta(days=2)),
    "rules_unread": lambda ticker: Market.objects.filter(event=ticker).update(rules_primary="Another rule."),
    "terms_missing": lambda ticker: Event.objects.filter(pk=ticker).update(series="KXOTHER"),
}


@pytest.mark.parametrize("code", CHANGES)
def test_every_pair_has_a_reason_and_the_count_is_that_of_all_pairs(code: str) -> None:
    Series.objects.create(ticker="KXOTHER", settlement_sources=coins.SOURCES)
    another()
    for number in range(3):
        another(series="KXNAMES", ticker=f"KXNAMES-{number}")
        _no_strikes(f"KXNAMES-{number}")
    CHANGES[code](SECOND)
    families.refresh()
    pairs = Pairs.read()
    (group,) = pairs.groups()
    assert len(group) == 6
    said = [pairs.why(*both) for both in combinations(group, 2)]
    counted = pairs.count()
    assert {why: one.pairs for why, one in counted.items()} == {
        why: sum(one.code == why for one in said) for why in {one.code for one in said}
    }
    assert sum(one.pairs for one in counted.values()) == 15
    assert pairs.why("KXBTC-1", SECOND).code == code
    assert all(one.sentence for one in counted.values())
    for why, one in counted.items():
        assert pairs.why(*sorted(one.example)).code == why, "its example is one of its own"


def test_the_command_counts_pairs_and_says_why_two_events_are_none() -> None:
    another(series="KXNAMES", ticker="KXNAMES-1")
    _no_strikes("KXNAMES-1")
    families.refresh()
    out = StringIO()
    call_command("families", "--pairs", stdout=out)
    assert "3 pairs of open events that share a settlement source and a close" in out.getvalue()
    assert "no_values" in out.getvalue()
    call_command("families", "--pairs", "--json", stdout=out)
    assert '"pairs": 2' in out.getvalue()
    call_command("families", "--why", "KXBTC-1", "KXBTCD-1", stdout=out)
    assert f"a family: One value settles both: {coins.FAMILY}" in out.getvalue()
    call_command("families", "--why", "KXBTC-1", "KXNAMES-1", stdout=out)
    assert "no family (no_values): The markets of KXNAMES-1 have no strikes" in out.getvalue()
    with pytest.raises(CommandError, match="NOBODY is no open event"):
        call_command("families", "--why", "KXBTC-1", "NOBODY")


def split_ladder() -> None:
    """The highest threshold is an event of its own, and the others are a second one that is not listed yet."""
    Market.objects.filter(event="KXBTCD-1", ticker__in=[one.ticker for one in thresholds().markets[:2]]).delete()
    certificates.refresh(["KXBTCD-1"])


def test_what_a_person_revoked_stays_revoked_when_an_event_joins_it() -> None:
    split_ladder()
    (family,) = families.refresh().families
    certificates.revoke(Event.objects.get(pk=family), "ann", "I do not believe it")
    another(markets=slice(0, 2))
    assert families.refresh().families == []
    row = RefusedFamily.objects.get(series_tickers="KXBTC + KXBTCD")
    assert (row.code, "ann revoked it" in row.sentence) == ("revoked", True)
    assert families.refresh().families == [], "in the next scan too"


@pytest.mark.parametrize("gone", [SECOND, "KXBTC-1"])
def test_what_a_person_revoked_stays_revoked_when_an_event_leaves_it(gone: str) -> None:
    split_ladder()
    another(markets=slice(0, 2))
    (family,) = families.refresh().families
    certificates.revoke(Event.objects.get(pk=family), "ann", "I do not believe it")
    alone(gone)
    assert families.refresh().families == []


def test_a_ladder_that_a_person_revoked_is_no_part_of_another_family() -> None:
    Event.objects.filter(pk="KXBTC-1").update(is_open=False)
    (ladder,) = families.refresh().families
    certificates.revoke(Event.objects.get(pk=ladder), "ann", "I do not believe it")
    Event.objects.filter(pk="KXBTC-1").update(is_open=True)
    assert families.refresh().families == []


def test_the_ladder_of_a_revoked_family_may_be_one_by_itself() -> None:
    """That two events have one value was not believed; one event's thresholds are another matter."""
    (family,) = families.refresh().families
    certificates.revoke(Event.objects.get(pk=family), "ann", "I do not believe it")
    Event.objects.filter(pk="KXBTC-1").update(is_open=False)
    assert families.refresh().families == ["FAMILY-KXBTCD-1"]
