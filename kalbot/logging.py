"""What a log line looks like: structlog's processors over the standard library's loggers.

Whatever is bound with ``structlog.contextvars.bound_contextvars`` (``task``, ``decision``, ``position``, ``order``, ``profile``,
``event_ticker``) stands in every line that is logged meanwhile. One JSON object a line in production, text in development.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog
from structlog.types import Processor

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
QUIET = ("celery.app.trace", "celery.worker.strategy", "django_celery_beat", "celery.beat")
"""Loggers with a line for every run of a task, that are worth reading from WARNING on."""
STORM_LINES: Final = 5
STORM_SECONDS: Final = 60.0
_VARIABLE: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


class StormFilter(logging.Filter):
    """Of equal warnings and errors five a minute pass, the rest are counted: the next one that passes says how many there were.

    Equal are records of one logger and level whose text differs in numbers and ids only and that carry the same kind of exception.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._seen: dict[tuple[object, ...], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass; one that passes after others were held back says so."""
        if record.levelno < logging.WARNING:
            return True
        kind = record.exc_info[0] if record.exc_info else None
        key = (record.name, record.levelno, _VARIABLE.sub("#", str(record.msg))[:300], kind)
        now = time.monotonic()
        with self._lock:
            began, count = self._seen.get(key, [now, 0])
            held_back = 0
            if now - began >= STORM_SECONDS:
                held_back, began, count = int(max(0, count - STORM_LINES)), now, 0
            if len(self._seen) > 1_000:
                self._seen.clear()
            self._seen[key] = [began, count + 1]
        if count >= STORM_LINES:
            return False
        if held_back:
            record.held_back = held_back
        return True


def config(level: str, style: Literal["json", "text"]) -> dict[str, Any]:
    """Django's ``LOGGING``. ``level`` is the least that is printed."""
    quiet = level if level in ("DEBUG", "ERROR", "CRITICAL") else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"storm": {"()": StormFilter}},
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(style)],
            }
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["storm"]},
            "nowhere": {"class": "logging.NullHandler"},
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            **{name: {"level": quiet} for name in QUIET},
            # the addresses of notification channels are secrets: the plugins' own lines repeat them, the sender says what failed
            "apprise": {"handlers": ["nowhere"], "propagate": False},
            # at DEBUG it prints the path of every request
            "urllib3": {"level": "INFO" if level == "DEBUG" else level},
            # gunicorn gives its logger a level and a handler of its own
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
        },
    }


def hide_secrets(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Every text of a line without private keys, passwords, tokens and the values of our own secret settings."""
    from kalbot.console.ops.records.redaction import scrub  # it reads the settings, which read this module

    return {key: scrub(value) if isinstance(value, str) else value for key, value in line.items()}


def _renderers(style: Literal["json", "text"]) -> list[Processor]:
    # plain tracebacks: one with local variables is a hundred times as long, and shows what they hold
    end: list[Processor] = [structlog.processors.format_exc_info, hide_secrets]
    if style == "json":
        return [
            *end,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(default=str),
        ]
    return [*end, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)]
