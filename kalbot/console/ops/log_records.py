"""Warnings and worse, stored where a person looks, by a thread of their own.

Logging must never slow or break what it logs: the handler only puts into a bounded queue and drops (counted) when that is
full; the thread writes in batches, ignores what it logs itself, and forgets a batch that the database will not take.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path

from kalbot.console.ops.redaction import scrub

BATCH = 100
LONGEST = 4_000
_KINDS = {"celery", "gunicorn"}
_COMMANDS = {"runserver", "stream"}


class LogbookHandler(logging.Handler):
    """Root handler for WARNING and above. One instance a process; safe across the fork of a worker pool."""

    def __init__(self, size: int = 1_000, pause: float = 0.5) -> None:
        super().__init__(logging.WARNING)
        self.waiting: queue.Queue[logging.LogRecord] = queue.Queue(size)
        self.pause = pause
        self.dropped = 0
        self._owner = 0
        self._writer: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if threading.current_thread() is self._writer or record.name.startswith("django.db"):
            return
        if self._owner != os.getpid() or self._writer is None or not self._writer.is_alive():
            self._start()
        try:
            self.waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def _start(self) -> None:
        """A forked child inherits the queue but not the thread; each process starts its own."""
        if self._owner and self._owner != os.getpid():
            self.waiting = queue.Queue(self.waiting.maxsize)
        self._owner = os.getpid()
        self._writer = threading.Thread(target=self._write, name="logbook", daemon=True)
        self._writer.start()

    def _write(self) -> None:
        while True:
            batch = [self.waiting.get()]
            time.sleep(self.pause)
            while len(batch) < BATCH and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            self.store(batch)

    def store(self, batch: list[logging.LogRecord]) -> int:
        """Write a batch; returns the number of rows. A database that is away costs the batch, nothing else."""
        from django.db import connection

        from kalbot.console.models import LogRecord

        try:
            rows = [
                LogRecord(
                    level=r.levelname,
                    logger=r.name[:120],
                    process=process_name()[:60],
                    message=message(r),
                    traceback=trace(r),
                )
                for r in batch
            ]
            LogRecord.objects.bulk_create(rows)
            return len(rows)
        except Exception:
            self.dropped += len(batch)
            return 0
        finally:
            if threading.current_thread() is self._writer:
                connection.close()


def message(record: logging.LogRecord) -> str:
    """The formatted message without secrets, cut to a readable length."""
    try:
        return scrub(record.getMessage())[:LONGEST]
    except Exception:  # a wrong format string must not lose the record
        return scrub(str(record.msg))[:LONGEST]


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
    """Hang the handler into the root logger of long-running processes; one-off commands and tests write no rows."""
    if kind() not in _KINDS | _COMMANDS:
        return
    root = logging.getLogger()
    if not any(isinstance(handler, LogbookHandler) for handler in root.handlers):
        root.addHandler(LogbookHandler())
