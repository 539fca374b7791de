"""A process that stops in the middle of a COPY is ended by another, for Postgres ends none of those by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection

from kalbot.common.db import bulk
from kalbot.common.postgres import silent
from kalbot.console import tasks
from markets.catalogue.writing import catalogue_transaction
from markets.models import Series

pytestmark = [
    pytest.mark.skipif("postgres" not in settings.DATABASES["default"]["ENGINE"], reason="SQLite copies nothing"),
    pytest.mark.django_db(transaction=True),
]
ROWS = [[f"S{number}", "a title"] for number in range(bulk.FEW + 1)]


class Writer(threading.Thread):
    """Writes rows of the catalogue, and stops in the middle of copying them until ``go``."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopped, self.go, self.error = threading.Event(), threading.Event(), ""

    def run(self) -> None:
        """See Thread."""
        try:
            with (
                connection.cursor() as cursor
            ):  # as short as a test wants it, and as deaf as Postgres is while it waits for rows
                cursor.execute("SET statement_timeout = '300ms'; SET idle_in_transaction_session_timeout = '300ms'")
            with catalogue_transaction():
                bulk.upsert_rows(Series, ["ticker", "title"], ROWS, {"tags": "[]"})
        except DatabaseError as error:
            self.error = str(error)
        finally:
            connection.close()


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    made, write_row = Writer(), psycopg.Copy.write_row

    def stops(copy: Any, row: Any) -> None:
        if threading.current_thread() is made:
            made.stopped.set()
            made.go.wait(60)
        write_row(copy, row)

    monkeypatch.setattr(psycopg.Copy, "write_row", stops)
    made.start()
    assert made.stopped.wait(60)
    yield made
    made.go.set()
    made.join(60)


def is_free() -> bool:
    """Whether the catalogue may be written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(7203001), pg_advisory_unlock_all()")
        return bool(cursor.fetchone()[0])


def test_a_process_that_stopped_in_the_middle_of_a_copy_keeps_nothing_locked(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(1)
    assert not is_free(), "no limit of Postgres ends it"
    monkeypatch.setitem(connection.settings_dict, "ANSWER_SECONDS", 3_600)
    assert tasks.end_silent_copies() == 0, "it may take as long as a statement"
    monkeypatch.setitem(connection.settings_dict, "ANSWER_SECONDS", 0)
    assert tasks.end_silent_copies() == 0, "without a limit none is meant"
    monkeypatch.setitem(connection.settings_dict, "ANSWER_SECONDS", 1)
    assert tasks.end_silent_copies() == 1
    with catalogue_transaction():
        assert not Series.objects.exists()
    writer.go.set()
    writer.join(60)
    assert "terminating connection" in writer.error


def test_a_transaction_that_copies_nothing_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ANSWER_SECONDS", 1)
    with psycopg.connect(_url()) as other:
        other.execute("CREATE TEMPORARY TABLE rows (n integer)")
        with other.cursor().copy("COPY rows FROM STDIN") as copy:  # somebody's restore, say
            time.sleep(1.2)
            assert silent.end_copies() == 0
            copy.write_row([1])


def _url() -> str:
    made = connection.get_connection_params()
    return psycopg.conninfo.make_conninfo(
        **{name: made[name] for name in ("dbname", "user", "host", "port", "password") if made.get(name)}
    )
