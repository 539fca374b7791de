"""One writer: who may write prices, proved by a fencing token that Redis checks in the same script as the write.

A paused process that wakes up again still believes that it leads; its token is no longer the one in Redis, so nothing that it
writes arrives. The token holds a random part beside the counter, because an emptied Redis counts from one again.
"""

from __future__ import annotations

import secrets
from typing import Final

import redis

from markets.prices import FENCE_KEY, LEADER_KEY, LEASE_KEY

LEASE_MS: Final = 3_000
"""How long leadership and lease outlive their last renewal. A standby takes over within this time and one poll."""

_ACQUIRE: Final = """
if redis.call('exists', KEYS[1]) == 1 then return '' end
local token = redis.call('incr', KEYS[2]) .. '-' .. ARGV[1]
redis.call('hset', KEYS[1], 'token', token, 'flush', '0')
redis.call('pexpire', KEYS[1], ARGV[2])
redis.call('del', KEYS[3])
return token
"""
_RELEASE: Final = """
if redis.call('hget', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1], KEYS[2])
"""


class Leadership:
    """The right to write the prices of one partition. Not thread-safe: it belongs to the loop."""

    def __init__(self, client: redis.Redis, partition: int = 0, lease_ms: int = LEASE_MS) -> None:
        self.partition = partition
        self.lease_ms = lease_ms
        self.token: str | None = None
        self._keys = (f"{LEADER_KEY}{partition}", f"{FENCE_KEY}{partition}", f"{LEASE_KEY}{partition}")
        self._acquire = client.register_script(_ACQUIRE)
        self._release = client.register_script(_RELEASE)

    def acquire(self) -> bool:
        """Try to become the writer. Raises redis.RedisError when Redis is away."""
        answer = self._acquire(keys=self._keys, args=[secrets.token_hex(6), self.lease_ms])
        token = answer.decode() if isinstance(answer, bytes) else str(answer or "")
        self.token = token or None
        return self.token is not None

    def release(self) -> None:
        """Give leadership up so that a standby need not wait. Errors are the caller's: leadership expires by itself."""
        token, self.token = self.token, None
        if token:
            self._release(keys=[self._keys[0], self._keys[2]], args=[token])
