"""Warnings and worse, stored for the console by a thread of their own.

Logging must never slow or break what it logs: the handler only puts into a bounded queue, and drops (counted) when that is
full. What storing a record logs itself is not stored, and a record that the database will not take is dropped.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import traceback
from contextvars import ContextVar
from datetime import timedelta
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import cast

import structlog
from django.db.models import F

from kalbot.common import clock
from kalbot.console.ops.records.redaction import scrub
from kalbot.logging import StormFilter

LONGEST = 4_000
REPEATED = timedelta(hours=1)
"""What is logged again within this time is counted in the row of the first."""
_KINDS = {"celery", "gunicorn"}
_COMMANDS = {"runserver", "stream"}
_storing: ContextVar[bool] = ContextVar("storing", default=False)


class BoundedQueueHandler(QueueHandler):
    """Queues records from WARNING on, with what was bound when they were logged; the thread that stores them starts with ``start``."""

    def __init__(self, size: int = 1_000) -> None:
        self.waiting: queue.Queue[logging.LogRecord] = queue.Queue(size)
        super().__init__(self.waiting)
        self.setLevel(logging.WARNING)
        self.addFilter(is_storable)
        self.addFilter(StormFilter())
        self.dropped = 0

    def start(self) -> None:
        """Start storing in this process. A forked child has no thread of its parent's, and must not send its parent's records."""
        self.queue = self.waiting = queue.Queue(self.waiting.maxsize)
        StoringListener(self.waiting, DatabaseHandler()).start()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record as it is (it stays in this process), and what is bound now."""
        record.bound = structlog.contextvars.get_contextvars()
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class StoringListener(QueueListener):
    """The thread that stores. It has a connection only while records wait: one a process that does nothing all day is one too many."""

    def handle(self, record: logging.LogRecord) -> None:
        from django.db import close_old_connections, connections

        close_old_connections()
        super().handle(record)
        if cast("queue.Queue[logging.LogRecord]", self.queue).empty():
            connections.close_all()


class DatabaseHandler(logging.Handler):
    """Writes a record as a row. A database that is away costs the record, nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        from kalbot.console.models import LogRecord

        token = _storing.set(True)
        try:
            text, held_back = message(record), int(getattr(record, "held_back", 0))
            same = LogRecord.objects.filter(
                at__gt=clock.now() - REPEATED, level=record.levelname, logger=record.name[:120], message=text
            )
            if same.update(repeats=F("repeats") + 1 + held_back, last_at=clock.now()):
                return
            LogRecord.objects.create(
                level=record.levelname,
                logger=record.name[:120],
                process=process_name()[:60],
                message=text,
                traceback=trace(record),
                repeats=held_back,
            )
        except Exception:
            print(f"a log record of {record.name} was not stored", file=sys.stderr)
        finally:
            _storing.reset(token)


def is_storable(record: logging.LogRecord) -> bool:
    """Whether a record may be stored: not what the database logs, and not what storing another record logs."""
    return not _storing.get() and not record.name.startswith("django.db")


def message(record: logging.LogRecord) -> str:
    """The formatted message without secrets, with what was bound, cut to a readable length."""
    try:
        text = record.getMessage()
    except Exception:  # a wrong format string must not lose the record
        text = str(record.msg)
    bound = " ".join(f"{name}={value}" for name, value in sorted(getattr(record, "bound", {}).items()))
    return scrub(f"{text} [{bound}]" if bound else text)[:LONGEST]


def trace(record: logging.LogRecord) -> str:
    """The traceback, if the record has one; its end is what matters."""
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    return scrub("".join(traceback.format_exception(*record.exc_info)))[-LONGEST:]


def process_name() -> str:
    """``celery 4711``: what a person needs to find the process."""
    return f"{kind()} {os.getpid()}"


def kind() -> str:
    """celery, gunicorn, a management command's name, or the program's."""
    path = Path(sys.argv[0] or "python")
    name = path.parent.name if path.name == "__main__.py" else path.name
    if name in ("manage.py", "django-admin") and len(sys.argv) > 1:
        return sys.argv[1]
    return name


def attach() -> None:
    """Add the handler to the root logger of long-running processes; one-off commands and tests write no rows."""
    root = logging.getLogger()
    if kind() not in _KINDS | _COMMANDS or any(isinstance(handler, BoundedQueueHandler) for handler in root.handlers):
        return
    handler = BoundedQueueHandler()
    handler.start()
    os.register_at_fork(after_in_child=handler.start)
    root.addHandler(handler)
