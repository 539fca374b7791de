"""The account's rate limits as the exchange reports them, kept in Redis for every process.

Reconciliation fetches ``GET /account/limits``; until it has, and whenever the result cannot be read, the Basic tier's limits
hold: what any account has.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import msgspec
import redis

from kalbot.common import cache
from markets.kalshi.errors import KalshiError
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas.account import ApiLimits, BucketLimit
from markets.kalshi.token_buckets import BASIC

KEY: Final = cache.key("limits:account")
EXPIRY_SECONDS: Final = 3_600
"""What was fetched longer ago does not count: a tier can be lost again."""
REMEMBERED_SECONDS: Final = 5.0
log = logging.getLogger(__name__)


class _Stored(msgspec.Struct):
    tier: str
    read: BucketLimit
    write: BucketLimit


def refresh(client: KalshiClient) -> ApiLimits:
    """Fetch the limits and store them for every process. What cannot be fetched or stored leaves things as they were."""
    try:
        limits = client.account.limits()
    except KalshiError as error:
        log.warning("account limits cannot be read (%s); the known ones stay in force", error)
        return known()
    if min(limits.write.refill_rate, limits.write.bucket_capacity, limits.read.refill_rate) <= 0:
        log.warning("account limits are not valid (%s); the Basic tier's are in force", limits)
        limits = BASIC
    client.transport.limiter.update(limits)
    forget()
    try:
        stored = msgspec.json.encode(_Stored(limits.usage_tier, limits.read, limits.write))
        cache.prices().set(KEY, stored, ex=EXPIRY_SECONDS)
    except redis.RedisError as error:
        log.warning("account limits cannot be stored: %s", error)
    return limits


_remembered: list[tuple[float, ApiLimits]] = []


def lately() -> ApiLimits:
    """``known``, remembered in this process for a few seconds: for questions about every event, and for every plan."""
    if not _remembered or time.monotonic() >= _remembered[0][0]:
        _remembered[:] = [(time.monotonic() + REMEMBERED_SECONDS, known())]
    return _remembered[0][1]


def forget() -> None:
    """``lately`` reads again."""
    _remembered.clear()


def known() -> ApiLimits:
    """What was fetched lately, else the Basic tier's limits."""
    try:
        found = cache.prices().get(KEY)
        if not isinstance(found, bytes):
            return BASIC
        stored = msgspec.json.decode(found, type=_Stored)
    except (redis.RedisError, msgspec.MsgspecError):
        return BASIC
    return ApiLimits(usage_tier=stored.tier, read=stored.read, write=stored.write)
