"""Log records are stored without blocking, without recursion and without secrets."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest
import structlog
from django.db import connection
from django.db.models.signals import pre_save

from kalbot.console.models import LogRecord
from kalbot.console.ops.records.log_records import BoundedQueueHandler, DatabaseHandler, message
from kalbot.console.ops.records.redaction import scrub
from kalbot.logging import config


def production_formatter(style: Literal["json", "text"]) -> logging.Formatter:
    """The formatter that the settings make of ``style``."""
    made = dict(config("INFO", style)["formatters"]["line"])
    factory: Callable[..., logging.Formatter] = made.pop("()")
    return factory(**made)


def record(message: str, *args: Any, level: int = logging.WARNING, exc_info: Any = None) -> logging.LogRecord:
    """A log record as logging makes it."""
    return logging.LogRecord("markets.streaming.assembly", level, "x.py", 1, message, args, exc_info)


@pytest.mark.django_db
def test_records_become_rows_with_their_traceback() -> None:
    try:
        raise ValueError("odd frame")
    except ValueError as error:
        found = record("frame %s refused", 7, level=logging.ERROR, exc_info=(type(error), error, error.__traceback__))
    DatabaseHandler().emit(found)
    last = LogRecord.objects.get()
    assert (last.level, last.message) == ("ERROR", "frame 7 refused")
    assert "ValueError: odd frame" in last.traceback


def _until(condition: Callable[[], bool]) -> bool:
    """Whether it came true in a minute."""
    for _ in range(6_000):
        if condition():
            return True
        time.sleep(0.01)
    return False


def _others() -> bool:
    """Whether anybody else is connected to the test's database."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return bool(cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_the_thread_stores_what_was_bound_where_the_record_was_logged() -> None:
    handler = BoundedQueueHandler()
    handler.start()
    with structlog.contextvars.bound_contextvars(position=41, profile="careful"):
        handler.handle(record("sale refused"))
    assert _until(LogRecord.objects.exists)
    assert LogRecord.objects.get().message == "sale refused [position=41 profile=careful]"
    assert _until(lambda: not _others()), "the thread keeps no connection while nothing waits"


def test_a_full_queue_drops_and_counts_instead_of_waiting() -> None:
    handler = BoundedQueueHandler(size=5)
    for number in range(50):
        handler.handle(record("again" + "x" * number))
    assert (handler.waiting.qsize(), handler.dropped) == (5, 45)


def test_what_the_database_layer_logs_is_never_stored() -> None:
    handler = BoundedQueueHandler()
    own = record("slow query")
    own.name = "django.db.backends"
    handler.handle(own)
    assert handler.waiting.empty()


@pytest.mark.django_db
def test_what_storing_a_record_logs_is_not_stored() -> None:
    handler = BoundedQueueHandler()

    def noisy(sender: object, **kwargs: object) -> None:
        handler.handle(record("a receiver complains"))

    pre_save.connect(noisy, sender=LogRecord)
    try:
        DatabaseHandler().emit(record("first"))
    finally:
        pre_save.disconnect(noisy, sender=LogRecord)
    assert LogRecord.objects.get().message == "first"
    assert handler.waiting.empty()


def test_a_wrong_format_does_not_lose_the_record() -> None:
    assert message(record("%d of %d", 1)) == "%d of %d"


def test_a_line_of_production_is_json_with_what_is_bound() -> None:
    formatter = production_formatter("json")
    with structlog.contextvars.bound_contextvars(position=41, event_ticker="KXHIGHNY-26JUL01"):
        line = json.loads(formatter.format(record("sale %s", "refused")))
    assert line["message"] == "sale refused"
    assert (line["level"], line["logger"]) == ("warning", "markets.streaming.assembly")
    assert (line["position"], line["event_ticker"]) == (41, "KXHIGHNY-26JUL01")


def test_a_line_of_development_is_text_with_what_is_bound() -> None:
    with structlog.contextvars.bound_contextvars(order="K-1"):
        line = production_formatter("text").format(record("sale refused"))
    assert "sale refused" in line
    assert "order=K-1" in line


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("headers {'KALSHI-ACCESS-SIGNATURE': 'c2lnbmF0dXJl'}", "c2lnbmF0dXJl"),
        ("postgres://kalbot:s3cr3t-words@db/kalbot", "s3cr3t-words"),
        ("password=letmein99 for admin", "letmein99"),
        ("redis://:p@ss/w0rd-long@cache:6379/0 is away", "w0rd-long"),
        ('{"password": "two words here"}', "words here"),
        ("Authorization: Bearer kb_0123456789abcdef0123", "0123456789"),
        ("headers={'Authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("token kb_abcdefghijklmnopqrstuvwxyz012345 was refused", "abcdefghij"),
        ("GET /fred/series?api_key=0a1b2c3d4e5f&file=json", "0a1b2c3d4e5f"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.payload", "eyJhbGciOi"),
    ],
)
def test_secrets_are_scrubbed(text: str, gone: str) -> None:
    assert gone not in scrub(text)


def test_a_traceback_in_text_is_plain_and_prints_no_local_variables() -> None:
    password = "".join(["only", "-mine"])
    try:
        int(password[:4])
    except ValueError as error:
        found = record("not read", level=logging.ERROR, exc_info=(type(error), error, error.__traceback__))
    line = production_formatter("text").format(found)
    assert "ValueError: invalid literal" in line
    assert password not in line
