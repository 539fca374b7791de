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


@contextmanager
def lock(name: str, seconds: float) -> Iterator[bool]:
    """Try to hold ``lock:name`` for at most ``seconds``; yields whether it was got. A Redis that is away yields False."""
    token = secrets.token_hex(8)
    key = f"lock:{name}"
    try:
        held = bool(prices().set(key, token, nx=True, px=int(seconds * 1000)))
    except redis.RedisError:
        held = False
    try:
        yield held
    finally:
        if held:
            with suppress(redis.RedisError):  # it lapses by itself
                prices().eval(_RELEASE, 1, key, token)
