"""Statements that leave in one message do what they do one by one."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, connection, models, transaction
from django.test.utils import CaptureQueriesContext

from kalbot.common.db import direct, pipeline
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param, Prepared
from markets.models import Event, Watch
from tests.strategies.world import add_event

pytestmark = pytest.mark.django_db(transaction=True)
RAISED = Statement("UPDATE markets_watch SET priority = priority + %s WHERE source = %s RETURNING priority", (1, "a"))
READ = Statement("SELECT source, priority FROM markets_watch ORDER BY source", ())
TWICE = Statement("UPDATE markets_watch SET source = %s RETURNING id", ("a",))


def _event() -> Event:
    event = add_event("E1", [(4_000, 4_100), (5_000, 5_100)])
    direct.insert([Watch(event=event, source="a", priority=1), Watch(event=event, source="b;%s'", priority=7)])
    return event


def test_each_sees_what_the_one_before_has_changed() -> None:
    _event()
    with transaction.atomic():
        found = pipeline.rows_of(READ, RAISED, READ, RAISED)
    before, raised, after, again = [list(map(tuple, rows)) for rows in found]
    assert before == [("a", 1), ("b;%s'", 7)]
    assert raised == [(2,)]
    assert after == [("a", 2), ("b;%s'", 7)]
    assert again == [(3,)]
    assert dict(Watch.objects.values_list("source", "priority")) == {"a": 3, "b;%s'": 7}


def test_outside_a_transaction_they_are_one() -> None:
    _event()
    with pytest.raises(IntegrityError):
        pipeline.rows_of(RAISED, TWICE)
    assert Watch.objects.get(source="a").priority == 1
    assert pipeline.rows_of(RAISED, RAISED) == [[(2,)], [(3,)]]
    assert not connection.in_atomic_block
    assert pipeline.rows_of() == []


def test_a_transaction_that_begins_with_them_can_be_rolled_back() -> None:
    event = _event()
    with transaction.atomic():
        pipeline.rows_of(RAISED)
        transaction.set_rollback(True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Watch.objects.create(event=event, source="a", priority=pipeline.rows_of(RAISED)[0][0][0])
    assert dict(Watch.objects.values_list("source", "priority")) == {"a": 1, "b;%s'": 7}
    with transaction.atomic():
        Watch.objects.filter(source="a").update(priority=5)  # the connection begins its own again
        transaction.set_rollback(True)
    assert Watch.objects.get(source="a").priority == 1


def test_they_leave_in_one_message_where_the_database_takes_it() -> None:
    _event()
    with transaction.atomic(), CaptureQueriesContext(connection) as seen:
        pipeline.rows_of(RAISED, READ, RAISED)
    assert len(seen) == (1 if connection.vendor == "postgresql" else 3)


def test_one_that_fails_takes_all_of_the_transaction_with_it() -> None:
    _event()
    with pytest.raises(IntegrityError), transaction.atomic():
        pipeline.rows_of(RAISED, TWICE, RAISED)
    assert Watch.objects.get(source="a").priority == 1
    with transaction.atomic():  # the connection goes on
        assert pipeline.rows_of(RAISED, READ)[0] == [(2,)]
    assert pipeline.rows_of() == []


def test_they_take_part_in_a_transaction_that_has_begun_and_in_a_savepoint() -> None:
    event = _event()
    with transaction.atomic():
        Watch.objects.create(event=event, source="c", priority=3)
        with pytest.raises(IntegrityError), transaction.atomic():
            pipeline.rows_of(RAISED, TWICE)
        assert pipeline.rows_of(RAISED, READ)[1][-1][0] == "c"
    assert dict(Watch.objects.values_list("source", "priority")) == {"a": 2, "b;%s'": 7, "c": 3}


def _inserted(event: Event, *sources: str, then: Any = None, outer: bool = False) -> list[str]:
    """What happens when the rows are inserted with COMMIT behind them, in this order."""
    seen: list[str] = []
    commit = connection.commit

    def committed() -> None:
        seen.append("commit")
        commit()

    connection.commit = committed  # type: ignore[method-assign]
    try:
        with transaction.atomic():
            transaction.on_commit(lambda: seen.append("hook"))
            with transaction.atomic() if outer else direct.together({}, commits=True):
                if outer:
                    with direct.together({}, commits=True):
                        direct.insert([Watch(event=event, source=source, priority=1) for source in sources])
                else:
                    for source in sources:
                        direct.insert([Watch(event=event, source=source, priority=1)])
            if then is not None:
                raise then
    finally:
        del connection.commit
    return seen


def test_a_commit_that_leaves_with_the_rows_is_one_and_what_waits_for_it_happens_after_it() -> None:
    event = _event()
    assert _inserted(event, "x", "y") == ["commit", "hook"]
    assert not connection.in_atomic_block
    assert Watch.objects.filter(source__in="xy").count() == 2
    with transaction.atomic():  # the next transaction is a new one
        Watch.objects.all().delete()
        transaction.set_rollback(True)
    assert Watch.objects.count() == 4


def _of_no_series(event: Event) -> None:
    """A row that only COMMIT notices."""
    alone = Event(ticker="E2", series_id="NONE", title="alone")
    with transaction.atomic(), direct.together({}, commits=True):
        direct.insert([Watch(event=event, source="y", priority=1)])
        direct.insert([alone])


def test_rows_that_may_not_be_there_are_not_committed() -> None:
    event = _event()
    with pytest.raises(IntegrityError):
        _inserted(event, "x", "x")
    with pytest.raises(IntegrityError):
        _of_no_series(event)
    assert Watch.objects.count() == 2
    with transaction.atomic():
        pipeline.rows_of(RAISED)
    assert Watch.objects.get(source="a").priority == 2


def test_inside_another_block_nothing_is_committed_early() -> None:
    event = _event()
    with pytest.raises(OperationalError):
        _inserted(event, "x", then=OperationalError("lost"), outer=True)
    assert not Watch.objects.filter(source="x").exists()


def _read_behind(event: Event, after: Statement, *sources: str) -> list[Any] | None:
    """What ``after`` reads behind the COMMIT of these rows."""
    with transaction.atomic(), direct.together({}, commits=True) as message:
        direct.insert([Watch(event=event, source=source, priority=1) for source in sources])
        if message is not None:
            message.after = after
    return None if message is None else message.read


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes one statement at a time")
def test_what_is_read_behind_a_commit_is_what_was_committed_or_nothing_is() -> None:
    event, lost = _event(), Statement("SELECT pg_terminate_backend(pg_backend_pid())", ())
    prepared = _watches().statement(source="x", own="E1")
    assert [tuple(row) for row in _read_behind(event, READ, "x") or ()][-1:] == [("x", 1)]
    assert len(_read_behind(event, prepared, "y") or ()) == len(_read_behind(event, prepared, "z") or ()) == 1
    assert len(_kept()) == 1
    with pytest.raises(IntegrityError):
        _read_behind(event, READ, "v", "v")
    for number, fails in enumerate((Statement("SELECT 1 / 0", ()), lost, Statement("EXECUTE nothing", ()))):
        with pytest.raises(DatabaseError):
            _read_behind(event, fails, f"w{number}")
        connection.close_if_unusable_or_obsolete()
        assert len(_read_behind(event, prepared, f"u{number}") or ()) == 1, "the connection goes on, or a new one does"
    assert not Watch.objects.filter(source="v").exists()
    assert Watch.objects.filter(source__startswith="w").count() == 3, "a commit is not undone by what fails behind it"
    with transaction.atomic():
        assert _read_behind(event, READ, "inside") is None, "nothing is read before the commit"
        transaction.set_rollback(True)
    assert not Watch.objects.filter(source="inside").exists()


def test_a_statement_that_does_not_wait_for_the_others_sees_them_and_those_behind_it_see_what_it_did() -> None:
    event = _event()
    with transaction.atomic(), CaptureQueriesContext(connection) as seen, direct.together({}, commits=True):
        direct.insert([Watch(event=event, source="x", priority=1)])
        raised = direct.ask(direct.updating(Watch, {"priority": 5}, source=("a", "x")))
        assert Watch.objects.get(source="x").priority == 5
        direct.insert([Watch(event=event, source="y", priority=1)])
        none = direct.ask(direct.updating(Watch, {"priority": 9}, source="x", priority=1))
    assert len(raised.rows or ()) == 2
    assert none.rows == []
    assert dict(Watch.objects.values_list("source", "priority")) == {"a": 5, "b;%s'": 7, "x": 5, "y": 1}
    if connection.vendor == "postgresql":
        assert len(seen) == 3, "what waits, what does not, and what waits behind it"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite waits for no disk in any case")
def test_the_disk_is_not_waited_for_where_that_is_wanted_and_there_only() -> None:
    how = Statement("SELECT current_setting('synchronous_commit')", ())
    _event()
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO on")  # of this connection; servers of tests never wait
    assert pipeline.rows_soon(RAISED, how)[1] == [("off",)]
    assert Watch.objects.get(source="a").priority == 2
    assert pipeline.rows_of(how) == [[("on",)]]
    with transaction.atomic():
        assert pipeline.rows_soon(RAISED, how)[1] == [("on",)], "the transaction is another's"
    with pytest.raises(IntegrityError):
        pipeline.rows_soon(RAISED, TWICE)
    assert Watch.objects.get(source="a").priority == 3
    assert pipeline.rows_of(how) == [[("on",)]]
    connection.close()


def _lost() -> None:
    with transaction.atomic():
        connection.close()
        pipeline.rows_of(RAISED)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connection to lose")
def test_a_connection_that_was_lost_in_the_transaction_is_not_opened_again_in_it() -> None:
    _event()
    with pytest.raises(DatabaseError):
        _lost()
    assert Watch.objects.get(source="a").priority == 1


def _kept() -> list[str]:
    """Names of the statements that the server keeps for this connection."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_prepared_statements WHERE name LIKE 'markets_watch_%%' ORDER BY prepare_time"
        )
        return [name for (name,) in cursor.fetchall()]


def _by_source(prepared: Prepared[Watch], source: str) -> list[tuple[int, str, bool]]:
    return [(row.priority, row.event.ticker, row.is_own) for row in prepared.rows(source=source, own="E1")]  # type: ignore[attr-defined]


def _watches() -> Prepared[Watch]:
    source, own = Param("source", models.CharField()), Param("own", models.CharField())
    is_own = models.Exists(Event.objects.filter(pk=models.OuterRef("event"), ticker=own))
    rows = Watch.objects.filter(source=source, event__in=Event.objects.filter(ticker=own))
    return Prepared(lambda: rows.select_related("event").annotate(is_own=is_own).order_by("priority"))


def test_a_query_that_is_compiled_once_gives_what_it_gives_however_often_it_is_run() -> None:
    _event()
    prepared = _watches()
    for _ in range(8):  # the server changes its plan after five
        assert _by_source(prepared, "a") == [(1, "E1", True)]
        assert _by_source(prepared, "b;%s'") == [(7, "E1", True)]
        assert _by_source(prepared, "nobody's") == []
    if connection.vendor == "postgresql":
        assert len(_kept()) == 1, "one statement, whatever its values"


def test_rows_of_one_related_row_share_its_instance() -> None:
    event = _event()
    one, other = Prepared(lambda: Watch.objects.select_related("event__series").order_by("source")).rows()
    assert one.event is other.event
    assert (one.source, other.source, one.event.series.ticker) == ("a", "b;%s'", event.series_id)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans in a moment")
def test_a_kept_statement_is_planned_once_a_connection() -> None:
    _event()
    prepared = _watches()
    connection.close()
    for _ in range(3):
        assert _by_source(prepared, "a")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = '{_kept()[0]}'")
        assert cursor.fetchall() == [(3, 0)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps statements by itself")
def test_a_statement_that_the_server_no_longer_has_or_that_no_longer_fits_is_given_again() -> None:
    _event()
    prepared = _watches()
    assert _by_source(prepared, "a")
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")  # as a pool does between two of its clients
    with pytest.raises(DatabaseError):
        _by_source(prepared, "a")
    assert _by_source(prepared, "a") == [(1, "E1", True)]
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE markets_watch ALTER COLUMN priority TYPE bigint"
        )  # as a migration does beside a worker
    with pytest.raises(DatabaseError):
        _by_source(prepared, "a")
    assert _by_source(prepared, "a") == [(1, "E1", True)]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE markets_watch ALTER COLUMN priority TYPE integer")
    with pytest.raises(DatabaseError):
        _by_source(prepared, "a")
    with transaction.atomic(), pytest.raises(IntegrityError), transaction.atomic():
        pipeline.rows_of(RAISED, prepared.statement(source="a", own="E1"), TWICE)
    assert _by_source(prepared, "a") == [(1, "E1", True)]
    names = _kept()
    for _ in range(3):
        with pytest.raises(IntegrityError):
            pipeline.rows_of(prepared.statement(source="a", own="E1"), TWICE)
        assert _by_source(prepared, "a") == [(1, "E1", True)]
    assert _kept() == names, "what fails for another reason has the server keep nothing twice"
    connection.close()
    assert _by_source(prepared, "a") == [(1, "E1", True)]


ODD = ["it's 100% %s %%", "back\\slash \\'", "ü \U0001f600 \n\t", "", "$1 :x ?"]


def test_whatever_a_value_holds_arrives_as_it_was() -> None:
    event = add_event("E1", [(4_000, 4_100)])
    with transaction.atomic(), direct.together({}):
        direct.insert([Watch(event=event, source=odd, priority=n) for n, odd in enumerate(ODD)])
    with transaction.atomic():
        (found,) = pipeline.rows_of(
            *(
                direct.updating(Watch, {"priority": 7}, "source LIKE '%%'", source=odd, priority=n)
                for n, odd in enumerate(ODD[:1])
            )
        )
    assert len(found) == 1
    assert list(Watch.objects.order_by("pk").values_list("source", flat=True)) == ODD
    unfit = Watch(event=event, source="no\0text", priority=1)
    if connection.vendor == "postgresql":  # SQLite takes it
        with pytest.raises(DataError), transaction.atomic(), direct.together({}):
            direct.insert([unfit])
    assert Watch.objects.count() == len(ODD)
