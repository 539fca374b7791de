"""Token buckets of docs/kalshi-protocol.md 3: read, write, one per non-zero shard, and the balance endpoint's own."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.config import SHARDS
from simulator.errors import ApiError

TIERS = {
    # tier: (read per s, write per s, read seconds, write seconds)
    "basic": (200, 100, 3, 1),
    "advanced": (300, 300, 3, 3),
    "expert": (600, 600, 1, 3),
    "premier": (1_200, 1_200, 1, 3),
    "paragon": (2_400, 2_400, 1, 3),
    "prime": (4_800, 4_800, 1, 3),
    "prestige": (12_000, 9_600, 1, 3),
}
DEFAULT_COST = 10
COSTS = [
    ("DELETE", "/portfolio/events/orders/{order_id}", 2),
    ("DELETE", "/portfolio/events/orders/batched", 2),
    ("DELETE", "/portfolio/events/orders", 2),
    ("GET", "/portfolio/orders/{order_id}", 2),
    ("POST", "/account/api_usage_level/upgrade", 30),
]


@dataclass(slots=True)
class Bucket:
    """Tokens in thousandths, refilled continuously."""

    rate: int
    capacity: int
    level: int = -1
    at_ms: int = 0

    def take(self, cost: int, now_ms: int) -> bool:
        """Take ``cost`` tokens if all of them are there."""
        if not self.has(cost, now_ms):
            return False
        self.level -= cost * 1000
        return True

    def has(self, cost: int, now_ms: int) -> bool:
        if self.level < 0:
            self.level = self.capacity * 1000
        else:
            self.level = min(self.capacity * 1000, self.level + (now_ms - self.at_ms) * self.rate)
        self.at_ms = now_ms
        return self.level >= cost * 1000


def too_many() -> ApiError:
    """429 without Retry-After (docs/kalshi-protocol.md 3)."""
    return ApiError(429, "too_many_requests", "too many requests")


class Limiter:
    """The buckets of one account at one tier."""

    def __init__(self, tier: str) -> None:
        self.set_tier(tier)

    def set_tier(self, tier: str) -> None:
        """Fresh buckets of a tier."""
        if tier not in TIERS:
            raise ValueError(f"unknown tier {tier!r}: one of {', '.join(TIERS)}")
        read, write, read_s, write_s = TIERS[tier]
        self.tier = tier
        self.read = Bucket(read, read * read_s)
        self.write = Bucket(write, write * write_s)
        self.shards = {shard: Bucket(write, write * write_s) for shard in SHARDS if shard}
        self.public = Bucket(200, 600)
        self.balance = Bucket(1 if tier in ("basic", "advanced") else 5, 1)

    def charge_read(self, cost: int, now_ms: int) -> None:
        if not self.read.take(cost, now_ms):
            raise too_many()

    def charge_public(self, cost: int, now_ms: int) -> None:
        """An unsigned read: about 20 a second with a burst of 60, whatever the tier (measured, not documented)."""
        if not self.public.take(cost, now_ms):
            raise too_many()

    def charge_balance(self, now_ms: int) -> None:
        if not self.balance.take(1, now_ms):
            raise too_many()

    def charge_write(self, cost: int, now_ms: int, shard: int | None = 0) -> None:
        """``shard``: an explicit index >= 1 bills its own bucket, 0 the unscoped one, None (auto-routed) all of them."""
        if shard:
            buckets = [self.shards[shard]] if shard in self.shards else [self.write]
        elif shard == 0:
            buckets = [self.write]
        else:
            buckets = [self.write, *self.shards.values()]
        if not all([bucket.has(cost, now_ms) for bucket in buckets]):  # noqa: C419 - each bucket is refilled
            raise too_many()
        for bucket in buckets:
            bucket.take(cost, now_ms)
