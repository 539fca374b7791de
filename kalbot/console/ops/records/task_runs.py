"""Every run of a task as a row, from start to end, through Celery's signals.

Tasks that run every few seconds would write more rows than everything else together: their runs are counted in Redis, and only
failed and slow ones get a row. Nothing here may break a task: a ledger that cannot be written is a log line.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from typing import Any, Final

import redis
from celery import signals
from django.db import DatabaseError
from structlog import contextvars

from kalbot.common import cache, clock, counters, covered, messages
from kalbot.console.ops.records.redaction import scrub

COUNTS: Final = cache.key("console:tasks")
SLOW_MS: Final = 5_000
FREQUENT: Final = {
    messages.RUN_CYCLE,
    messages.SWEEP,
    messages.SETTLE,
    messages.APPLY_MESSAGES,
    messages.HEARTBEAT,
    messages.WATCH_LINES,
    messages.EVALUATE_EVENT,
    messages.ASK_EXCHANGE,
    messages.ASK_WHILE_SHUT,
    messages.END_SILENT_COPIES,
    messages.SAMPLE_PRICES,
}
_started: dict[str, float] = {}
log = logging.getLogger(__name__)


def connect() -> None:
    """Hang the ledger into Celery's signals; called once when the application is ready."""
    signals.before_task_publish.connect(covered.stamp, dispatch_uid="console.covered")
    signals.task_prerun.connect(on_start, dispatch_uid="console.ledger.start")
    signals.task_postrun.connect(on_end, dispatch_uid="console.ledger.end")
    signals.task_failure.connect(on_failure, dispatch_uid="console.ledger.failure")
    signals.task_retry.connect(on_retry, dispatch_uid="console.ledger.retry")


def on_start(task_id: str = "", task: Any = None, **kwargs: Any) -> None:
    """A run begins: a row for rare tasks, only a note of the time for frequent ones."""
    _started[task_id] = time.monotonic()
    contextvars.clear_contextvars()
    contextvars.bind_contextvars(task=task.name, task_id=task_id)
    if task.name not in FREQUENT:
        _write(task_id, task, "started")


def on_end(task_id: str = "", task: Any = None, state: str | None = None, **kwargs: Any) -> None:
    """A run ended. Failures have been written by ``on_failure``, but for what ends a thread or a process (no state); here the others are
    counted or closed."""
    if state is None:
        on_failure(task_id, task, sys.exception())
    took = _took(task_id)
    _started.pop(task_id, None)
    contextvars.clear_contextvars()
    if state in (None, "FAILURE", "RETRY"):
        return
    _count(task.name, "done", took)
    if task.name not in FREQUENT or took > SLOW_MS:
        _write(task_id, task, "done", took)


def on_failure(
    task_id: str = "", sender: Any = None, exception: BaseException | None = None, einfo: Any = None, **kwargs: Any
) -> None:
    """A run failed: always a row, with the traceback (scrubbed, its end kept)."""
    took = _took(task_id)
    _count(sender.name, "failed", took)
    _write(task_id, sender, "failed", took, str(getattr(einfo, "traceback", "") or exception))


def on_retry(request: Any = None, reason: Any = None, sender: Any = None, **kwargs: Any) -> None:
    """A run is retried."""
    _count(sender.name, "retry", _took(request.id))
    _write(request.id, sender, "retry", _took(request.id), str(reason))


def counts() -> dict[str, dict[str, int]]:
    """{task name: {"done": n, "failed": n, "ms": total}} since Redis was last emptied; empty when Redis is away."""
    found: dict[str, dict[str, int]] = {}
    with suppress(redis.RedisError):
        for field, number in cache.prices().hgetall(COUNTS).items():
            text = field.decode() if isinstance(field, bytes) else field
            name, _, what = text.rpartition("|")
            found.setdefault(name, {})[what] = int(number)
    return found


def _took(task_id: str) -> int:
    started = _started.get(task_id)
    return int((time.monotonic() - started) * 1000) if started is not None else 0


def _count(name: str, what: str, took: int) -> None:
    counters.observe("task_duration", took / 1000, {"task": name})
    with suppress(redis.RedisError), cache.prices().pipeline(transaction=False) as pipe:
        pipe.hincrby(COUNTS, f"{name}|{what}", 1)
        pipe.hincrby(COUNTS, f"{name}|ms", took)
        pipe.execute()


def _write(task_id: str, task: Any, status: str, took: int | None = None, error: str = "") -> None:
    from kalbot.console.models import TaskRecord

    info = getattr(task.request, "delivery_info", None) or {}
    row = {
        "name": task.name,
        "status": status,
        "queue": str(info.get("routing_key") or "")[:32],
        "worker": str(task.request.hostname or "")[:120],
        "duration_ms": took,
        "error": scrub(error)[-8_000:],
    }
    try:
        TaskRecord.objects.update_or_create(
            id=task_id, defaults=row, create_defaults={**row, "started_at": clock.now()}
        )
    except DatabaseError as problem:
        log.info("the run of %s was not recorded: %s", task.name, problem)
