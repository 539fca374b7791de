"""Purchases on their shortest way to a worker that waits for one: past Celery's queue, to a thread that has nothing else to do.

Each waiting thread says so for a moment, under a name of its own, and whoever has a purchase gives it to one of them, which then counts as
waiting no more: no purchase waits behind another. Where none waits (all are busy, none is there, they are of an older version) it goes
through the queue. What is given to a worker that dies is found in the database by the sweeper, as any lost message is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import uuid4

from kalbot.common import cache, express

WAITING: Final = "express:idle"
GIVEN: Final = "express:given:"
SAID_MS: Final = 1_500
"""So long after its last word a receiver counts as waiting."""
KEPT_MS: Final = 10_000
"""What its receiver has not taken by then was given to one that died."""
_NOW: Final = """
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_GIVE: Final = (
    _NOW
    + f"""
local found = redis.call('zpopmax', KEYS[1])
if #found == 0 then return 0 end
if tonumber(found[2]) < now then
  redis.call('del', KEYS[1])
  return 0
end
local given = ARGV[1] .. found[1]
redis.call('rpush', given, ARGV[2])
redis.call('pexpire', given, {KEPT_MS})
return 1
"""
)
_WAIT: Final = (
    _NOW
    + """
if redis.call('exists', KEYS[2]) == 1 then return 0 end
redis.call('zadd', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('pexpire', KEYS[1], ARGV[2])
return 1
"""
)


def give(args: Sequence[Any]) -> bool:
    """Have a waiting receiver run the task with ``args``; False when none waits. Raises redis.RedisError, and TypeError for what JSON does
    not have."""
    if cache.is_isolated():
        return False
    script = cache.prices().register_script(_GIVE)
    return bool(script(keys=[cache.key(WAITING)], args=[cache.key(GIVEN), json.dumps(list(args))]))


class Receiver:
    """One thread's end (``receivers.Source``)."""

    def __init__(self) -> None:
        self._name = uuid4().hex
        self._given = cache.key(GIVEN + self._name)

    def take(self) -> list[Any] | None:
        """Say that it waits, and wait a moment for what is given to it."""
        cache.prices().register_script(_WAIT)(keys=[cache.key(WAITING), self._given], args=[self._name, SAID_MS])
        found = cast(Any, express.patient().blpop([self._given], timeout=express.WAIT_SECONDS))
        return None if found is None else _read(found[1])

    def leave(self) -> None:
        """It waits no more."""
        cache.prices().zrem(cache.key(WAITING), self._name)

    def left(self) -> list[Any] | None:
        """What was given to it before it left."""
        found = cast(Any, cache.prices().lpop(self._given))
        return None if found is None else _read(found)


def _read(text: bytes) -> list[Any]:
    """Raises ValueError for what is no list of arguments."""
    args = json.loads(text)
    if not isinstance(args, list) or not args:
        raise ValueError("no arguments of a task were given")
    return args
