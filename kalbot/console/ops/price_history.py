"""The price history of watched events: a point a sampling, kept in Redis for pages only. Nothing is traded by it.

Only watched events have live books, and the most wanted of them are sampled: a list of ``POINTS`` points costs about 30 kB an event.
A Redis that was emptied starts the history over.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import msgspec
import redis
from django.db.models import Max

from kalbot.common import cache, clock
from markets.models import Watch
from markets.prices import EventPrices, PriceReader

KEY: Final = cache.key("price_history:")
EVENTS: Final = 300
POINTS: Final = 240
KEPT_SECONDS: Final = 2 * 86_400


class Point(msgspec.Struct, array_like=True, frozen=True):
    """Best YES bid and ask of each outcome at a moment, 1/10,000 dollar; None = nobody bids or offers."""

    at_ms: int
    quotes: dict[str, tuple[int | None, int | None]]


def sample() -> int:
    """Add a point to each watched event whose books are live and have moved; returns how many moved."""
    tickers = list(
        Watch.objects.values("event_id")
        .annotate(most=Max("priority"))
        .order_by("-most", "event_id")
        .values_list("event_id", flat=True)[:EVENTS]
    )
    if not tickers:
        return 0
    moved = 0
    with suppress(redis.RedisError):
        live = PriceReader().events(tickers)
        client = cache.prices()
        with client.pipeline(transaction=False) as pipe:
            for ticker in tickers:
                pipe.lindex(f"{KEY}{ticker}", -1)
            before = dict(zip(tickers, pipe.execute(), strict=True))
        with client.pipeline(transaction=False) as pipe:
            for ticker, prices in live.items():
                point = point_of(prices)
                if point is None or (before[ticker] and decoded(before[ticker]).quotes == point.quotes):
                    continue
                moved += 1
                pipe.rpush(f"{KEY}{ticker}", msgspec.msgpack.encode(point))
                pipe.ltrim(f"{KEY}{ticker}", -POINTS, -1)
                pipe.expire(f"{KEY}{ticker}", KEPT_SECONDS)
            pipe.execute()
    return moved


def point_of(prices: EventPrices) -> Point | None:
    """The best quotes of this moment; None when the books are not alive."""
    if not prices.live or not prices.markets:
        return None
    quotes: dict[str, tuple[int | None, int | None]] = {}
    for ticker, market in prices.markets.items():
        if market.depth is not None and not market.suspect:
            yes, no = market.depth.yes_bids, market.depth.no_bids
            quotes[ticker] = (yes[0][0] if yes else None, 10_000 - no[0][0] if no else None)
    return Point(clock.now_ms(), quotes) if quotes else None


def of(ticker: str) -> list[Point]:
    """The kept price history of one event, oldest first; empty when there is none."""
    try:
        return [decoded(value) for value in cache.prices().lrange(f"{KEY}{ticker}", 0, -1) if isinstance(value, bytes)]
    except redis.RedisError:
        return []


def decoded(value: bytes) -> Point:
    """A stored point."""
    return msgspec.msgpack.decode(value, type=Point)
