"""Prepared statements against the ORM's own reading of the rows."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DatabaseError, connection, transaction
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


def test_moments_that_rows_have_in_common_and_others_arrive_as_they_are() -> None:
    events, one = _events(4), datetime(2026, 7, 1, 12, tzinfo=UTC)
    moments = [one, one, one + timedelta(microseconds=1), one.astimezone(timezone(timedelta(hours=2)))]
    bulk.update_rows(Event, ["updated_at"], [(event.pk, [at]) for event, at in zip(events, moments, strict=True)])
    assert list(Event.objects.order_by("pk").values_list("updated_at", flat=True)) == moments


def test_no_instances_are_no_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        bulk.update_instances([], ["title"])


@pytest.mark.parametrize("few", [0, 20])
def test_an_upsert_inserts_with_defaults_and_an_existing_row_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Copied first, or row by row."""
    monkeypatch.setattr(bulk, "FEW", few)
    at = FeeChange._meta.get_field("scheduled_at").get_db_prep_save(datetime(2026, 1, 2, tzinfo=UTC), connection)
    columns, kept = ["change_id", "series_id", "fee_type"], {"event_ticker": "E1", "scheduled_at": at}
    bulk.upsert_rows(FeeChange, columns, [["1", "S", "quadratic"]], kept)
    bulk.upsert_rows(FeeChange, columns, [["1", "T", "other"], ["2", "S", "quadratic"]], kept | {"event_ticker": "E2"})
    assert list(FeeChange.objects.order_by("pk").values_list("pk", "series_id", "fee_type", "event_ticker")) == [
        ("1", "T", "other", "E1"),
        ("2", "S", "quadratic", "E2"),
    ]
    FeeChange.objects.all().delete()  # the series are not rows here, and the column has no constraint in the database


@pytest.mark.parametrize("few", [0, 20])
def test_an_upsert_that_the_database_refuses_changes_nothing_and_says_so_in_djangos_words(
    monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(bulk, "FEW", few)
    at = FeeChange._meta.get_field("scheduled_at").get_db_prep_save(datetime(2026, 1, 2, tzinfo=UTC), connection)
    kept = {"event_ticker": "E1", "scheduled_at": at}
    rows: list[list[str | None]] = [["1", "S", "quadratic"], ["2", None, "quadratic"]]
    with pytest.raises(DatabaseError), transaction.atomic():
        bulk.upsert_rows(FeeChange, ["change_id", "series_id", "fee_type"], rows, kept)
    assert not FeeChange.objects.exists()
    for _ in range(2):  # twice in one transaction
        bulk.upsert_rows(FeeChange, ["change_id", "series_id", "fee_type"], rows[:1], kept)
    assert FeeChange.objects.count() == 1
    FeeChange.objects.all().delete()


def test_what_an_upsert_copies_arrives_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "FEW", 0)
    rows = _events(2)
    words = ["a\tb\nc\\N \\.", "{'x'} %s \"q\" ü \U0001f600"]
    store_as = Event._meta.get_field("settlement_sources")
    sources = [{"name": words[0], "url": None}]
    given = [
        [row.pk, "S", word, store_as.get_db_prep_save(sources, connection)]
        for row, word in zip(rows, words, strict=True)
    ]
    kept = {
        column.attname: column.get_db_prep_save(getattr(rows[0], column.attname), connection)
        for column in Event._meta.concrete_fields
        if column.attname not in ("ticker", "series_id", "title", "settlement_sources")
    }
    bulk.upsert_rows(Event, ["ticker", "series_id", "title", "settlement_sources"], given, kept)
    assert list(Event.objects.order_by("ticker").values_list("title", "settlement_sources")) == [
        (word, sources) for word in words
    ]
