"""Connections to Redis, and locks that lapse.

Timeouts are short on purpose: a dead server must cost the trading path a moment, not seconds.
Locks are an optimisation against double work; the guarantee is always a conditional UPDATE or a constraint.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import redis
from django.conf import settings
from redis.backoff import ConstantBackoff
from redis.retry import Retry

_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(ConstantBackoff(0.02), 2),
        health_check_interval=15,
    )


def prices() -> redis.Redis:
    """The database of prices, heartbeats and locks (bytes in, bytes out)."""
    return _client(settings.PRICES_URL)


def broker() -> redis.Redis:
    """The database of Celery's messages, for looking at queue depths."""
    return _client(settings.BROKER_URL)


class Lock:
    """A lock as ``lock`` yields it: true if it was got."""

    def __init__(self, key: str, seconds: float) -> None:
        self._key = key
        self._token = secrets.token_hex(8)
        self._ms = int(seconds * 1000)
        try:
            self._held = bool(prices().set(key, self._token, nx=True, px=self._ms))
        except redis.RedisError:
            self._held = False

    def __bool__(self) -> bool:
        return self._held

    def renew(self) -> None:
        """Its full time once more, for work whose length nobody knows: a holder that dies is then missed soon. Never raises; a lock
        that has lapsed stays lost."""
        if self._held:
            with suppress(redis.RedisError):
                prices().eval(_RENEW, 1, self._key, self._token, self._ms)

    def release(self) -> None:
        if self._held:
            with suppress(redis.RedisError):  # it lapses by itself
                prices().eval(_RELEASE, 1, self._key, self._token)


@contextmanager
def lock(name: str, seconds: float) -> Iterator[Lock]:
    """Try to hold ``lock:name`` for at most ``seconds``; what it yields is true if that went well. A Redis that is away is a no."""
    held = Lock(f"lock:{name}", seconds)
    try:
        yield held
    finally:
        held.release()
