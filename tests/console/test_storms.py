"""A fault that repeats itself fills no disk and buries nothing."""

from __future__ import annotations

import logging
import logging.config
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from kalbot import logging as lines
from kalbot.console.models import LogRecord
from kalbot.console.ops.records.log_records import DatabaseHandler

ROOT = Path(__file__).resolve().parents[2]


def record(text: str, *args: Any, level: int = logging.ERROR, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("trading.sweeper", level, "x.py", 1, text, args, info)


def test_five_equal_errors_a_minute_pass_and_the_rest_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("kalbot.logging.time.monotonic", lambda: now[0])
    storm = lines.StormFilter()
    passed = [storm.filter(record("position %s failed", n, error=OSError())) for n in range(200)]
    assert passed == [True] * 5 + [False] * 195
    assert storm.filter(record("position 17 of 4 failed", error=OSError()))
    assert storm.filter(record("position %s failed", 1, error=ValueError()))
    now[0] += lines.STORM_SECONDS
    again = record("position %s failed", 7, error=OSError())
    assert storm.filter(again)
    assert again.__dict__["held_back"] == 195


def test_what_is_no_warning_is_never_held_back() -> None:
    storm = lines.StormFilter()
    assert all(storm.filter(record("order", level=logging.INFO)) for _ in range(100))


@pytest.mark.django_db
def test_a_failed_health_check_is_one_row(settings: Any) -> None:
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    handler = DatabaseHandler()
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        for _ in range(7):
            assert Client().get("/healthz").status_code == 503
    finally:
        logger.removeHandler(handler)
    row = LogRecord.objects.get()
    assert row.repeats == 6
    assert row.last_at is not None


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_level_holds_for_every_logger(level: str) -> None:
    code = (
        "import logging, sys; from kalbot.logging import config, QUIET; import logging.config;"
        f"logging.config.dictConfig(config({level!r}, 'text'));"
        "[logging.getLogger(n).log(l, 'x%d', l) for n in (*QUIET, 'trading', 'gunicorn.error', 'kalbot.events') for l in (10, 20, 30, 40)]"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=True
    )
    least = logging.getLevelName(level)
    printed = {int(line.split("] x")[1].split()[0]) for line in ran.stderr.splitlines()}
    assert min(printed) == least
