"""Contracts traded lately, by market and by the side whose bid was hit: how much reaches an order that rests there.

Whoever reads public trades counts them here; each counts once. Two hashes of five minutes each are read, so a rate is of the last five
to ten minutes, or of less where nobody has counted for so long. Counts in 1/100 contract.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import redis

from kalbot.common import cache, clock
from markets.book import Side
from markets.kalshi.schemas.trades import Trade

BUCKET_SECONDS: Final = 300
LEAST_SECONDS: Final = 5.0
"""With less to go by no rate is known."""
_KEPT: Final = 3 * BUCKET_SECONDS
Hit = tuple[str, Side]
"""(market ticker, side of the bid that was hit)"""


def count(trades: Iterable[Trade]) -> list[Trade]:
    """Count trades that were not counted before. Returns those; none where Redis does not answer."""
    listed = [trade for trade in trades if not trade.is_block_trade]
    now = int(clock.now_ms() / 1000)
    try:
        with cache.prices().pipeline(transaction=False) as pipe:
            pipe.set(_key("since"), now, nx=True)
            pipe.expire(_key("since"), BUCKET_SECONDS)
            pipe.get(_key("since"))
            for trade in listed:
                pipe.set(_key(f"id:{trade.trade_id}"), 1, nx=True, ex=BUCKET_SECONDS)
            _, _, since, *are_new = pipe.execute()
        new = [trade for trade, is_new in zip(listed, are_new, strict=True) if is_new]
        sums: Counter[Hit] = Counter()
        for trade in new:
            sums[trade.ticker, Side(trade.taker_side).other] += trade.count
        bucket = _bucket(since, now // BUCKET_SECONDS)
        with cache.prices().pipeline(transaction=False) as pipe:
            for hit, number in sums.items():
                pipe.hincrby(bucket, _field(hit), number)
            pipe.expire(bucket, _KEPT)
            pipe.execute()
    except redis.RedisError:
        return []
    return new


def rates(hits: Sequence[Hit]) -> dict[Hit, float] | None:
    """1/100 contracts a second that hit each of these bids lately. None where nobody has counted for long enough."""
    now = clock.now_ms() / 1000
    bucket = int(now // BUCKET_SECONDS)
    try:
        since = cast(bytes | None, cache.prices().get(_key("since")))
        if since is None or not hits:
            return None
        fields = [_field(hit) for hit in hits]
        older, newer = (cast(Any, cache.prices().hmget(_bucket(since, n), fields)) for n in (bucket - 1, bucket))
    except redis.RedisError:
        return None
    seconds = now - max((bucket - 1) * BUCKET_SECONDS, float(since))
    if not LEAST_SECONDS <= seconds <= 2 * BUCKET_SECONDS:
        return None
    return {hit: (int(a or 0) + int(b or 0)) / seconds for hit, a, b in zip(hits, older, newer, strict=True)}


def _bucket(since: bytes, number: int) -> str:
    """Counts of before a pause in the counting are not added to those of after it."""
    return _key(f"{since.decode()}:{number}")


def _field(hit: Hit) -> str:
    return f"{hit[0]} {hit[1].value}"


def _key(name: str) -> str:
    return cache.key(f"traded:{name}")
