"""Rate-limit tokens as they are now."""

from __future__ import annotations

import redis
from django.conf import settings

from kalbot.common.errors import KalbotError
from markets import connect, rate_limits
from markets.kalshi.token_buckets import BASIC
from trading.venues import account_limits


def left() -> dict[str, float]:
    """Tokens by bucket; buckets nobody used for a minute are full and absent. Empty while Redis is away."""
    try:
        where = connect.environment()
        found = rate_limits.left(connect.limit_scope(where), BASIC)
        named = {f"{bucket} (public)": number for bucket, number in found.items()}
        if settings.KALSHI_KEY_ID:
            named |= rate_limits.left(connect.limit_scope(where, settings.KALSHI_KEY_ID), account_limits.known())
    except (redis.RedisError, KalbotError):
        return {}
    return named
