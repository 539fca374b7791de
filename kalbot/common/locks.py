"""Several locks of ``cache.lock``'s kind at once, and values that are wanted with them: one message to Redis acquires, one releases.

As there, nothing raises: a Redis that is away acquires nothing, and what could not be released expires.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

import redis

from kalbot.common import cache

_RELEASE: Final = """
for _, name in ipairs(KEYS) do
  if redis.call('get', name) == ARGV[1] then redis.call('del', name) end
end
"""


@contextmanager
def acquired(
    names: Sequence[str], seconds: float, beside: Sequence[str]
) -> Iterator[tuple[list[bool], list[bytes | None]]]:
    """Try once to acquire ``lock:name`` for each of ``names``, for at most ``seconds``; released at the end. Yields which of them were
    acquired, and the values of the keys ``beside``, read behind the locks and at one instant (None where there is none, or no lock was
    wanted)."""
    if not names:
        yield [], [None] * len(beside)
        return
    if cache.is_isolated():
        yield [True] * len(names), cache.prices().mget(beside)  # type: ignore[misc]  # the stubs know of awaitables
        return
    keys, token = [cache.key(f"lock:{name}") for name in names], uuid4().hex
    try:
        with cache.prices().pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.set(key, token, nx=True, px=int(seconds * 1000))
            pipe.mget(beside)
            *got, values = pipe.execute()
    except redis.RedisError:
        got, values = [None] * len(keys), [None] * len(beside)
    mine = [key for key, is_mine in zip(keys, got, strict=True) if is_mine]
    try:
        yield [bool(each) for each in got], values
    finally:
        if mine:
            with suppress(redis.RedisError):
                cache.prices().register_script(_RELEASE)(keys=mine, args=[token])
