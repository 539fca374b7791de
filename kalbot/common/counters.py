"""Counters and histograms of all processes together, in Redis, for ``/metrics``.

Counting must never slow what is counted: a number is added in memory, and a thread of each process adds what came together to Redis once a
second. While Redis is away it is kept; a process that is killed loses its last second.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final

import redis

from kalbot.common import cache

KEY: Final = cache.key("counters")
FLUSH_SECONDS: Final = 1.0
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds in seconds of every histogram."""

_lock = threading.Lock()
_flushing = threading.Lock()
_waiting: Counter[str] = Counter()
_owner = 0


def count(name: str, labels: Mapping[str, str], by: int = 1) -> None:
    """Add ``by`` to the counter ``name`` with these labels. Never raises, never waits."""
    if cache.is_isolated():
        return
    field = "|".join([name, *(f"{key}={value}" for key, value in sorted(labels.items()))])
    with _lock:
        _waiting[field] += by
    _ensure_thread()


def observe(name: str, seconds: float, labels: Mapping[str, str]) -> None:
    """Put a duration into the histogram ``name``."""
    bound = next((str(bucket) for bucket in BUCKETS if seconds <= bucket), "+Inf")
    count(f"{name}:bucket", {**labels, "le": bound})
    count(f"{name}:us", labels, by=int(seconds * 1_000_000))


def flush() -> None:
    """Add what was counted in this process to Redis; kept for the next time when Redis is away. One at a time: when it returns, all that
    was counted before is in Redis or kept, also what the thread was sending just then."""
    with _flushing:
        _flush()


def _flush() -> None:
    with _lock:
        batch = dict(_waiting)
        _waiting.clear()
    if not batch:
        return
    try:
        with cache.prices().pipeline(transaction=True) as pipe:
            for field, number in batch.items():
                pipe.hincrby(KEY, field, number)
            pipe.execute()
    except redis.RedisError:
        with _lock:
            _waiting.update(batch)


def read() -> dict[str, list[tuple[dict[str, str], int]]]:
    """{name: [(labels, number)]}. Raises redis.RedisError."""
    found: dict[str, list[tuple[dict[str, str], int]]] = {}
    rows = cache.prices().hgetall(KEY)
    for field, number in rows.items():
        name, *labels = (field.decode() if isinstance(field, bytes) else str(field)).split("|")
        found.setdefault(name, []).append((dict(label.split("=", 1) for label in labels), int(number)))
    return found


def _ensure_thread() -> None:
    """One thread a process; a forked child needs its own."""
    global _owner
    if _owner == os.getpid():
        return
    with _lock:
        if _owner == os.getpid():
            return
        _owner = os.getpid()
    threading.Thread(target=_run, name="counters", daemon=True).start()
    atexit.register(flush)


def _begin_in_fork() -> None:
    """A forked child counts from nothing: what its parent has not sent is the parent's, and a thread that held a lock is not there."""
    global _lock, _flushing
    _lock, _flushing = threading.Lock(), threading.Lock()
    _waiting.clear()


os.register_at_fork(after_in_child=_begin_in_fork)


def _run() -> None:
    pause = threading.Event()
    while not pause.wait(FLUSH_SECONDS):
        flush()
