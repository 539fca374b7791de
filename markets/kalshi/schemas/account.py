"""What the key may do and how often."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ..scalars import moment_from_seconds
from ..sizes import Seconds, Subaccount
from .boundary import decoder_of


class BucketLimit(msgspec.Struct, frozen=True):
    """A token bucket: tokens per second and the most it holds."""

    refill_rate: int
    bucket_capacity: int


class GrantWire(msgspec.Struct, kw_only=True):
    exchange_instance: str
    level: str
    source: str
    expires_ts: Seconds | None = None


class Grant(msgspec.Struct, frozen=True):
    """Why the account has its tier, and until when."""

    exchange_instance: str
    level: str
    source: str
    expires: datetime | None


class LimitsWire(msgspec.Struct, kw_only=True):
    usage_tier: str
    read: BucketLimit
    write: BucketLimit
    grants: list[GrantWire] | None = None


class ApiLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The account's rate limits; ``usage_tier`` is the raw word."""

    usage_tier: str
    read: BucketLimit
    write: BucketLimit
    grants: tuple[Grant, ...] = ()


class EndpointCost(msgspec.Struct, frozen=True):
    """Tokens of one endpoint that does not cost the default."""

    method: str
    path: str
    cost: int


class EndpointCosts(msgspec.Struct, frozen=True):
    """Authoritative token costs."""

    default_cost: int
    endpoint_costs: tuple[EndpointCost, ...]


class KeyWire(msgspec.Struct, kw_only=True):
    api_key_id: str
    name: str
    scopes: list[str]
    subaccount: Subaccount | None = None


class KeysWire(msgspec.Struct, kw_only=True):
    api_keys: list[KeyWire]
    api_key_region_expiration_ts: Seconds | None = None


class ApiKey(msgspec.Struct, frozen=True):
    """One key: ``subaccount`` is the one it is locked to, None when free. Parent scopes include their
    children."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    subaccount: int | None

    def allows(self, scope: str) -> bool:
        """Whether the key has ``scope``, such as ``"write::trade"``, itself or through its parent."""
        return scope in self.scopes or scope.partition("::")[0] in self.scopes


class ApiKeys(msgspec.Struct, frozen=True):
    """All keys of the account.

    After ``region_expiration`` they cannot trade Sports, Elections and Entertainment.
    """

    keys: tuple[ApiKey, ...]
    region_expiration: datetime | None

    def get(self, key_id: str) -> ApiKey | None:
        return next((key for key in self.keys if key.key_id == key_id), None)


def build_limits(w: LimitsWire) -> ApiLimits:
    """Wire to ours; refuses a bucket that never fills."""
    for bucket in (w.read, w.write):
        if bucket.refill_rate <= 0 or bucket.bucket_capacity <= 0:
            raise ValueError(f"a rate limit of {bucket.refill_rate} tokens/s, capacity {bucket.bucket_capacity}")
    grants = (Grant(g.exchange_instance, g.level, g.source, moment_from_seconds(g.expires_ts)) for g in w.grants or ())
    return ApiLimits(usage_tier=w.usage_tier, read=w.read, write=w.write, grants=tuple(grants))


def build_keys(w: KeysWire) -> ApiKeys:
    """Wire to ours."""
    return ApiKeys(
        tuple(ApiKey(k.api_key_id, k.name, tuple(k.scopes), k.subaccount) for k in w.api_keys),
        moment_from_seconds(w.api_key_region_expiration_ts),
    )


LIMITS = decoder_of(LimitsWire)
ENDPOINT_COSTS = decoder_of(EndpointCosts)
KEYS = decoder_of(KeysWire)
