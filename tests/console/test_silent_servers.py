"""A server that accepts and then says nothing: machines are answered all the same, with the name of what is silent."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import redis
from celery import current_app
from django.conf import settings as configured
from django.db import OperationalError, close_old_connections, connection, connections
from django.test import Client

from kalbot import environment
from kalbot.common import bounded, cache, counters, messages
from kalbot.common.postgres import base
from kalbot.console.ops.health import status
from kalbot.console.pages import machines
from trading.models import TradingState
from trading.safety import halt

ON_POSTGRES = "postgres" in configured.DATABASES["default"]["ENGINE"]
pytestmark = pytest.mark.timeout(60)


class Silent:
    """Accepts every connection and never says a word; counts them."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.accepted: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                self.accepted.append(self.socket.accept()[0])
        except OSError:
            return

    def close(self) -> None:
        self.socket.close()
        for one in self.accepted:
            one.close()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    """What an earlier test has counted is not sent meanwhile, by the thread that does so: its attempts are not those of the test."""
    monkeypatch.setattr(counters, "flush", lambda: None)
    made = Silent()
    yield made
    made.close()


def test_a_redis_that_says_nothing_is_tried_once_and_named(
    sample: dict[str, Any], settings: Any, silent: Silent
) -> None:
    settings.PRICES_URL, settings.BROKER_URL = (
        f"redis://127.0.0.1:{silent.port}/1",
        f"redis://127.0.0.1:{silent.port}/0",
    )
    answer = Client().get("/healthz?full")
    parts = {name: one["state"] for name, one in answer.json()["parts"].items()}
    assert (answer.status_code, parts["redis"], parts["queues"], parts["database"]) == (503, "bad", "bad", "ok")
    assert len(silent.accepted) == 2, "once for the prices and once for the broker"
    assert b"kalbot_realised_dollars{" in Client().get("/metrics").content
    assert len(silent.accepted) == 4


def test_a_page_tries_a_silent_redis_once_and_a_halt_is_stored(
    sample: dict[str, Any], settings: Any, silent: Silent, admin_client: Client
) -> None:
    settings.PRICES_URL, settings.BROKER_URL = (
        f"redis://127.0.0.1:{silent.port}/1",
        f"redis://127.0.0.1:{silent.port}/0",
    )
    page = admin_client.get("/admin/operate/")
    assert (page.status_code, len(silent.accepted)) == (200, 2)


def test_whoever_sends_many_messages_waits_once_for_a_broker_that_says_nothing(
    silent: Silent, monkeypatch: pytest.MonkeyPatch, sample: dict[str, Any]
) -> None:
    """Halting wakes each position that rests something, and is stored whether or not anybody hears of it."""
    monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{silent.port}/0")
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None)
    monkeypatch.setattr(messages, "_silent_until", 0.0)
    monkeypatch.setattr(messages, "PAUSE_SECONDS", 600.0)  # however slow the machine is
    for number in range(20):
        messages.send(messages.EXIT_POSITION, number)
    assert len(silent.accepted) == 1
    sends, receives = (
        one.transport_options or {} for one in (current_app.connection_for_write(), current_app.connection_for_read())
    )
    assert sends["socket_timeout"] <= 1 < receives["socket_timeout"], "only a worker waits longer"
    halt.set_state(state="halted", actor="rita", reason="silent", cancel_resting=True)
    assert halt.current() == TradingState.State.HALTED
    assert len(silent.accepted) == 1


def test_a_command_that_nobody_answers_is_tried_twice_at_most(settings: Any, silent: Silent) -> None:
    settings.PRICES_URL = f"redis://127.0.0.1:{silent.port}/1"
    with pytest.raises(redis.TimeoutError):
        cache.prices().ping()
    assert len(silent.accepted) == 2


def test_a_connection_that_broke_is_made_again(redis_db: Any, settings: Any) -> None:
    cache.prices().set("x", 1)
    cache.prices().connection_pool.disconnect()
    with bounded.bounded(1):
        assert cache.prices().get("x") == b"1"
    other = redis.Redis.from_url(settings.PRICES_URL)
    with bounded.bounded(1):
        for _ in range(2):
            other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert cache.prices().get("x") == b"1"


def wrapper(port: int, seconds: int = 7) -> base.DatabaseWrapper:
    """A connection of Django's to that port, as the settings make it."""
    found = environment.env.db_url_config(f"postgres://kalbot:x@127.0.0.1:{port}/kalbot")
    entry = environment.database(dict(found), seconds)
    return base.DatabaseWrapper({**configured.DATABASES["default"], "CONN_MAX_AGE": 0, **entry, "TIME_ZONE": None})


def test_a_database_that_accepts_and_says_nothing_costs_seconds_once(silent: Silent) -> None:
    made = wrapper(silent.port)
    with bounded.bounded(0.5):
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            made.get_new_connection(made.get_connection_params())
        with pytest.raises(base.Unanswered):
            made.get_new_connection(made.get_connection_params())
    assert len(silent.accepted) == 1


def test_the_limits_reach_every_connection() -> None:
    made = wrapper(5432)
    assert made.answer_seconds() == 12
    options = made.get_connection_params()
    assert "statement_timeout=7s" in options["options"]
    assert "idle_in_transaction_session_timeout=7s" in options["options"]
    assert options["tcp_user_timeout"] == 30_000
    assert wrapper(5432, 0).answer_seconds() is None


@contextmanager
def frozen() -> Iterator[None]:
    """The server's process of the connection of this thread is stopped until the block ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.skipif(not ON_POSTGRES, reason="SQLite has no server that could be silent")
@pytest.mark.django_db(transaction=True)
def test_a_frozen_database_is_named_and_what_redis_knows_is_served(
    redis_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(status, "PATIENCE_SECONDS", 0.3)
    with frozen():
        answer = Client().get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["database"]["sentence"] == "The database does not answer (Unanswered)."
        assert answer.json()["parts"]["redis"]["state"] == "ok"
    close_old_connections()
    with frozen():
        text = Client().get("/metrics").content.decode()
        assert 'kalbot_scrape_errors{family="events"} 0.0' in text
        assert 'kalbot_scrape_errors{family="positions"} 1.0' in text
    close_old_connections()
    assert Client().get("/healthz").status_code == 200


@pytest.mark.skipif(not ON_POSTGRES, reason="SQLite has no limit on statements")
@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_is_ended_and_a_migration_is_not() -> None:
    made = connections.create_connection("default")
    assert isinstance(made, base.DatabaseWrapper)
    made.settings_dict = {**made.settings_dict, "OPTIONS": {**made.settings_dict["OPTIONS"]}}
    made.settings_dict["OPTIONS"]["options"] = "-c statement_timeout=50ms"
    with made.cursor() as cursor, pytest.raises(OperationalError, match="statement timeout"):
        cursor.execute("SELECT pg_sleep(5)")
    base.lift_limits(made)
    assert made.connection.answer_seconds is None
    with made.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")
    base.set_limits(made)
    with made.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("50ms",)
    made.close()
