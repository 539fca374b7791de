"""The logbook stores warnings without blocking, without recursion and without secrets."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from kalbot.console.models import LogRecord
from kalbot.console.ops.log_records import LogbookHandler
from kalbot.console.ops.redaction import scrub


def record(message: str, *args: Any, level: int = logging.WARNING, exc_info: Any = None) -> logging.LogRecord:
    """A log record as logging makes it."""
    return logging.LogRecord("markets.streaming.assembly", level, "x.py", 1, message, args, exc_info)


@pytest.mark.django_db
def test_records_become_rows_with_their_traceback() -> None:
    try:
        raise ValueError("odd frame")
    except ValueError as error:
        found = record("frame %s refused", 7, level=logging.ERROR, exc_info=(type(error), error, error.__traceback__))
    assert LogbookHandler().store([record("slow"), found]) == 2
    last = LogRecord.objects.first()
    assert (last.level, last.message) == ("ERROR", "frame 7 refused")
    assert "ValueError: odd frame" in last.traceback


def test_a_full_queue_drops_and_counts_instead_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = LogbookHandler(size=5)
    monkeypatch.setattr(handler, "_start", lambda: None)
    began = time.monotonic()
    for _ in range(50):
        handler.emit(record("again"))
    assert handler.dropped == 45
    assert time.monotonic() - began < 0.5


def test_what_the_database_layer_logs_is_never_stored() -> None:
    handler = LogbookHandler()
    own = record("slow query")
    own.name = "django.db.backends"
    handler.emit(own)
    assert handler.waiting.empty()


def test_a_wrong_format_does_not_lose_the_record() -> None:
    from kalbot.console.ops.log_records import message

    assert message(record("%d of %d", 1)) == "%d of %d"


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("headers {'KALSHI-ACCESS-SIGNATURE': 'c2lnbmF0dXJl'}", "c2lnbmF0dXJl"),
        ("postgres://kalbot:s3cr3t-words@db/kalbot", "s3cr3t-words"),
        ("password=letmein99 for admin", "letmein99"),
    ],
)
def test_secrets_are_scrubbed(text: str, gone: str) -> None:
    assert gone not in scrub(text)
