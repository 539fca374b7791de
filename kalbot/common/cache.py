"""Connections to Redis, and locks that expire.

Timeouts are short on purpose: a dead server must cost the trading path a moment, not seconds.
Locks are an optimisation against double work; the guarantee is always a conditional UPDATE or a constraint.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, cast

import redis
from django.conf import settings
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from kalbot.common import bounded
from kalbot.common.local_store import LocalStore


class _Nested(threading.local):
    """Whether this thread is inside of an attempt that is repeated already: to connect is a part of each command."""

    here = False


_nested = _Nested()


class _BriefRetry(Retry):
    """Again where a connection broke, which takes no time. Silence is waited for twice at most, and what ``bounded`` allows."""

    def __init__(self, server: str) -> None:
        super().__init__(ConstantBackoff(0.02), 2)
        self._server = server

    def call_with_retry(self, do: Any, fail: Any, is_retryable: Any = None, with_failure_count: bool = False) -> Any:
        """See redis-py."""
        if _nested.here:
            return self._once(do, fail, with_failure_count)
        left = bounded.left(self._server)
        if left is not None and left <= 0:
            raise redis.TimeoutError("Redis did not answer a moment ago")
        _nested.here = True
        try:
            return super().call_with_retry(do, self._brief(fail, with_failure_count), is_retryable, True)
        finally:
            _nested.here = False

    def _once(self, do: Any, fail: Any, with_failure_count: bool) -> Any:
        try:
            return do()
        except self._supported_errors as error:
            _failed(fail, error, 1, with_failure_count)
            raise

    def _brief(self, fail: Any, with_failure_count: bool) -> Any:
        """What redis-py does after a failure, and then the end if this was the last attempt."""

        def after(error: Exception, failures: int) -> None:
            _failed(fail, error, failures, with_failure_count)
            is_bounded = bounded.left(self._server) is not None
            is_last = failures > self._retries or (
                isinstance(error, redis.TimeoutError) and (failures > 1 or is_bounded)
            )
            if is_last:
                bounded.give_up(self._server)
                raise error

        return after


def _failed(fail: Any, error: Exception, failures: int, with_failure_count: bool) -> None:
    if with_failure_count:
        fail(error, failures)
    else:
        fail(error)


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=_BriefRetry(url),
        health_check_interval=15,
    )


_local: LocalStore | None = None


@contextmanager
def isolated() -> Iterator[None]:
    """This process works alone until the block ends: no server of the settings is reached, what is kept is kept here."""
    global _local
    before, _local = _local, LocalStore()
    try:
        yield
    finally:
        _local = before


def is_isolated() -> bool:
    """Whether this process works alone now, as a replay does."""
    return _local is not None


def prices() -> redis.Redis:
    """The database of prices, heartbeats and locks (bytes in, bytes out)."""
    if _local is not None:
        return cast(redis.Redis, _local)
    return _client(settings.PRICES_URL)


def broker() -> redis.Redis:
    """The database of Celery's messages, for queue depths."""
    return _client(settings.BROKER_URL)


def key(name: str) -> str:
    """The name of a key or channel in Redis: under the environment and the exchange, so that two never share a price or a lock."""
    return f"{settings.REDIS_PREFIX}{name}"


def server_ms() -> int:
    """Redis' own clock, Unix milliseconds: the one that all hosts share, however wrong their own are. Raises redis.RedisError."""
    seconds, micros = prices().time()
    return seconds * 1000 + micros // 1000


def queue_depths(names: Sequence[str]) -> dict[str, int]:
    """Messages that wait in each of these queues. Raises redis.RedisError."""
    with broker().pipeline(transaction=False) as pipe:
        for name in names:
            pipe.llen(key(name))
        return dict(zip(names, pipe.execute(), strict=True))


class Lock:
    """An attempt at redis-py's lock ``lock:name``, made once and without waiting. True if it was acquired.

    No method raises: a Redis that is away acquires nothing, and a lock that could not be released expires.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._lock = prices().lock(key(f"lock:{name}"), timeout=seconds, thread_local=False)
        try:
            self._acquired = bool(self._lock.acquire(blocking=False))
        except redis.RedisError:
            self._acquired = False

    def __bool__(self) -> bool:
        return self._acquired

    def renew(self) -> None:
        """Reset the time to live, so that work of unknown length can do with a short one. A lock that expired is acquired again unless
        somebody else has it since; then it stays lost."""
        if not self._acquired:
            return
        try:
            self._lock.reacquire()
        except redis.exceptions.LockError:
            with suppress(redis.RedisError):
                self._acquired = bool(self._lock.acquire(blocking=False))
        except redis.RedisError:
            pass

    def release(self) -> None:
        """Give it back, once. Does nothing to a lock that expired and that somebody else has acquired since."""
        if self._acquired:
            with suppress(redis.RedisError):
                self._lock.release()


@contextmanager
def lock(name: str, seconds: float) -> Iterator[Lock]:
    """Try to acquire ``lock:name`` for at most ``seconds`` and release it at the end. What it yields is true if that succeeded."""
    acquired = Lock(name, seconds)
    try:
        yield acquired
    finally:
        acquired.release()
