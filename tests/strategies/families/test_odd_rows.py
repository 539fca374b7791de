"""Rows that no scan of ours would write: whatever one event or entry says, it costs its own family, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from django.db import transaction

from markets.catalogue import families
from markets.models import ContractTerms, Event, Market, RefusedFamily, Series
from markets.terms import certificates
from strategies.catalogue import universe
from strategies.cycle import event_cache
from tests.markets.terms.test_family_forms import LEAVES, dated
from tests.strategies.families import coins
from tests.strategies.families.test_formed import add, register

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]

LADDER: Final = "FAMILY-KXLEAVE-A"
STRIKES: Final = ("NaN", "-Infinity", "0x10", " ", "\N{ARABIC-INDIC DIGIT FIVE}", "five")
JSON: Final[tuple[Any, ...]] = (0, "text", 1.5, [None], [[]], {"a": None}, [{"name": "x"}], {"title": 5})
LISTS: Final[tuple[Any, ...]] = (True, "text", [1], [[]])
ODD: Final[tuple[tuple[Any, str, tuple[Any, ...]], ...]] = (
    (Market, "floor_strike", STRIKES),
    (Market, "other_texts", JSON),
    (Market, "custom_strike", JSON),
    (Event, "product_metadata", JSON),
    (Event, "settlement_sources", JSON),
    (Series, "settlement_sources", JSON),
    (ContractTerms, "series_tickers", LISTS),
    (ContractTerms, "must_contain", LISTS),
    (ContractTerms, "must_not_contain", LISTS),
    (ContractTerms, "family_forms", LISTS),
    (ContractTerms, "levels_before", LISTS),
)
HARMLESS: Final = {
    ("custom_strike", "0"),  # as good as none
    ("floor_strike", "\N{ARABIC-INDIC DIGIT FIVE}"),
    ("settlement_sources", "0"),
}


@pytest.fixture(autouse=True)
def catalogue(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    event_cache.forget()


def place(series: str, name: str) -> None:
    """Its entry and document at an address of its own, so that the next can have the usual one."""
    ContractTerms.objects.filter(series_tickers=[series]).update(url=coins.URL.replace("BTC", name))
    Series.objects.filter(pk=series).update(contract_terms_url=coins.document().replace("BTC", name))


def rows_of(model: Any, series: str) -> Any:
    """One row of the family of a series."""
    first = Market.objects.filter(event__series=series).order_by("pk").values("pk")[:1]
    of_series: dict[Any, dict[str, Any]] = {
        Market: {"pk__in": first},
        Event: {"series": series, "is_family": False},
        Series: {"pk": series},
        ContractTerms: {"url": coins.URL if series == "KXBTC" else coins.URL.replace("BTC", "BAD")},
    }
    return model.objects.filter(**of_series[model])


def test_what_cannot_be_read_costs_its_own_family_and_no_other() -> None:
    quotes, hours = [(50, 53), (20, 23), (60, 64)], [24, 48, 72]
    ladder = dated("Dec 1, 2026", "Jan 1, 2027", "Feb 1, 2027")
    register(["KXLEAVE"], [LEAVES])
    add(ladder, quotes, hours=hours)
    place("KXLEAVE", "LEAVE")
    joins = LEAVES.replace("leaves", "joins")
    register(["KXBAD"], [joins])
    markets = dated("Dec 1, 2026", "Jan 1, 2027", "Feb 1, 2027", rule=joins).markets
    bad = tuple(replace(market, ticker=market.ticker.replace("KXLEAVE", "KXBAD")) for market in markets)
    add(replace(ladder, event_ticker="KXBAD-A", series_ticker="KXBAD", markets=bad), quotes, hours=hours)
    place("KXBAD", "BAD")
    coins.add_coins()
    assert families.refresh().families == [coins.FAMILY, "FAMILY-KXBAD-A", LADDER]
    tried = 0
    for model, column, values in ODD:
        for number, value in enumerate(values):
            series, own = (("KXBTC", coins.FAMILY), ("KXBAD", "FAMILY-KXBAD-A"))[number % 2]
            what = (model.__name__, column, value, series)
            with transaction.atomic():
                assert rows_of(model, series).update(**{column: value}), what
                certificates.refresh(["KXBTC-1", "KXBTCD-1", "KXBAD-A"])
                found = families.refresh()
                assert LADDER in found.families, what
                assert LADDER in universe.load(), what
                if own in found.families:
                    assert (column, str(value)) in HARMLESS, what
                else:
                    assert own not in universe.load(), what
                    refused = RefusedFamily.objects.filter(series_tickers__contains=series)
                    assert all(row.code and row.sentence for row in refused), what
                    assert refused.exists(), what
                transaction.set_rollback(True)
            event_cache.forget()
            tried += 1
    assert tried == sum(len(values) for _, _, values in ODD)
