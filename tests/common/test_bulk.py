"""Prepared statements against the ORM's own reading of the rows."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from kalbot.common.db import bulk
from markets.models import Event, FeeChange, Series, Watch

pytestmark = pytest.mark.django_db


def _events(count: int) -> list[Event]:
    series = Series.objects.create(ticker="S", tags=["a"])
    return Event.objects.bulk_create(Event(ticker=f"E{n}", series=series, title="old") for n in range(count))


def test_only_the_named_columns_of_the_named_rows_change() -> None:
    _events(3)
    bulk.update_rows(Event, ["title"], [("E0", ["new"]), ("E2", ["newer"]), ("gone", ["x"])])
    assert list(Event.objects.order_by("ticker").values_list("ticker", "title", "series_id")) == [
        ("E0", "new", "S"),
        ("E1", "old", "S"),
        ("E2", "newer", "S"),
    ]


def test_more_rows_than_a_batch_are_all_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    rows = _events(5)
    bulk.update_rows(Event, ["title"], [(row.pk, [f"title {row.pk}"]) for row in rows])
    assert set(Event.objects.values_list("title", flat=True)) == {f"title E{n}" for n in range(5)}


def test_instances_write_their_own_values_of_every_column_type() -> None:
    first, second = _events(2)
    watch = Watch.objects.create(event=first, source="test", priority=1)
    watch.event, watch.priority = second, 7
    bulk.update_instances([watch], ["event", "priority"])
    assert Watch.objects.values_list("event_id", "priority").get() == ("E1", 7)
    series = Series.objects.get()
    series.tags, series.updated_at = ["b", "c"], datetime(2026, 1, 2, tzinfo=UTC)
    bulk.update_instances([series], ["tags", "updated_at"])
    assert Series.objects.values_list("tags", "updated_at").get() == (["b", "c"], datetime(2026, 1, 2, tzinfo=UTC))


def test_no_instances_are_no_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        bulk.update_instances([], ["title"])


def test_an_upsert_inserts_with_defaults_and_an_existing_row_keeps_its_own() -> None:
    at = FeeChange._meta.get_field("scheduled_at").get_db_prep_save(datetime(2026, 1, 2, tzinfo=UTC), connection)
    columns, kept = ["change_id", "series_id", "fee_type"], {"event_ticker": "E1", "scheduled_at": at}
    bulk.upsert_rows(FeeChange, columns, [["1", "S", "quadratic"]], kept)
    bulk.upsert_rows(FeeChange, columns, [["1", "T", "other"], ["2", "S", "quadratic"]], kept | {"event_ticker": "E2"})
    assert list(FeeChange.objects.order_by("pk").values_list("pk", "series_id", "fee_type", "event_ticker")) == [
        ("1", "T", "other", "E1"),
        ("2", "S", "quadratic", "E2"),
    ]
    FeeChange.objects.all().delete()  # the series are not rows here, and the column has no constraint in the database
