"""Rate limits that every process with one key shares: token buckets in Redis (docs/kalshi-protocol.md 3).

One request may bill several buckets (a write routed by ticker bills the unscoped one and every shard's): it gets all of its
tokens or none, in one script, so that no process ever sees half of a withdrawal. Redis' own clock fills the buckets, which spares
us the differences between hosts. While Redis is away each process falls back to a limiter of its own: exits must stay
possible, and the exchange's 429 is the last word anyway.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, cast

import redis

from kalbot.common import cache, counters
from markets.kalshi.errors import LocallyRateLimited
from markets.kalshi.schemas.account import ApiLimits
from markets.kalshi.token_buckets import BASIC, SHARDS, Kind, LocalLimiter, buckets_of, limit_of

log = logging.getLogger(__name__)

_TAKE: Final = """
local t = redis.call('time')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local cost, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = 0
local left = {}
for i = 1, #KEYS do
  local key = KEYS[i]
  local rate, capacity = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local state = redis.call('hmget', key, 'tokens', 'at')
  local tokens, at = tonumber(state[1]) or capacity, tonumber(state[2]) or now
  left[i] = math.min(capacity, tokens + math.max(0, now - at) * rate / 1000)
  local short = cost + keep - left[i]
  if short > 0 then wait = math.max(wait, math.ceil(short * 1000 / rate)) end
end
if wait > 0 then return wait end
for i = 1, #KEYS do
  redis.call('hset', KEYS[i], 'tokens', tostring(left[i] - cost), 'at', tostring(now))
  redis.call('pexpire', KEYS[i], 60000)
end
return 0
"""
LONGEST_SLEEP: Final = 1.0


def left(scope: str, limits: ApiLimits) -> dict[str, float]:
    """Tokens in the ``read`` and ``write`` buckets of a scope now; one that nobody used for a minute is full and absent.

    Raises redis.RedisError.
    """
    found = {name: _stored(cache.prices(), scope, name, limits) for name in ("read", "write")}
    return {name: tokens for name, tokens in found.items() if tokens is not None}


def _stored(client: redis.Redis, scope: str, name: str, limits: ApiLimits) -> float | None:
    """What the last withdrawal left in a bucket, refilled since; None when nobody used it for a minute."""
    limit = limit_of(name, limits)
    tokens, at = cast("list[bytes | None]", client.hmget(f"limit:{scope}:{name}", "tokens", "at"))
    if tokens is None or at is None:
        return None
    seconds = max(0.0, time.time() - float(at) / 1000)
    return min(limit.bucket_capacity, float(tokens) + seconds * limit.refill_rate)


class SharedLimiter:
    """A ``markets.kalshi.token_buckets.Limiter`` whose balances lie in Redis. ``scope`` names them: same scope, same tokens."""

    def __init__(
        self,
        client: redis.Redis,
        scope: str,
        limits: ApiLimits = BASIC,
        *,
        shards: Sequence[int] = SHARDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._script = client.register_script(_TAKE)
        self._scope = scope
        self._limits = limits
        self._shards = tuple(shards)
        self._sleep = sleep
        self._local = LocalLimiter(limits, shards=shards)

    def update(self, limits: ApiLimits) -> None:
        """Go on with the limits that the account really has."""
        self._limits = limits
        self._local.update(limits)

    def acquire(
        self, kind: Kind, cost: int, shard: int | None, keep_back: int = 0, timeout: float | None = None
    ) -> None:
        """See ``Limiter.acquire``. A request that could never be paid is refused at once."""
        names = buckets_of(kind, shard, self._shards)
        self._refuse_hopeless(names, cost + keep_back)
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                wait = self.take(names, cost, keep_back)
            except redis.RedisError as error:
                log.warning("shared rate limits unavailable (%s); limiting in this process alone", type(error).__name__)
                left = None if end is None else max(0.0, end - time.monotonic())
                self._local.acquire(kind, cost, shard, keep_back, left)
                return
            if wait <= 0:
                return
            if end is not None and time.monotonic() + wait > end:
                raise LocallyRateLimited(f"{cost} {kind} tokens would take {wait:.2f} s")
            self._sleep(min(wait, LONGEST_SLEEP))

    def refused(self, kind: Kind) -> None:
        """See ``Limiter.refused``: counted for ``/metrics``."""
        counters.count("rate_limited", {"kind": kind})

    def available(self, kind: Kind, shard: int | None) -> int:
        """See ``Limiter.available``."""
        names = buckets_of(kind, shard, self._shards)
        try:
            return int(min(self._holds(name) for name in names))
        except redis.RedisError:
            return self._local.available(kind, shard)

    def _holds(self, name: str) -> float:
        stored = _stored(self._client, self._scope, name, self._limits)
        return limit_of(name, self._limits).bucket_capacity if stored is None else stored

    def take(self, names: Sequence[str], cost: int, keep_back: int = 0) -> float:
        """Take ``cost`` tokens of every named bucket if ``keep_back`` stay in each, else none.

        Returns 0 when taken, otherwise the seconds after which to try again. Raises redis.RedisError.
        """
        args: list[float] = [cost, keep_back]
        for name in names:
            limit = limit_of(name, self._limits)
            args += (limit.refill_rate, limit.bucket_capacity)
        keys = [f"limit:{self._scope}:{name}" for name in names]
        return int(self._script(keys=keys, args=args)) / 1000

    def _refuse_hopeless(self, names: Sequence[str], needed: int) -> None:
        for name in names:
            capacity = limit_of(name, self._limits).bucket_capacity
            if needed > capacity:
                raise LocallyRateLimited(f"{needed} tokens are more than the {name} bucket holds ({capacity})")
