"""Programmes of the exchange that pay for orders that rest: read now and then, kept in Redis, shown, and counted only where a profile asks.

What an account will be paid is not known before: it depends on what all others rest. ``bound`` is the most that it can be.
Money micro-dollars, counts 1/100 contract, times Unix milliseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

import msgspec
import redis

from kalbot.common import cache, clock
from kalbot.common.units import Money
from markets.kalshi.errors import KalshiError
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas.programmes import Programme

LIQUIDITY: Final = "liquidity"
"""The kind that pays for resting orders; any other kind pays for nothing that a quote does."""
EVERY: Final = 600
"""Seconds between two reads."""
KEPT: Final = 3 * EVERY
log = logging.getLogger(__name__)


class Incentive(msgspec.Struct, array_like=True, frozen=True):
    """``reward`` of the whole period, shared among those who rest; ``most`` for one account (None: no limit); ``target``: the resting
    count that earns in full, 0 where none is named."""

    ticker: str
    reward: int
    most: int | None
    target: int
    start_ms: int
    end_ms: int
    description: str

    def bound(self, count: int, until_ms: int) -> Money:
        """The most that ``count`` resting from now until then can earn: by the share of its period, and of the target where one is
        named."""
        now = clock.now_ms()
        overlap = max(0, min(until_ms, self.end_ms) - max(now, self.start_ms))
        period = self.end_ms - self.start_ms
        if period <= 0 or count <= 0:
            return Money(0)
        earned = self.reward * min(overlap, period) // period
        if self.target > 0:
            earned = earned * min(count, self.target) // self.target
        return Money(earned if self.most is None else min(earned, self.most))


def refresh(client: KalshiClient) -> int:
    """Read the active programmes, unless somebody has within ``EVERY`` seconds. Returns how many pay for resting orders."""
    try:
        if not cache.prices().set(cache.key("incentives due"), 1, nx=True, ex=EVERY):
            return 0
        pages = client.catalogue.programmes(kind=LIQUIDITY)
        found = [_kept(one) for page in pages for one in page if one.kind == LIQUIDITY and not one.paid_out]
        cache.prices().set(cache.key("incentives"), msgspec.msgpack.encode(found), ex=KEPT)
    except (KalshiError, redis.RedisError) as error:
        log.warning("incentive programmes not read: %s", error)
        return 0
    return len(found)


def of(tickers: Collection[str]) -> list[Incentive]:
    """The programmes that run now in these markets, as last read; none where that is not known."""
    try:
        stored = cache.prices().get(cache.key("incentives"))
    except redis.RedisError:
        return []
    if not isinstance(stored, bytes) or not stored:
        return []
    now = clock.now_ms()
    found = msgspec.msgpack.decode(stored, type=list[Incentive])
    return [one for one in found if one.ticker in tickers and one.start_ms <= now < one.end_ms]


def _kept(one: Programme) -> Incentive:
    start, end = (int(at.timestamp() * 1000) for at in (one.start, one.end))
    return Incentive(one.market_ticker, one.reward, one.most, one.target_size, start, end, one.description[:200])
