"""Rows that are written without the ORM's compiler are those that the ORM would have written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from kalbot.common import clock
from kalbot.common.db import direct, pipeline, soon
from markets.models import Event, Series, Watch
from strategies.models import Decision, Profile
from tests.strategies.world import add_event, add_profile
from trading.models import Leg, Order, OrderStatus, Position

pytestmark = [pytest.mark.django_db, pytest.mark.each_row]
PRICES = [(4_000, 4_100), (5_000, 5_100)]


def _columns(row: models.Model) -> dict[str, Any]:
    return {column.attname: getattr(row, column.attname) for column in row._meta.concrete_fields}


def _stored(row: models.Model) -> dict[str, Any]:
    return _columns(type(row)._default_manager.get(pk=row.pk))


def _decision(profile: Profile, event: Event) -> Decision:
    numbers = {c.attname: 3 for c in Decision._meta.concrete_fields if type(c) is models.BigIntegerField}
    decision = Decision(**{**numbers, "guaranteed": False})
    decision.profile, decision.mode, decision.event, decision.kind = profile, "sim", event, "all_yes"
    decision.legs = [{"ticker": "M", "count": 1}]
    return decision


def test_rows_of_every_sort_of_column_are_read_as_they_were_inserted() -> None:
    series = Series(ticker="S", tags=["a", {"b": 1}], title="näme '%s'")
    direct.insert([series])
    event = Event(ticker="E1", series=series, title="t", close_time=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
    direct.insert([event])
    profile = Profile(name="p", kinds=["all_yes"], capital=5)
    direct.insert([profile])
    decision = _decision(profile, event)
    direct.insert([decision])
    for row in (series, event, profile, decision):
        assert not row._state.adding
        assert _stored(row) == _columns(row)
    assert profile.pk
    assert abs((clock.now() - profile.created_at).total_seconds()) < 60


def test_each_row_gets_its_own_key_and_what_the_orm_would_have_stored() -> None:
    profile, event = add_profile(), add_event("E1", [(1, 2), (3, 4)])
    decision = _decision(profile, event)
    direct.insert([decision])
    about = {"profile": profile, "mode": "sim", "event": event, "decision": decision, "kind": "all_yes"}
    position = Position(target_count=7, states={"a": [1]}, **about)
    direct.insert([position])
    legs = [
        Leg(position=position, market=market, side="yes", sequence=n, target_count=7, limit_price=10 + n)
        for n, market in enumerate(event.markets.order_by("ticker"))
    ]
    direct.insert(legs)
    assert [_stored(leg) == _columns(leg) for leg in legs] == [True, True]
    assert dict(Leg.objects.values_list("pk", "limit_price")) == {legs[0].pk: 10, legs[1].pk: 11}
    way = {"profile": profile, "mode": "sim", "position": position, "action": Order.Action.BUY, "side": "yes"}
    orders = [
        Order(leg=leg, price=1, count=2, purpose=Order.Purpose.ENTRY, status=OrderStatus.SENDING, **way) for leg in legs
    ]
    direct.insert(orders)
    kept = [_stored(order) for order in orders]
    assert kept == [_columns(order) for order in orders]
    Order.objects.all().delete()
    for order in orders:
        order.save(force_insert=True)
    by_orm = [_stored(order) for order in orders]
    assert [{**one, "created_at": None, "moved_at": None} for one in by_orm] == [
        {**one, "created_at": None, "moved_at": None} for one in kept
    ]


def test_of_rows_one_of_which_may_not_be_there_none_is() -> None:
    event = add_event("E1", PRICES)
    Watch.objects.create(event=event, source="b", priority=1)
    rows = [Watch(event=event, source=source, priority=2) for source in ("a", "b", "c")]
    with pytest.raises(IntegrityError), transaction.atomic():
        direct.insert(rows)
    assert list(Watch.objects.values_list("source", "priority")) == [("b", 1)]


def test_more_rows_than_one_statement_takes_are_inserted_by_several(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    event = add_event("E1", PRICES)
    monkeypatch.setattr(direct, "MOST_PARAMETERS", 10)
    rows = [Watch(event=event, source=f"s{n}", priority=n) for n in range(5)]
    with django_assert_num_queries(3):
        direct.insert(rows)
        direct.insert([])
    assert dict(Watch.objects.values_list("pk", "priority")) == {row.pk: n for n, row in enumerate(rows)}


def test_an_update_changes_the_rows_that_are_as_expected_and_counts_them() -> None:
    for ticker in ("E1", "E2", "E3"):
        add_event(ticker, PRICES, title=f"old {ticker}")
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert direct.update(Event, {"title": "new", "close_time": at}, ticker=("E1", "E2"), title="old E1") == 1
    assert direct.update(Event, {"close_time": None}, ticker="E3", title=("old E3", "else")) == 1
    assert direct.update(Event, {"title": "never"}, ticker="E3", title="else") == 0
    found = dict(Event.objects.values_list("ticker", "title"))
    assert found == {"E1": "new", "E2": "old E2", "E3": "old E3"}
    assert set(Event.objects.values_list("ticker", flat=True).filter(close_time=None)) == {"E3"}
    assert Event.objects.get(pk="E1").close_time == at


def test_an_expression_is_refused_instead_of_being_stored() -> None:
    event = add_event("E1", PRICES, volume=3)
    with pytest.raises(TypeError, match="volume"):
        direct.update(Event, {"volume": F("volume") + 1}, ticker="E1")
    with pytest.raises(TypeError, match="priority"):
        direct.insert([Watch(event=event, source="a", priority=F("id"))])
    with pytest.raises(KeyError):
        direct.update(Event, {"no_column": 1}, ticker="E1")


def test_what_is_there_already_is_left_out_where_that_is_wanted() -> None:
    event = add_event("E1", PRICES)
    direct.insert([Watch(event=event, source="a", priority=1)])
    new = [Watch(event=event, source=source, priority=2) for source in "ab"]
    direct.insert(new, if_new=True)
    assert dict(Watch.objects.values_list("source", "priority")) == {"a": 1, "b": 2}
    assert [one.pk for one in new] == [None, None]


def _keys(wanted: dict[type[models.Model], int]) -> direct.Keys:
    found = pipeline.rows_of(*direct.drawing(wanted))
    return direct.drawn(wanted, found[0] if found else ())


def test_what_is_inserted_together_is_there_with_its_keys_and_in_one_message_where_the_database_takes_it() -> None:
    event = add_event("E1", PRICES)
    profile = add_profile()
    decision = _decision(profile, event)
    about = {"profile": profile, "mode": "sim", "event": event, "decision": decision, "kind": "all_yes"}
    is_message = connection.vendor == "postgresql"
    markets = list(event.markets.order_by("ticker"))  # a statement within would have what waits sent before it
    with transaction.atomic(), CaptureQueriesContext(connection) as statements:
        with direct.together(_keys({Position: 1, Leg: 2})):
            direct.insert([decision])
            position = Position(target_count=7, **about)
            direct.insert([position])
            way = {"position": position, "side": "yes", "target_count": 7, "limit_price": 1}
            legs = [Leg(market=market, sequence=n, **way) for n, market in enumerate(markets)]
            direct.insert(legs)
            direct.insert([Watch(event=event, source="a;%s'b", priority=1)])
        found = [row["sql"] for row in statements.captured_queries if "INSERT" in row["sql"]]
    assert len(found) == (1 if is_message else 4)
    assert [_stored(row) == _columns(row) for row in (decision, position, *legs)] == [True] * 4
    assert legs[0].pk < legs[1].pk
    assert Watch.objects.get().source == "a;%s'b"
    other = _decision(add_profile("other"), event)
    direct.insert([other])
    later = Position(target_count=7, **{**about, "profile": other.profile, "decision": other})
    direct.insert([later])
    assert later.pk > position.pk


def test_more_rows_than_keys_were_drawn_for_are_given_theirs_all_the_same() -> None:
    event = add_event("E1", PRICES)
    profile = add_profile()
    decisions = [_decision(profile, event), _decision(add_profile("other"), event)]
    direct.insert(decisions)
    about = {"mode": "sim", "event": event, "kind": "all_yes", "target_count": 7}
    rows = [Position(profile=one.profile, decision=one, **about) for one in decisions]
    with transaction.atomic(), direct.together(_keys({Position: 1}), commits=True):
        direct.insert(rows)
    assert [_stored(row) == _columns(row) for row in rows] == [True, True]
    assert rows[0].pk != rows[1].pk


@pytest.mark.parametrize("count", [1, 3, 30])
def test_what_only_describes_is_stored_as_ever_and_few_rows_in_one_message(count: int) -> None:
    event = add_event("E1", PRICES)
    direct.insert([Watch(event=event, source="0", priority=9)])
    rows = [Watch(event=event, source=str(number), priority=1) for number in range(count)]
    with CaptureQueriesContext(connection) as seen:
        soon.insert(rows)
    assert Watch.objects.count() == count
    assert Watch.objects.get(source="0").priority == 9, "what is there stays"
    if count < 30:
        assert [row.pk for row in rows[1:]] == [Watch.objects.get(source=row.source).pk for row in rows[1:]]
    stored = Watch.objects.in_bulk(field_name="id").values()
    soon.update_rows(Watch, ["event", "priority"], [(row.pk, [event.pk, int(row.source)]) for row in stored])
    assert {row.source: row.priority for row in Watch.objects.all()} == {str(number): number for number in range(count)}
    soon.update_rows(Watch, ["priority"], [])
    soon.insert([])
    if count < 30 and connection.vendor == "postgresql":
        assert len(seen) == 1


def test_of_what_is_inserted_together_all_is_there_or_nothing() -> None:
    event = add_event("E1", PRICES)

    def insert(*sources: str, then: Exception | None = None) -> None:
        with transaction.atomic(), direct.together({}):
            for source in sources:
                direct.insert([Watch(event=event, source=source, priority=1)])
            if then is not None:
                raise then

    with pytest.raises(IntegrityError):
        insert("a", "a")
    assert not Watch.objects.exists()
    with pytest.raises(ValueError, match="no more"):
        insert("a", then=ValueError("no more"))
    assert not Watch.objects.exists()
    insert("a", "b")
    direct.insert([Watch(event=event, source="c", priority=1)])
    assert Watch.objects.count() == 3
