"""A replay reads the whole catalogue again when a row of it has changed, and only then: any row, in whatever way."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from backtest.replay.database import VIEWED, in_memory
from kalbot.common import clock
from markets.models import Event, FeeChange, Market, Series
from strategies.catalogue import kept_whole, universe
from strategies.models import Profile
from tests.strategies.world import add_event


@pytest.mark.django_db(transaction=True)
def test_every_table_that_the_whole_catalogue_is_read_from_is_watched() -> None:
    add_event("E0", [(4_000, 4_500)] * 2)
    with CaptureQueriesContext(
        connection,
    ) as found:
        universe.load()
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
