"""Writes prices: one script call a flush, which checks the fencing token, renews the lease and sets all records.

The script runs at one instant of Redis, so a reader sees a flush whole or not at all. Flushes are numbered: a flush whose answer
was lost and that arrives late, behind its successor, is dropped instead of putting old prices over new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import redis

from markets.prices import CHANGED_CHANNEL, LEADER_KEY, LEASE_KEY, Lease
from markets.streaming.leader import Leadership

_FLUSH: Final = """
local state = redis.call('hmget', KEYS[1], 'token', 'flush')
if state[1] ~= ARGV[1] then return -1 end
if tonumber(state[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call('hset', KEYS[1], 'flush', ARGV[2])
redis.call('pexpire', KEYS[1], ARGV[3])
if ARGV[4] == '' then
  redis.call('del', KEYS[2])
else
  redis.call('set', KEYS[2], ARGV[4], 'PX', ARGV[3])
end
for first = 6, #ARGV, 4000 do
  redis.call('mset', unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
if ARGV[5] ~= '' then redis.call('publish', KEYS[3], ARGV[5]) end
return 1
"""
_FORGET: Final = """
if redis.call('hget', KEYS[1], 'token') ~= ARGV[1] then return -1 end
for first = 2, #ARGV, 4000 do
  redis.call('unlink', unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
return 1
"""


class Fenced(Exception):
    """Somebody else leads now, or Redis was emptied: nothing was written, and nothing may be until the right is regained."""


class Publisher:
    """The writing end of ``markets.prices``. Raises Fenced, or redis.RedisError when Redis is away."""

    def __init__(self, client: redis.Redis, leadership: Leadership) -> None:
        self._leadership = leadership
        self._keys = (
            f"{LEADER_KEY}{leadership.shard}",
            f"{LEASE_KEY}{leadership.shard}",
            CHANGED_CHANNEL,
        )
        self._flush = client.register_script(_FLUSH)
        self._forget = client.register_script(_FORGET)
        self._number = 0

    def flush(
        self, epoch: str, alive_ms: int, records: Mapping[str, bytes], changed_events: Iterable[str] = ()
    ) -> None:
        """Write ``records`` (key -> packed record) and renew the lease of ``epoch``.

        An empty ``epoch`` withdraws the lease: from this instant no price of this writer reads as live.
        """
        token = self._token()
        lease = msgspec.msgpack.encode(Lease(epoch, alive_ms, token)) if epoch else b""
        self._number += 1
        args: list[bytes | str | int] = [
            token,
            self._number,
            self._leadership.lease_ms,
            lease,
            " ".join(changed_events),
        ]
        for item in records.items():
            args += item
        if self._flush(keys=self._keys, args=args) == -1:
            self._leadership.token = None
            raise Fenced

    def forget(self, keys: Iterable[str]) -> None:
        """Remove records that nobody keeps any more."""
        args = [self._token(), *keys]
        if len(args) > 1 and self._forget(keys=self._keys[:1], args=args) == -1:
            self._leadership.token = None
            raise Fenced

    def _token(self) -> str:
        if self._leadership.token is None:
            raise Fenced
        return self._leadership.token
