"""Public trades: in the markets where paper quotes rest they bring such an order forward in its queue; those of all markets are counted
for whoever chooses what to quote (``markets.traded``).

One request every few seconds while a profile quotes, trades in markets of paper quotes kept in Redis for two minutes. Lost ones only
delay a fill on paper.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import redis

from kalbot.common import cache, clock
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.units import complement
from markets import traded
from markets.book import Side
from markets.kalshi.errors import KalshiError
from markets.kalshi.schemas.trades import Trade
from markets.tape.recorder import recorder
from strategies.models import Profile
from trading.models import Order, PaperOrder
from trading.venues import connection

EVERY: Final = 3
"""Seconds between two requests."""
AT_CANCEL: Final = 1
"""The same where a quote on paper is about to be withdrawn: what was sold to it until then counts."""
OVERLAP: Final = timedelta(seconds=20)
"""How far back each asks: a listing may be late."""
KEPT_SECONDS: Final = 120
MOST_PAGES: Final = 2
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Print:
    """Somebody sold ``side`` at ``price`` (1/10,000 dollar) to whoever bid for it. ``seen_ms``: when we fetched it, ``at_ms``: when it
    was."""

    seen_ms: int
    at_ms: int
    side: Side
    price: int
    count: int

    def sold(self, side: Side) -> int | None:
        """The price at which a bid for ``side`` was hit; None where a bid for the other side was."""
        return self.price if side is self.side else None


def fetch(every: int = EVERY) -> int:
    """Read the latest trades, if a profile quotes, or quotes rest on paper, and nobody has within ``every`` seconds. Returns how many of
    paper quotes' markets were new."""
    tickers = {ticker for (ticker,) in _RESTING.rows()}
    if not tickers and not _QUOTING.rows():
        return 0
    if not cache.prices().set(cache.key(f"paper prints {every}"), 1, nx=True, ex=every):
        return 0
    since = int((clock.now() - OVERLAP).timestamp())
    found = 0
    try:
        for page in connection.public().catalogue.trades(min_ts=since, is_block_trade=False, max_pages=MOST_PAGES):
            _record(traded.count(page))
            found += sum(_keep(trade) for trade in page if trade.ticker in tickers)
    except KalshiError as error:
        log.warning("public trades not read: %s", error)
    return found


_RESTING: Final = PreparedColumns(
    lambda: PaperOrder.objects.filter(is_open=True, order__purpose=Order.Purpose.QUOTE).values_list("market_id")
)
_QUOTING: Final = PreparedColumns(
    lambda: Profile.objects.filter(is_active=True).exclude(quoting=Profile.Quoting.NONE).values_list("pk")[:1]
)


def _record(trades: Sequence[Trade]) -> None:
    """Put them on the tape: whoever replays it counts them as they were counted here."""
    tape = recorder("trades") if trades else None
    if tape is not None:
        tape.trades(trades)


def _keep(trade: Trade) -> int:
    """Store a trade once, under the time at which it was seen first."""
    if trade.created is None:
        return 0
    at_ms = int(trade.created.timestamp() * 1000)
    member = f"{trade.trade_id} {at_ms} {trade.taker_side.value} {trade.yes_price} {trade.count}"
    client, key, now = cache.prices(), _key(trade.ticker), clock.now_ms()
    client.zremrangebyscore(key, 0, now - KEPT_SECONDS * 1000)
    added = client.zadd(key, {member: now}, nx=True)
    client.expire(key, KEPT_SECONDS)
    return int(added)  # type: ignore[arg-type]  # never awaitable on this client


def since(ticker: str, seen_ms: int) -> list[Print]:
    """The trades of a market that were seen after ``seen_ms``; none where Redis does not answer."""
    try:
        rows: Any = cache.prices().zrangebyscore(_key(ticker), f"({seen_ms}", "+inf", withscores=True)
    except redis.RedisError:
        return []
    return [_read(bytes(member).decode(), int(score)) for member, score in rows]


def _read(member: str, seen_ms: int) -> Print:
    """What a taker bought for YES somebody sold as NO, and the other way round."""
    _, at_ms, taker_side, yes_price, count = member.split(" ")
    bought = Side(taker_side)
    price = complement(int(yes_price)) if bought is Side.YES else int(yes_price)
    return Print(seen_ms, int(at_ms), bought.other, price, int(count))


def _key(ticker: str) -> str:
    return cache.key(f"prints:{ticker}")
