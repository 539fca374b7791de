"""Events whose prices moved, on their shortest way from the stream to the workers that evaluate them: past Celery's queue.

A sorted set in the prices' Redis: an event is in it once, under the moment at which it was put there, and whoever waits takes the oldest.
It is used only while a worker says that it waits (``serve``, every second); else, and where a worker of an older version is alone, the
task is sent as any other is. What a worker that dies had taken is evaluated with its next price or in the next cycle, as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache as once
from typing import Any, Final, NamedTuple, cast

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from kalbot.common import cache

WAITING: Final = "express:events"
SERVED: Final = "express:served"
SERVED_SECONDS: Final = 3
"""So long after its last word a worker counts as waiting."""
WAIT_SECONDS: Final = 0.5
"""Most that one attempt to take an event waits, so that a worker that is to end does."""
KEPT_MS: Final = 10_000
"""What nobody has taken by then moved too long ago."""
FULL: Final = 50
"""So many events wait at most: the receivers have work, and their next cycle reads fresh prices anyway."""
NOBODY: Final = -1

PUT: Final = f"""
local function put(waiting, served, at, events)
  if redis.call('exists', served) == 0 then return {NOBODY} end
  local left = {FULL} - redis.call('zcard', waiting)
  local count = math.min(#events, math.max(0, left))
  for number = 1, count do redis.call('zadd', waiting, 'NX', at, events[number]) end
  if count > 0 then redis.call('pexpire', waiting, {KEPT_MS}) end
  return count
end
"""
"""Beginning of a script: ``put`` returns how many of the events found a place, or ``NOBODY``."""
_PUT: Final = PUT + "return put(KEYS[1], KEYS[2], ARGV[1], {unpack(ARGV, 2)})"


class Taken(NamedTuple):
    """An event that is to be evaluated now, and when it was put there, Unix microseconds."""

    event: str
    at_us: int


def keys() -> tuple[str, str]:
    """The keys that ``PUT`` takes: what waits, and whether somebody takes it."""
    return cache.key(WAITING), cache.key(SERVED)


def put(events: Sequence[str], at_us: int) -> int:
    """Have ``events`` evaluated. Returns how many of them found a place (the others are left to the next cycle), or ``NOBODY`` when no
    worker waits for any. Raises redis.RedisError."""
    if cache.is_isolated():
        return NOBODY
    return int(cast(Any, cache.prices().register_script(_PUT)(keys=keys(), args=[at_us, *events])))


def serve() -> None:
    """Say that this worker waits. Raises redis.RedisError."""
    cache.prices().set(cache.key(SERVED), 1, ex=SERVED_SECONDS)


def leave() -> None:
    """This worker waits no more; others say again that they do. Raises redis.RedisError."""
    cache.prices().delete(cache.key(SERVED))


def take() -> Taken | None:
    """The event that waits longest; None when none came within ``WAIT_SECONDS``. Raises redis.RedisError."""
    found = cast(Any, patient().bzpopmin(cache.key(WAITING), timeout=WAIT_SECONDS))
    return None if found is None else Taken(found[1].decode(), int(found[2]))


def patient() -> redis.Redis:
    """The prices' Redis, for what waits ``WAIT_SECONDS``."""
    return _patient(settings.PRICES_URL)


@once
def _patient(url: str) -> redis.Redis:
    """Connections that wait: those of ``cache`` would give up first."""
    return redis.Redis.from_url(
        url, socket_timeout=WAIT_SECONDS + 2, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )
