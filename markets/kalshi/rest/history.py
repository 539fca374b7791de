"""What markets did before: candlesticks, and markets and trades that have left the live listings (docs/kalshi-protocol.md 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markets.kalshi.schemas import candles
from markets.kalshi.schemas.boundary import parse
from markets.kalshi.schemas.candles import Candle
from markets.kalshi.schemas.market import Market
from markets.kalshi.schemas.trades import Trade

from ..schemas import pages as answers
from .outcome import check_same
from .pagination import pages
from .transport import Transport

TICKERS_PER_REQUEST = 100


class History:
    """Public reads of the past. ``start_ts`` and ``end_ts`` are Unix seconds, ``period`` minutes: 1, 60 or 1440."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def candlesticks(
        self,
        series_ticker: str,
        ticker: str,
        start_ts: int,
        end_ts: int,
        period: int,
        *,
        include_latest_before_start: bool = False,
    ) -> tuple[Candle, ...]:
        """Periods of a market of the live listing that end in the span. Raises NotFound for one that has left it."""
        body = self._transport.read(
            "/series/{series_ticker}/markets/{ticker}/candlesticks",
            path={"series_ticker": series_ticker, "ticker": ticker},
            params=_span(start_ts, end_ts, period) | {"include_latest_before_start": include_latest_before_start},
        )
        return parse(candles.CANDLES, candles.build_candles, body)

    def event_candlesticks(
        self, series_ticker: str, event_ticker: str, start_ts: int, end_ts: int, period: int
    ) -> dict[str, tuple[Candle, ...]]:
        """The same for every market of an event, by ticker. The exchange may end the span earlier than requested."""
        body = self._transport.read(
            "/series/{series_ticker}/events/{ticker}/candlesticks",
            path={"series_ticker": series_ticker, "ticker": event_ticker},
            params=_span(start_ts, end_ts, period),
        )
        return parse(candles.EVENT_CANDLES, candles.build_event_candles, body)

    def candlesticks_of(
        self, tickers: Sequence[str], start_ts: int, end_ts: int, period: int
    ) -> dict[str, tuple[Candle, ...]]:
        """The same for up to 100 markets of any events, by ticker; one that is unknown is missing."""
        if not 0 < len(tickers) <= TICKERS_PER_REQUEST:
            raise ValueError(f"candlesticks of {len(tickers)} markets: between 1 and {TICKERS_PER_REQUEST}")
        params = _span(start_ts, end_ts, period) | {"market_tickers": ",".join(tickers)}
        return parse(
            candles.BATCH_CANDLES, candles.build_batch, self._transport.read("/markets/candlesticks", params=params)
        )

    def market(self, ticker: str) -> Market:
        """One market that has left the live listing. Raises NotFound for one that has not."""
        found = answers.parse_market(self._transport.read("/historical/markets/{ticker}", path={"ticker": ticker}))
        check_same("market", ticker, found.ticker)
        return found

    def old_candlesticks(self, ticker: str, start_ts: int, end_ts: int, period: int) -> tuple[Candle, ...]:
        """Periods of a market that has left the live listing."""
        body = self._transport.read(
            "/historical/markets/{ticker}/candlesticks",
            path={"ticker": ticker},
            params=_span(start_ts, end_ts, period),
        )
        return parse(candles.OLD_CANDLES, candles.build_candles, body)

    def trades(
        self, ticker: str | None = None, *, min_ts: int | None = None, max_ts: int | None = None, limit: int = 1000
    ) -> Iterator[tuple[Trade, ...]]:
        """Pages of public trades that have left the live listing, newest first."""
        params = {"ticker": ticker, "min_ts": min_ts, "max_ts": max_ts, "limit": limit}
        return pages(self._transport, "/historical/trades", params, answers.parse_trade_page)


def _span(start_ts: int, end_ts: int, period: int) -> dict[str, Any]:
    if period not in candles.PERIODS or end_ts < start_ts:
        raise ValueError(f"no candlesticks of {period} minutes from {start_ts} to {end_ts}")
    return {"start_ts": start_ts, "end_ts": end_ts, "period_interval": period}
