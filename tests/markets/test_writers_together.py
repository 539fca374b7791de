"""Scan and lifecycle write the same rows at the same time: nothing deadlocks, nothing is lost, whichever comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from kalbot.common import counters
from kalbot.common.db import bulk, pipeline
from kalbot.console.ops.retention import settled
from markets import connect
from markets.catalogue import lifecycle, settled_values
from markets.catalogue.scan import _close_absent, scan
from markets.catalogue.series import refresh_series
from markets.catalogue.writing import catalogue_transaction, update_events
from markets.kalshi.rest.client import KalshiClient
from markets.models import Event, ExchangeMessage, Market, Scan, Series
from markets.streaming.output.inbox import store
from markets.streaming.output.messages import to_message
from markets.terms import certificates
from strategies.cycle import claims
from strategies.models import Profile
from tests.markets.exchange import SmallExchange, temperature
from tests.markets.test_inbox import frame

EVENTS = 12
SCANS = 6


@pytest.mark.django_db(transaction=True)
def test_scans_and_lifecycle_messages_at_once_end_without_a_deadlock(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(EVENTS)))
    scan(client)
    counters.flush()
    before = counters.read().get("lost_races", [])
    tickers = sorted(Market.objects.values_list("ticker", flat=True))
    for number in range(240):
        # from the end to the beginning, while a scan goes from the beginning to the end
        ticker, kind = tickers[-1 - number % len(tickers)], ("deactivated", "activated")[number // len(tickers) % 2]
        body = {"market_ticker": ticker, "event_type": kind, "is_deactivated": kind == "deactivated"}
        store([to_message(frame(body), f"epoch-{number}", 5)])
    errors: list[BaseException] = []

    def scans() -> None:
        for number in range(SCANS):
            for event in exchange.listed.values():
                event["markets"][0]["yes_bid_dollars"] = f"0.4{number}00"
            scan(client)

    def applied() -> None:
        while ExchangeMessage.objects.filter(applied_at=None).exists():
            lifecycle.apply_waiting()

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (scans, applied, applied)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert not any(thread.is_alive() for thread in threads)
    assert set(Scan.objects.values_list("status", flat=True)) == {Scan.Status.DONE}
    assert ExchangeMessage.objects.exclude(error="").count() == 0
    counters.flush()
    assert counters.read().get("lost_races", []) == before


def close_absent() -> None:
    _close_absent(set())


def judged_by_a_person() -> None:
    certificates.refresh_series("KXHIGHMIA")


def fetched_again() -> None:
    update_events(list(Event.objects.values_list("pk", flat=True)))


def series_listed() -> None:
    with connect.client() as again:
        refresh_series(again)


def values_filled_in() -> None:
    settled_values.store(dict.fromkeys(Market.objects.values_list("pk", flat=True), "80"))


def shortened() -> None:
    settled._shorten(list(Event.objects.values_list("pk", flat=True)))


MANY: tuple[Callable[[], None], ...] = (
    close_absent,
    judged_by_a_person,
    fetched_again,
    series_listed,
    values_filled_in,
    shortened,
)
"""Whoever else writes many rows of the catalogue at once."""


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("work", MANY)
def test_whoever_writes_many_rows_of_the_catalogue_waits_until_the_others_are_done(
    exchange: SmallExchange, client: KalshiClient, work: Callable[[], None]
) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(2)))
    scan(client)
    Market.objects.update(result="yes")
    Series.objects.update(title="")
    thread, errors = _beside(work)
    waits_for: list[str] = []
    with catalogue_transaction():
        Event.objects.filter(pk="KXHIGHMIA-1").update(title="held")
        thread.start()
        while thread.is_alive() and not (waits_for := _waits_for()):
            thread.join(0.02)
        assert (thread.is_alive(), waits_for) == (True, ["advisory"])
    thread.join(60)
    assert (thread.is_alive(), errors) == (False, [])


def _beside(work: Callable[[], None]) -> tuple[threading.Thread, list[BaseException]]:
    """A thread that does ``work`` on a connection of its own, not started yet, and the list for what it raises."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    return threading.Thread(target=run, daemon=True), errors


def _waits_for() -> list[str]:
    """What kinds of locks somebody waits for in this database: the server has those of other tests too.

    Within a transaction the server lists its connections as they were at the first question, until that is cleared:
    a thread that connects after the first question would never be seen to wait.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT locktype FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE NOT granted AND datname = current_database()"
        )
        return [row[0] for row in cursor.fetchall()]


def next_scan() -> None:
    with connect.client() as again:
        scan(again)


def messages_applied() -> None:
    lifecycle.apply_waiting()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("work", [next_scan, messages_applied, fetched_again, judged_by_a_person])
def test_a_decision_on_two_events_and_a_writer_of_the_catalogue_lock_them_in_one_order(
    exchange: SmallExchange, client: KalshiClient, work: Callable[[], None]
) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in (1, 0)))
    scan(client)
    for event in exchange.listed.values():
        event["title"] = "Another title"
    for ticker in ("KXHIGHMIA-1", "KXHIGHMIA-0"):
        body = {"market_ticker": f"{ticker}-0", "event_type": "close_date_updated", "close_ts": 1_900_000_000}
        store([to_message(frame(body), f"epoch-{ticker}", 5)])
    counters.flush()
    before = counters.read().get("lost_races", [])
    thread, errors = _beside(work)
    with transaction.atomic():  # as a decision on a family does: ``strategies.cycle.claims.locking``
        pipeline.rows_of(*claims.locking(Profile(mode="live"), ["KXHIGHMIA-0"]))
        thread.start()
        while thread.is_alive() and not _waits_for():
            thread.join(0.02)
        assert thread.is_alive()
        pipeline.rows_of(*claims.locking(Profile(mode="live"), ["KXHIGHMIA-1"]))
    thread.join(60)
    assert not thread.is_alive()
    counters.flush()
    assert (errors, counters.read().get("lost_races", [])) == ([], before)


def titles_set() -> None:
    bulk.update_rows(Event, ["title"], [(f"KXHIGHMIA-{number}", ["set"]) for number in (1, 0)])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_in_one_order_whatever_their_order_was(exchange: SmallExchange, client: KalshiClient) -> None:
    """Two cycles wrote verdicts of the same events, each in the order in which it had judged them: one was given up as a deadlock."""
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(2)))
    scan(client)
    thread, errors = _beside(titles_set)
    with transaction.atomic():
        Event.objects.select_for_update().get(pk="KXHIGHMIA-0")
        thread.start()
        while thread.is_alive() and not _waits_for():
            thread.join(0.02)
        assert thread.is_alive()
        Event.objects.select_for_update(nowait=True).get(pk="KXHIGHMIA-1")
    thread.join(60)
    assert (thread.is_alive(), errors) == (False, [])
    assert set(Event.objects.values_list("title", flat=True)) == {"set"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_rows_that_lost_a_race_are_written_again(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(2)))
    scan(client)
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE lost_once")
        cursor.execute(
            "CREATE FUNCTION lose_once() RETURNS trigger AS $$ BEGIN IF nextval('lost_once') = 1 THEN "
            "RAISE EXCEPTION USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql"
        )
        cursor.execute("CREATE TRIGGER lost BEFORE UPDATE ON markets_event FOR EACH ROW EXECUTE FUNCTION lose_once()")
        try:
            titles_set()
        finally:
            cursor.execute("DROP FUNCTION lose_once CASCADE; DROP SEQUENCE lost_once")
    assert set(Event.objects.values_list("title", flat=True)) == {"set"}
