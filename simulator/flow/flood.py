"""Many messages a second on purpose: to measure a client, or to overload it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from simulator.exchange import Exchange
from simulator.listing.model import ACTIVE
from simulator.matching.book import ASK, BID, MarketMakerOrder
from simulator.units import CONTRACT

_STEP_S = 0.01


class Flood:
    """Sends ``rate`` ticker or delta messages a second to whoever has subscribed, until ``seconds`` are over."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.rate = 0.0
        self.channel = "ticker"
        self.tickers: list[str] = []
        self.since = 0.0
        self.until = 0.0
        self.sent = 0
        self._turn = 0
        self._due = 0.0
        self._added: dict[str, MarketMakerOrder] = {}

    def set(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """``{"rate", "seconds", "channel", "tickers"}``; rate 0 stops."""
        channel = body.get("channel", "ticker")
        rate, seconds = body.get("rate", 0), body.get("seconds", 10)
        if (
            channel not in ("ticker", "orderbook_delta")
            or not isinstance(rate, int | float)
            or not isinstance(seconds, int | float)
        ):
            return 400, {"error": "channel is ticker or orderbook_delta; rate and seconds are numbers"}
        self.channel, self.rate, self.since = channel, float(rate), time.monotonic()
        self.until = self.since + seconds
        self.tickers, self.sent, self._due = list(body.get("tickers") or []), 0, 0.0
        return 200, {"rate": rate, "seconds": seconds, "channel": channel}

    async def run(self) -> None:
        """Send what is due, a hundred times a second; all of it, however late this runs."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(_STEP_S)
            now = time.monotonic()
            passed = min(now, self.until) - max(last, self.since)
            if self.rate > 0 and passed > 0:
                self._due += self.rate * passed
                count, self._due = int(self._due), self._due % 1
                self.emit(count)
            last = now

    def emit(self, count: int) -> int:
        """Send ``count`` messages now; returns how many had a listener's market."""
        exchange = self.exchange
        pool = (
            self.tickers
            or list(exchange.hub.markets[self.channel])
            or [t for t, m in exchange.markets.items() if m.status == ACTIVE]
        )
        if not pool:
            return 0
        for _ in range(count):
            ticker = pool[self._turn % len(pool)]
            self._turn += 1
            market = exchange.markets.get(ticker)
            if market is None:
                continue
            if self.channel == "ticker":
                exchange.hub.ticker(market)
            else:
                self._delta(ticker)
        self.sent += count
        return count

    def _delta(self, ticker: str) -> None:
        """Grow or shrink the market makers' worst level by one contract: the touch stays where it is."""
        book = self.exchange.books[ticker]
        side = BID if book.prices[BID] else ASK
        if not book.prices[side]:
            return
        price = book.prices[BID][0] if side == BID else book.prices[ASK][-1]
        added = self._added.pop(ticker, None)
        if added is not None and book.resting(added):
            book.reduce(added, added.remaining)
        else:
            order = self._added[ticker] = self.exchange.market_maker_order(side, price, CONTRACT, "flood")
            book.add(order)
