"""WatchlistReader for order books: differences only, whole events only, the most important first."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from markets import watchlist
from markets.models import Event, Market, Series, Watch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue() -> None:
    Series.objects.create(ticker="S")
    for event, legs in (("E1", 3), ("E2", 2), ("E3", 4)):
        Event.objects.create(ticker=event, series_id="S")
        for n in range(legs):
            Market.objects.create(ticker=f"{event}-{n}", event_id=event, status="active")


def test_a_source_replaces_its_own_entries_only() -> None:
    watchlist.replace("candidate:a", ["E1", "E2"], 5)
    watchlist.replace("position:1", ["E2"], 9)
    untouched = Watch.objects.get(event_id="E2", source="candidate:a").pk
    watchlist.replace("candidate:a", ["E2", "E3"], 5)
    assert set(Watch.objects.filter(source="candidate:a").values_list("event_id", flat=True)) == {"E2", "E3"}
    assert Watch.objects.get(event_id="E2", source="candidate:a").pk == untouched
    assert Watch.objects.filter(source="position:1").count() == 1


def test_an_unchanged_list_writes_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    watchlist.replace("candidate:a", ["E1"], 5)
    with django_assert_num_queries(1):  # one read, no transaction
        watchlist.replace("candidate:a", ["E1"], 5)
    watchlist.replace("candidate:a", ["E1"], 7)
    assert Watch.objects.get().priority == 7


def test_the_most_important_events_come_first_and_whole() -> None:
    watchlist.replace("near:a", ["E3"], 1)
    watchlist.replace("candidate:a", ["E1"], 5)
    watchlist.replace("position:1", ["E2"], 9)
    assert list(watchlist.wanted(100)) == ["E2", "E1", "E3"]
    chosen = {event: list(statuses) for event, statuses in watchlist.wanted(6).items()}
    assert chosen == {"E2": ["E2-0", "E2-1"], "E1": ["E1-0", "E1-1", "E1-2"]}
    assert list(watchlist.wanted(4)) == ["E2"]


def test_the_limit_is_one_process_own() -> None:
    watchlist.replace("candidate:a", ["E1"], 5)
    watchlist.replace("position:1", ["E2"], 9)
    assert list(watchlist.wanted(3, lambda event: event == "E1")) == ["E1"]


def test_markets_that_cannot_trade_any_more_are_left_out() -> None:
    watchlist.replace("candidate:a", ["E1"], 5)
    Market.objects.filter(ticker="E1-0").update(status="finalized")
    Market.objects.filter(ticker="E1-1").update(status="inactive")
    assert watchlist.wanted(100) == {"E1": {"E1-1": "inactive", "E1-2": "active"}}
