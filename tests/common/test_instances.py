"""Rows that are made or read without the ORM's constructor and conversions are those that the ORM makes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models.signals import post_init

from kalbot.common.db import instances, values
from kalbot.common.db.prepared import Param, Prepared
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.models import Event, Market, Series
from strategies.models import Profile
from tests.strategies.world import add_event, add_profile
from trading.models import Leg, Order, Position

OURS = [model for model in apps.get_models() if model._meta.app_label in ("markets", "strategies", "trading")]


def _held(row: models.Model) -> dict[str, Any]:
    """The columns, but for an id that is drawn at random."""
    columns = {column.attname: getattr(row, column.attname) for column in row._meta.concrete_fields}
    return {name: value for name, value in columns.items() if not isinstance(value, UUID | datetime)}


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_a_new_instance_has_what_the_constructor_gives_it(model: type[models.Model]) -> None:
    made, by_orm = instances.new(model), model()
    assert _held(made) == _held(by_orm)
    assert {name: type(value) for name, value in made.__dict__.items()} == {
        name: type(value) for name, value in by_orm.__dict__.items()
    }
    assert made._state.adding
    assert made._state.db is None


def test_each_new_instance_has_lists_and_ids_of_its_own() -> None:
    one, other = (instances.new(Position) for _ in range(2))
    one.trace["a"] = 1
    assert other.trace == {}
    assert instances.new(Order).pk != instances.new(Order).pk


def test_an_id_is_drawn_for_a_row_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay numbers its rows: what is learnt of a model once must not take a number."""
    drawn: list[UUID] = []

    def draw() -> UUID:
        drawn.append(uuid4())
        return drawn[-1]

    monkeypatch.setattr(Order._meta.pk, "_get_default", draw)
    instances._blank.cache_clear()
    made = [instances.new(Order).pk for _ in range(2)]
    assert made == drawn


def test_related_rows_are_kept_with_their_keys() -> None:
    profile = Profile(pk=7, name="p")
    position = Position(pk=9, profile=profile)
    leg = instances.new(Leg, position=position, market_id="M", target_count=3)
    assert (leg.position_id, leg.market_id, leg.target_count) == (9, "M", 3)
    assert leg.position is position
    assert instances.new(Position, profile=None).profile_id is None
    with pytest.raises(TypeError, match="no column 'no_such'"):
        instances.new(Leg, no_such=1)


def test_a_model_to_whose_constructor_somebody_listens_is_made_by_it() -> None:
    heard: list[models.Model] = []

    def hear(instance: models.Model, **_: Any) -> None:
        heard.append(instance)

    post_init.connect(hear, sender=Series)
    instances._blank.cache_clear()
    try:
        made = instances.new(Series, ticker="S")
        read = instances.stored(Series, ["ticker"], ["T"])
    finally:
        post_init.disconnect(hear, sender=Series)
        instances._blank.cache_clear()
    assert heard == [made, read]
    assert not read._state.adding


@pytest.mark.django_db
def test_a_prepared_query_reads_what_the_orm_reads() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    event = add_event("E1", [(4_000, 4_100), (5_000, 5_100)], close_time=at)
    Series.objects.filter(pk=event.series_id).update(tags=["a", {"b": [1.5, None, 2**70]}], title="half \\ud83d")
    Market.objects.filter(pk=f"{event.pk}-0").update(close_time=at.replace(microsecond=70))

    def build() -> models.QuerySet[Market]:
        rows = Market.objects.filter(event=Param("event", models.CharField())).select_related("event__series")
        last = Event.objects.filter(pk=models.OuterRef("event"))
        return rows.order_by("ticker").annotate(
            is_open=models.Exists(last),
            last=models.Subquery(last.values("close_time")),
            words=models.Subquery(last.values("settlement_sources")),
            many=models.Count("event"),
            none=models.Value(None, models.IntegerField()),
        )

    made = Prepared(build).rows(event=event.pk)
    by_orm = Market.objects.filter(event=event).select_related("event__series").order_by("ticker")
    assert len(made) == 2
    for one, other in zip(made, by_orm, strict=True):
        assert _held(one) == _held(other)
        assert (one.close_time, one.event.close_time) == (other.close_time, at)
        assert _held(one.event) == _held(other.event)
        assert one.event.series.tags == ["a", {"b": [1.5, None, 2**70]}]
        said: Any = one
        assert (said.is_open, said.last, said.words, said.many, said.none) == (
            True,
            at,
            event.settlement_sources,
            1,
            None,
        )
        assert not one._state.adding
    assert made[0].event is made[1].event


def _as_the_orm_reads(build: Callable[[Any], models.QuerySet[Any, Any]], value: object = "") -> list[Any]:
    """What a prepared query of values reads, which is what the ORM reads with the same value."""
    field: models.Field[Any, Any] = models.DateTimeField() if isinstance(value, datetime) else models.CharField()
    found = PreparedColumns(lambda: build(Param("value", field))).rows(value=value)
    assert found == list(build(value))
    return found


@pytest.mark.django_db
def test_a_prepared_query_of_values_reads_what_the_orm_reads() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    event = add_event("E1", [(4_000, 4_100), (5_000, 5_100)], close_time=at)
    markets = Market.objects.order_by("ticker")
    assert _as_the_orm_reads(
        lambda pk: markets.filter(event=pk).values_list("event__close_time", "ticker"), event.pk
    ) == [(at, "E1-0"), (at, "E1-1")]
    assert _as_the_orm_reads(
        lambda pk: Market.objects.filter(event=pk).order_by().values_list("event").annotate(n=models.Count("pk")),
        event.pk,
    ) == [("E1", 2)]
    # what a query is ordered by counts with DISTINCT, and is no column of it
    assert _as_the_orm_reads(lambda _: markets.values_list("event_id").distinct()) == [("E1",), ("E1",)]
    assert _as_the_orm_reads(lambda since: Event.objects.filter(close_time__gt=since).values_list("pk")[:1], at) == []


@pytest.mark.django_db
def test_columns_that_were_not_read_are_read_at_first_use() -> None:
    profile = add_profile(capital=5)
    query = Prepared(lambda: Profile.objects.filter(pk=Param("pk", models.BigIntegerField())).only("id", "name"))
    found = query.first(pk=profile.pk)
    assert found is not None
    assert found.get_deferred_fields() >= {"capital", "mode"}
    assert found.capital == 5


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '"\\ud800"', "no json", '[1, 2.50, "\\u00fc", null, 1e400, 123456789012345678901234567890]']
)
def test_documents_are_read_as_django_reads_them(text: str) -> None:
    field = Series._meta.get_field("tags")
    expression = field.get_col("markets_series")
    column = values.read(0, (field.from_db_value,), expression, connection)
    assert repr(column.made(text, connection)) == repr(field.from_db_value(text, expression, connection))
