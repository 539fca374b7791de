"""Token buckets (docs/kalshi-protocol.md 3): what a request costs, which buckets pay, and a limiter for one process.

The arithmetic is pure and shared: a limiter that many processes share needs only another place for the
balances.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from .errors import LocallyRateLimited
from .schemas.account import ApiLimits, BucketLimit, EndpointCosts

Kind = Literal["read", "public", "write", "balance"]

UNSCOPED: Final = 0
"""Reads, batches, other writes, and single orders with an explicit ``exchange_index`` of 0."""
AUTO: Final = None
"""A single order routed by ticker: bills the unscoped bucket and every other shard's."""

BASIC: Final = ApiLimits(usage_tier="basic", read=BucketLimit(200, 600), write=BucketLimit(100, 100))
"""What any account has; used until ``GET /account/limits`` has been read."""
ROUNDING: Final = 1e-6
"""Tokens that the arithmetic of refilling may lose."""
SHARDS: Final = (1, 2, 3)
"""The shards other than 0 known at the time of writing (docs/kalshi-protocol.md 6)."""


class Limiter(Protocol):
    """Hands out tokens before a request leaves."""

    def update(self, limits: ApiLimits) -> None:
        """Go on with the limits that the account really has; tokens already spent stay spent."""

    def acquire(
        self, kind: Kind, cost: int, shard: int | None, keep_back: int = 0, timeout: float | None = None
    ) -> None:
        """Take ``cost`` tokens of every bucket that pays, all or none, waiting up to ``timeout`` seconds
        (None: for ever).

        ``keep_back`` tokens must be left in each of them afterwards: new risk leaves what an unwind would
        need. Raises LocallyRateLimited when they cannot be had in time, or ever.
        """

    def available(self, kind: Kind, shard: int | None) -> int:
        """Whole tokens that the poorest of the paying buckets holds now. An estimate: others take from it too."""
        ...

    def refused(self, kind: Kind) -> None:
        """The exchange answered 429 all the same."""
        ...


def buckets_of(kind: Kind, shard: int | None, shards: Sequence[int] = SHARDS) -> tuple[str, ...]:
    """Names of the buckets that pay, sorted: ``read``, ``public``, ``balance``, ``write``, or ``write:n`` for shard n >=
    1. Unsigned reads are ``public``: the exchange counts them by address, not by account."""
    if kind != "write":
        return (kind,)
    if shard is AUTO or shard < 0:
        return ("write", *(f"write:{n}" for n in sorted(shards) if n > 0))
    return ("write",) if shard == UNSCOPED else (f"write:{shard}",)


def limit_of(bucket: str, limits: ApiLimits) -> BucketLimit:
    """Refill rate and capacity of a bucket by name, in tokens per second and tokens."""
    if bucket == "read":
        return limits.read
    if bucket == "public":
        return BASIC.read
    if bucket == "balance":
        per_second = 1 if limits.usage_tier in ("basic", "advanced") else 5
        return BucketLimit(per_second * 10, 10)
    return limits.write


@dataclass(slots=True)
class TokenBucket:
    """One bucket. ``tokens`` is what it held at ``at`` (seconds of any monotonic clock)."""

    limit: BucketLimit
    tokens: float
    at: float

    @classmethod
    def full(cls, limit: BucketLimit, at: float) -> TokenBucket:
        return cls(limit, limit.bucket_capacity, at)

    def refill(self, now: float) -> None:
        """Bring ``tokens`` up to ``now``; a clock that runs back adds nothing."""
        elapsed = max(0.0, now - self.at)
        self.tokens = min(self.limit.bucket_capacity, self.tokens + elapsed * self.limit.refill_rate)
        self.at = now

    def wait_for(self, needed: int) -> float:
        """Seconds until ``needed`` tokens are there; 0 when they are. Call ``refill`` first."""
        short = needed - self.tokens
        return short / self.limit.refill_rate if short > ROUNDING else 0.0


class LocalLimiter:
    """A Limiter for one process; safe between its threads."""

    def __init__(
        self,
        limits: ApiLimits = BASIC,
        *,
        shards: Sequence[int] = SHARDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits
        self._shards = tuple(shards)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._buckets: dict[str, TokenBucket] = {}

    def update(self, limits: ApiLimits) -> None:
        """See Limiter."""
        with self._lock:
            self._limits = limits
            for name, bucket in self._buckets.items():
                bucket.refill(self._clock())
                bucket.limit = limit_of(name, limits)

    def acquire(
        self, kind: Kind, cost: int, shard: int | None, keep_back: int = 0, timeout: float | None = None
    ) -> None:
        """See Limiter."""
        names = buckets_of(kind, shard, self._shards)
        deadline = None if timeout is None else self._clock() + timeout
        while True:
            with self._lock:
                wait = self._take(names, cost, cost + keep_back)
            if wait <= 0:
                return
            if deadline is not None and self._clock() + wait > deadline:
                raise LocallyRateLimited(f"{cost} {kind} tokens would take {wait:.2f} s")
            self._sleep(max(wait, 0.001))

    def refused(self, kind: Kind) -> None:
        """See Limiter. A process alone counts nothing."""

    def available(self, kind: Kind, shard: int | None) -> int:
        """Whole tokens that the poorest of the paying buckets holds now."""
        with self._lock:
            return int(min(self._bucket(name).tokens for name in buckets_of(kind, shard, self._shards)))

    def _take(self, names: Sequence[str], cost: int, needed: int) -> float:
        buckets = [self._bucket(name) for name in names]
        for name, bucket in zip(names, buckets, strict=True):
            if needed > bucket.limit.bucket_capacity:
                raise LocallyRateLimited(
                    f"{needed} tokens are more than the {name} bucket holds ({bucket.limit.bucket_capacity})"
                )
        wait = max(bucket.wait_for(needed) for bucket in buckets)
        if wait <= 0:
            for bucket in buckets:
                bucket.tokens -= cost
        return wait

    def _bucket(self, name: str) -> TokenBucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = TokenBucket.full(limit_of(name, self._limits), self._clock())
        bucket.refill(self._clock())
        return bucket


class Costs:
    """Token cost of a request by method and route; ``GET /account/endpoint_costs`` replaces the defaults."""

    def __init__(self, default: int = 10, special: Mapping[tuple[str, str], int] | None = None) -> None:
        self.default = default
        self._special = {(m.upper(), _shape(p)): c for (m, p), c in (special or PUBLISHED).items()}

    @classmethod
    def from_account(cls, costs: EndpointCosts) -> Costs:
        """The authoritative costs."""
        return cls(costs.default_cost, {(c.method, c.path): c.cost for c in costs.endpoint_costs})

    def of(self, method: str, route: str, items: int = 1) -> int:
        """Tokens of ``items`` pieces of a route such as ``/portfolio/events/orders/{order_id}``."""
        return self._special.get((method.upper(), _shape(route)), self.default) * max(items, 1)


PUBLISHED: Final[Mapping[tuple[str, str], int]] = {
    ("DELETE", "/portfolio/events/orders/{order_id}"): 2,
    ("DELETE", "/portfolio/events/orders/batched"): 2,
    ("DELETE", "/portfolio/events/orders"): 2,
    ("GET", "/portfolio/orders/{order_id}"): 2,
    ("POST", "/account/api_usage_level/upgrade"): 30,
}


def _shape(route: str) -> str:
    """A route without its prefix and with every parameter as ``*``, whichever way it was written."""
    parts = route.removeprefix("/trade-api/v2").strip("/").split("/")
    return "/".join("*" if part[:1] in ("{", ":") else part for part in parts)
