"""Events, markets, series, books, trades and fee changes: everything public (docs/kalshi-protocol.md 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kalbot.common.db.batches import batched
from markets.kalshi.schemas.boundary import parse
from markets.kalshi.schemas.catalogue import Event, EventPage, MarketPage
from markets.kalshi.schemas.market import Market
from markets.kalshi.schemas.orderbook import Book
from markets.kalshi.schemas.programmes import METADATA, EventMetadata, Programme, build_metadata
from markets.kalshi.schemas.series import FeeChange, Series, SeriesPage
from markets.kalshi.schemas.trades import Trade

from ..schemas import pages as answers
from .outcome import check_same
from .pagination import MAX_PAGES, pages
from .transport import Transport

BOOKS_PER_REQUEST: Final = 100


class Catalogue:
    """Public reads. Quotes in here may be 15 seconds old."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def events(
        self,
        status: str | None = "open",
        with_nested_markets: bool = True,
        *,
        series_ticker: str | None = None,
        tickers: Sequence[str] | None = None,
        min_close_ts: int | None = None,
        min_updated_ts: int | None = None,
        limit: int = 200,
        cursor: str | None = None,
        max_pages: int = MAX_PAGES,
    ) -> Iterator[EventPage]:
        """Pages of events, without combos. Timestamps are Unix seconds.

        ``status`` matches when any market of the event matches, so an open event may hold closed and settled
        markets.
        """
        params = {
            "status": status,
            "with_nested_markets": with_nested_markets,
            "series_ticker": series_ticker,
            "tickers": _comma(tickers),
            "min_close_ts": min_close_ts,
            "min_updated_ts": min_updated_ts,
            "limit": limit,
            "cursor": cursor,
        }
        return pages(self._transport, "/events", params, _event_page, max_pages=max_pages)

    def event(self, ticker: str, with_nested_markets: bool = True) -> Event:
        """One event. Raises NotFound."""
        return self.event_answer(ticker, with_nested_markets)[0]

    def event_answer(self, ticker: str, with_nested_markets: bool = True) -> tuple[Event, bytes]:
        """One event, and the exchange's own answer about it. Raises NotFound."""
        params = {"with_nested_markets": with_nested_markets}
        body = self._transport.read("/events/{event_ticker}", path={"event_ticker": ticker}, params=params)
        found = answers.parse_event(body)
        check_same("event", ticker, found.event_ticker)
        return found, body

    def markets(
        self,
        status: str | None = None,
        *,
        event_ticker: str | None = None,
        series_ticker: str | None = None,
        tickers: Sequence[str] | None = None,
        mve_filter: str | None = None,
        limit: int = 1000,
        cursor: str | None = None,
        max_pages: int = MAX_PAGES,
        **timestamps: int | None,
    ) -> Iterator[MarketPage]:
        """Pages of markets. ``status`` is a filter word (unopened, open, paused, closed, settled).

        ``timestamps`` are ``min_``/``max_`` ``created_ts``, ``updated_ts``, ``close_ts`` or ``settled_ts`` in
        Unix seconds.
        """
        params = {
            "status": status,
            "event_ticker": event_ticker,
            "series_ticker": series_ticker,
            "tickers": _comma(tickers),
            "mve_filter": mve_filter,
            "limit": limit,
            "cursor": cursor,
            **timestamps,
        }
        return pages(self._transport, "/markets", params, _market_page, max_pages=max_pages)

    def historical_markets(
        self,
        *,
        tickers: Sequence[str] | None = None,
        event_ticker: str | None = None,
        series_ticker: str | None = None,
        limit: int = 1000,
    ) -> Iterator[MarketPage]:
        """Pages of settled markets that have left the live listing (exchange.historical_cutoff). One filter at most."""
        params = {
            "tickers": _comma(tickers),
            "event_ticker": event_ticker,
            "series_ticker": series_ticker,
            "limit": limit,
        }
        return pages(self._transport, "/historical/markets", params, _market_page)

    def market(self, ticker: str) -> Market:
        """One market. Raises NotFound, also for a moment after its ``created`` message."""
        body = self._transport.read("/markets/{ticker}", path={"ticker": ticker})
        found = answers.parse_market(body)
        check_same("market", ticker, found.ticker)
        return found

    def event_metadata(self, ticker: str) -> EventMetadata:
        """An event's own settlement sources and its competition. Raises NotFound."""
        body = self._transport.read("/events/{event_ticker}/metadata", path={"event_ticker": ticker})
        return parse(METADATA, build_metadata, body)

    def programmes(
        self, status: str = "active", kind: str | None = None, limit: int = 1000
    ) -> Iterator[tuple[Programme, ...]]:
        """Pages of programmes that pay for resting orders or volume. ``status``: all, active, upcoming, closed, paid_out."""
        params = {"status": status, "type": kind, "limit": limit}
        return pages(self._transport, "/incentive_programs", params, answers.parse_programme_page)

    def series_list(
        self,
        *,
        category: str | None = None,
        tags: Sequence[str] | None = None,
        min_updated_ts: int | None = None,
    ) -> SeriesPage:
        """All series in one answer (about 15,000); ``category`` is exact and case-sensitive."""
        params = {"category": category, "tags": _comma(tags), "min_updated_ts": min_updated_ts}
        return answers.parse_series_list(self._transport.read("/series", params=params))

    def series(self, ticker: str) -> Series:
        """One series. Raises NotFound."""
        body = self._transport.read("/series/{series_ticker}", path={"series_ticker": ticker})
        found = answers.parse_series(body)
        check_same("series", ticker, found.ticker)
        return found

    def orderbook(self, ticker: str, depth: int = 0) -> Book:
        """One book; ``depth`` 1 to 100 best levels a side, 0 for all. An unknown ticker gives an empty book."""
        body = self._transport.read(
            "/markets/{ticker}/orderbook", path={"ticker": ticker}, params={"depth": depth}, private=False
        )
        return answers.parse_orderbook(body)

    def orderbooks(self, tickers: Sequence[str]) -> dict[str, Book]:
        """Books by ticker, in as many requests of 100 as it takes."""
        books: dict[str, Book] = {}
        for chunk in batched(tickers, BOOKS_PER_REQUEST):
            body = self._transport.read("/markets/orderbooks", params=[("tickers", ticker) for ticker in chunk])
            found = answers.parse_orderbooks(body)
            books.update((ticker, found[ticker]) for ticker in chunk if ticker in found)
        return books

    def trades(
        self,
        ticker: str | None = None,
        *,
        min_ts: int | None = None,
        max_ts: int | None = None,
        is_block_trade: bool | None = None,
        limit: int = 1000,
        max_pages: int = MAX_PAGES,
    ) -> Iterator[tuple[Trade, ...]]:
        """Pages of public trades, newest first; block trades included unless filtered. Unix seconds."""
        params = {
            "ticker": ticker,
            "min_ts": min_ts,
            "max_ts": max_ts,
            "is_block_trade": is_block_trade,
            "limit": limit,
        }
        return pages(self._transport, "/markets/trades", params, answers.parse_trade_page, max_pages=max_pages)

    def series_fee_changes(
        self, series_ticker: str | None = None, show_historical: bool = False
    ) -> tuple[FeeChange, ...]:
        """Upcoming fee changes of series; one that cannot be read raises SchemaError."""
        params = {"series_ticker": series_ticker, "show_historical": show_historical}
        return answers.parse_series_fee_changes(self._transport.read("/series/fee_changes", params=params))

    def event_fee_changes(self, event_ticker: str | None = None, limit: int = 1000) -> tuple[FeeChange, ...]:
        """Fee changes of events, all pages; one that cannot be read raises SchemaError."""
        params = {"event_ticker": event_ticker, "limit": limit}
        found = pages(self._transport, "/events/fee_changes", params, answers.parse_event_fee_page)
        return tuple(change for page in found for change in page)


def _comma(tickers: Sequence[str] | None) -> str | None:
    return ",".join(tickers) if tickers else None


def _event_page(body: bytes) -> tuple[EventPage, str]:
    page = answers.parse_event_page(body)
    return page, page.cursor


def _market_page(body: bytes) -> tuple[MarketPage, str]:
    page = answers.parse_market_page(body)
    return page, page.cursor
