"""The account's rate limits as the exchange tells them, kept where every process finds them.

Reconciliation asks ``GET /account/limits``; until it has, and whenever what it found cannot be read, the Basic tier's limits
hold: what any account has.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec
import redis

from kalbot.common import cache
from markets.kalshi.errors import KalshiError
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas.account import ApiLimits, BucketLimit
from markets.kalshi.token_buckets import BASIC

KEY: Final = "limits:account"
LIFE_SECONDS: Final = 3_600
"""Older than this, what was learnt is forgotten: a tier can be lost again."""
log = logging.getLogger(__name__)


class _Stored(msgspec.Struct):
    tier: str
    read: BucketLimit
    write: BucketLimit


def learn(client: KalshiClient) -> ApiLimits:
    """Ask the exchange and tell every process. What cannot be asked or stored leaves things as they were."""
    try:
        limits = client.account.limits()
    except KalshiError as error:
        log.warning("the account's limits cannot be read (%s); going on as before", error)
        return known()
    if min(limits.write.refill_rate, limits.write.bucket_capacity, limits.read.refill_rate) <= 0:
        log.warning("the account's limits make no sense (%s); the Basic tier's hold", limits)
        limits = BASIC
    client.transport.limiter.update(limits)
    try:
        stored = msgspec.json.encode(_Stored(limits.usage_tier, limits.read, limits.write))
        cache.prices().set(KEY, stored, ex=LIFE_SECONDS)
    except redis.RedisError as error:
        log.warning("the account's limits cannot be stored: %s", error)
    return limits


def known() -> ApiLimits:
    """What was learnt lately, else the Basic tier's limits."""
    try:
        found = cache.prices().get(KEY)
        if not isinstance(found, bytes):
            return BASIC
        stored = msgspec.json.decode(found, type=_Stored)
    except (redis.RedisError, msgspec.MsgspecError):
        return BASIC
    return ApiLimits(usage_tier=stored.tier, read=stored.read, write=stored.write)
