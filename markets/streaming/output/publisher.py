"""Writes prices: one script call a flush, which checks the fencing token, renews the lease and sets all records.

The script runs at one instant of Redis, so a reader sees a flush whole or not at all. Flushes are numbered: a flush whose answer
was lost and that arrives late, behind its successor, is dropped instead of putting old prices over new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import redis
from redis.connection import Connection

from kalbot.common import express, trace
from markets.prices import CHANGED_CHANNEL, LEADER_KEY, LEASE_KEY, Lease
from markets.streaming.output.leader import Leadership

_FLUSH: Final = (
    express.PUT
    + """
local state = redis.call('hmget', KEYS[1], 'token', 'flush')
if state[1] ~= ARGV[1] then return {-1, -1} end
if tonumber(state[2]) >= tonumber(ARGV[2]) then return {0, -1} end
redis.call('hset', KEYS[1], 'flush', ARGV[2])
redis.call('pexpire', KEYS[1], ARGV[3])
if ARGV[4] == '' then
  redis.call('del', KEYS[2])
else
  redis.call('set', KEYS[2], ARGV[4], 'PX', ARGV[3])
end
local events, last = {}, 7 + tonumber(ARGV[7])
for number = 8, last do events[#events + 1] = ARGV[number] end
for first = last + 1, #ARGV, 4000 do
  redis.call('mset', unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
if ARGV[5] ~= '' then redis.call('publish', KEYS[3], ARGV[5]) end
return {1, put(KEYS[4], KEYS[5], ARGV[6], events)}
"""
)
_FORGET: Final = """
if redis.call('hget', KEYS[1], 'token') ~= ARGV[1] then return -1 end
for first = 2, #ARGV, 4000 do
  redis.call('unlink', unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
return 1
"""


class Fenced(Exception):
    """Another process leads now, or Redis was emptied: nothing was written, and nothing may be before leadership is acquired."""


class Publisher:
    """The writing end of ``markets.prices``. Raises Fenced, or redis.RedisError when Redis is away.

    ``begin`` sends a flush and returns; ``finish`` takes its answer. Between the two the caller may go on receiving. There is one flush
    in flight at most, and nothing counts as written before ``finish`` has returned True.
    """

    def __init__(self, client: redis.Redis, leadership: Leadership) -> None:
        self._leadership = leadership
        self._keys = (
            f"{LEADER_KEY}{leadership.partition}",
            f"{LEASE_KEY}{leadership.partition}",
            CHANGED_CHANNEL,
            *express.keys(),
        )
        self._script = client.register_script(_FLUSH)
        self._forget = client.register_script(_FORGET)
        self._pool = client.connection_pool
        self._connection: Connection | None = None
        self._loaded = False
        self._number = 0
        self.in_flight = False
        self.put = express.NOBODY
        """How many of the events of the last flush found a place among those to be evaluated; ``express.NOBODY`` where none waits."""

    def flush(
        self, epoch: str, alive_ms: int, records: Mapping[str, bytes], changed_events: Iterable[str] = ()
    ) -> None:
        """``begin`` and ``finish`` in one."""
        if self.in_flight:
            self.finish(wait=True)
        self.begin(epoch, alive_ms, records, changed_events)
        self.finish(wait=True)

    def begin(
        self,
        epoch: str,
        alive_ms: int,
        records: Mapping[str, bytes],
        changed_events: Iterable[str] = (),
        evaluated: Sequence[str] = (),
    ) -> None:
        """Send ``records`` (key -> packed record) and the renewed lease of ``epoch``, and have events be ``evaluated`` on them.

        An empty ``epoch`` withdraws the lease: once written, no price of this writer reads as live.
        """
        token = self._token()
        lease = msgspec.msgpack.encode(Lease(epoch, alive_ms, token)) if epoch else b""
        self._number += 1
        changed = " ".join(changed_events)
        args: list[Any] = [*self._keys, token, self._number, self._leadership.lease_ms, lease, changed]
        args += [trace.now(), len(evaluated), *evaluated]
        for item in records.items():
            args += item
        try:
            connection = self._connected()
            connection.send_command("EVALSHA", self._script.sha, len(self._keys), *args)
        except (redis.RedisError, OSError) as error:
            self._lost()
            raise redis.ConnectionError(str(error)) from error
        self.in_flight = True

    def finish(self, wait: bool = False) -> bool:
        """Take the answer of the flush in flight. False when it has not come yet (never with ``wait``)."""
        connection = self._connection
        if connection is None or not self.in_flight:
            return True
        try:
            if not wait and not connection.can_read(0):
                return False
            answer = connection.read_response()
        except redis.ResponseError as error:  # Redis was restarted without the script: the next flush loads it
            self._lost()
            raise redis.ConnectionError(str(error)) from error
        except (redis.RedisError, OSError) as error:
            self._lost()
            raise redis.ConnectionError(str(error)) from error
        self.in_flight = False
        written, self.put = answer
        if written == -1:
            self._leadership.token = None
            raise Fenced
        return True

    def forget(self, keys: Iterable[str]) -> None:
        """Remove records that nobody keeps any more."""
        args = [self._token(), *keys]
        if len(args) > 1 and self._forget(keys=self._keys[:1], args=args) == -1:
            self._leadership.token = None
            raise Fenced

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._pool.get_connection()
            self._connection.connect()
        if not self._loaded:
            self._connection.send_command("SCRIPT", "LOAD", _FLUSH)
            self._connection.read_response()
            self._loaded = True
        return self._connection

    def _lost(self) -> None:
        """Close the connection: a late reply on it must not be taken for the next one's."""
        self.in_flight = self._loaded = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)

    def _token(self) -> str:
        if self._leadership.token is None:
            raise Fenced
        return self._leadership.token
