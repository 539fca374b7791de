"""A replay reads the whole catalogue again when a row of it has changed, and only then: any row, in whatever way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from backtest.replay.database import VIEWED, in_memory
from kalbot.common import clock
from markets.models import Event, FeeChange, Market, Series
from strategies.catalogue import kept_whole, universe
from strategies.cycle import event_cache
from strategies.models import Profile
from strategies.screening import filters, passing, screening
from tests.strategies.world import add_event, add_profile


@pytest.mark.django_db(transaction=True)
def test_every_table_that_the_whole_catalogue_is_read_from_is_watched() -> None:
    add_event("E0", [(4_000, 4_500)] * 2)
    with CaptureQueriesContext(
        connection,
    ) as found:
        universe.load()
        universe.load(["E0"], deep=True)
    tables = {name for query in found for name in re.findall(r'(?:FROM|JOIN) "(\w+)"', query["sql"])}
    assert {Event._meta.db_table, Market._meta.db_table, Series._meta.db_table} < tables
    assert tables <= {model._meta.db_table for model in VIEWED}


@pytest.mark.usefixtures("own_database")
def test_whatever_writes_to_a_watched_table_is_counted() -> None:
    with in_memory(1) as changes:
        before = changes.count
        add_event("E0", [(4_000, 4_500)] * 2)
        assert changes.count > before
        for change in (
            lambda: Market.objects.filter(event="E0").update(status="closed"),
            lambda: Market.objects.filter(event="E0").first().delete(),  # type: ignore[union-attr]
            lambda: connection.cursor().execute("UPDATE markets_series SET title = 'x'"),
        ):
            before = changes.count
            change()
            assert changes.count > before
        before = changes.count
        Profile.objects.update(is_active=False)
        assert changes.count == before, "nothing of it is in a view"


@pytest.mark.django_db(transaction=True)
def test_views_are_kept_while_nothing_has_changed_and_never_where_time_changes_them() -> None:
    add_event("E0", [(4_000, 4_500)] * 2)
    version = 0
    with kept_whole.while_unchanged(lambda: version):
        first = universe.load()
        first.clear()  # what one reader does with it is its own affair
        Event.objects.update(title="new")
        assert universe.load()["E0"].title != "new"
        assert universe.load(["E0"])["E0"].title == "new", "of a few events it is read"
        assert universe.load(deep=True)["E0"].title == "new"
        version += 1
        assert universe.load()["E0"].title == "new"
        at = clock.now() + timedelta(hours=1)
        FeeChange.objects.create(change_id="f", series=Series.objects.get(), scheduled_at=at, fee_type="flat")
        version += 1
        assert universe.load()["E0"].title == "new"
        Event.objects.update(title="newer")
        assert universe.load()["E0"].title == "newer", "an announced fee begins without a change of a row"
        FeeChange.objects.all().delete()
        version += 1
        with transaction.atomic():
            Event.objects.update(title="taken back")
            assert universe.load()["E0"].title == "taken back"
            transaction.set_rollback(True)
        assert universe.load()["E0"].title == "newer"
    Event.objects.update(title="last")
    assert universe.load()["E0"].title == "last"


@pytest.mark.django_db(transaction=True)
def test_filters_are_gone_through_once_until_a_row_changes_or_the_end_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    add_event("E0", [(4_000, 4_500)] * 2)
    profile, version = add_profile(), 0
    checked: list[int] = []
    misses = filters.misses

    def counted(event: universe.EventView, rules: filters.Rules, now_ms: int) -> list[filters.Miss]:
        checked.append(now_ms)
        return misses(event, rules, now_ms)

    monkeypatch.setattr(filters, "misses", counted)

    def constraint(at_ms: int) -> str:
        verdict = screening.judge_all(profile, universe.load(), at_ms)["E0"]
        return "" if verdict.constraint is None else str(verdict.constraint)

    passing.forget()
    end = universe.load()["E0"].ends_ms or 0
    last = end - profile.min_seconds_to_close * 1000
    with kept_whole.while_unchanged(lambda: version):
        first = [constraint(last - before) for before in (3, 2, 1)]
        assert checked == [last - 3]
        assert [constraint(last), constraint(last + 1)] == [first[0], "closes_soon"]
        assert first == [constraint(last - 4)] * 3
        profile.min_seconds_to_close += 10
        assert constraint(last - 9_000) == "closes_soon", "another profile has another memory"
        Event.objects.update(mutually_exclusive=False)
        version += 1
        assert constraint(last - 20_000) == "exclusive"
        assert constraint(last - 19_999) == "exclusive", "what does not pass is checked again"
        assert checked[-2:] == [last - 20_000, last - 19_999]
    assert passing.of(profile) is None, "nobody knows of every change here"


@pytest.mark.django_db(transaction=True)
def test_what_a_cycle_remembers_of_an_event_is_read_again_after_a_change_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_event("E0", [(4_000, 4_500)] * 2)
    version, load = 0, universe.load
    read: list[Sequence[str]] = []

    def counted(tickers: Sequence[str], *, deep: bool) -> dict[str, universe.EventView]:
        read.append(tickers)
        return load(tickers, deep=deep)

    monkeypatch.setattr(universe, "load", counted)

    def current() -> dict[str, str]:
        event_cache.forget()
        return {ticker: view.title for ticker, view in event_cache.current(["E0", "E1"]).items()}

    with kept_whole.while_unchanged(lambda: version):
        first = current()
        assert current() == first
        assert read == [["E0", "E1"]], "an event that is not there is known not to be"
        Event.objects.update(title="new")
        version += 1
        with transaction.atomic():
            Event.objects.update(title="taken back")
            assert current() == {"E0": "taken back"}
            transaction.set_rollback(True)
        assert current() == {"E0": "new"}, "nothing of a transaction is kept"
        at = clock.now() + timedelta(hours=1)
        FeeChange.objects.create(change_id="f", series=Series.objects.get(), scheduled_at=at, fee_type="flat")
        version += 1
        assert current() == {"E0": "new"}
        Event.objects.update(title="newer")
        assert current() == {"E0": "newer"}, "an announced fee begins without a change of a row"
    assert len(read) == 5
    assert current() == current()
    assert len(read) == 7, "who does not know of every change reads"
