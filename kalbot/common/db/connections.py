"""A worker's connections to the database live on from task to task: a new one costs as much as twenty statements.

Celery's own way closes them before and after each task. Here one is closed when it is broken or older than ``CONN_MAX_AGE``; one that
a task has used just now is not checked, any other is before its first statement (``CONN_HEALTH_CHECKS``).
"""

from __future__ import annotations

import threading
import time
from typing import Final

from django.db import connections

RECENT_SECONDS: Final = 2.0
_last = threading.local()
"""When this thread's last task ended, by the monotonic clock."""


def before_task() -> None:
    """Close what must not be used any more by the task that this thread begins."""
    idle = time.monotonic() - getattr(_last, "ended", float("-inf"))
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
        if idle < RECENT_SECONDS:
            connection.health_check_done = True  # type: ignore[attr-defined]  # not in the stubs


def after_task() -> None:
    """Close what the task has broken, so that no other task begins with it."""
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
    _last.ended = time.monotonic()


def close() -> None:
    """Close all connections of this thread, which ends."""
    connections.close_all()
