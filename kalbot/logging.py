"""What a log line looks like: structlog's processors over the standard library's loggers.

Whatever is bound with ``structlog.contextvars.bound_contextvars`` (``task``, ``decision``, ``position``, ``order``, ``profile``,
``event_ticker``) stands in every line that is logged meanwhile. One JSON object a line in production, text in development.
"""

from __future__ import annotations

from typing import Any, Literal

import structlog
from structlog.types import Processor

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
QUIET = ("celery.app.trace", "celery.worker.strategy", "django_celery_beat", "celery.beat")
"""Loggers with a line for every run of a task, that are worth reading from WARNING on."""


def config(level: str, style: Literal["json", "text"]) -> dict[str, Any]:
    """Django's ``LOGGING``. ``level`` is the least that is printed."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(style)],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {name: {"level": "WARNING"} for name in QUIET},
    }


def _renderers(style: Literal["json", "text"]) -> list[Processor]:
    if style == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(default=str),
        ]
    # the library's default prints every local variable in colours: seconds of CPU and kilobytes for one refused request
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=plain)]
