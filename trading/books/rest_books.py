"""Books fetched from the REST interface for an exit that a person orders while there is no live book. Nothing else trades on them.

They may be some seconds old; what bounds the sale is the least price that the person named with the figures before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from markets.book import BookError, Depth, Side
from markets.kalshi.errors import KalshiError, SchemaError
from markets.kalshi.schemas.orderbook import Book
from markets.models import Event, Market
from markets.prices import EventPrices, MarketPrice
from trading.books.live_books import LiveBooks, fees_of
from trading.denials import DenialCode, Denied
from trading.venues import connection


def read(event: Event, tickers: Sequence[str]) -> LiveBooks:
    """The books of these markets, fetched now. Denied(PRICE_NO_BOOK) when the exchange does not answer."""
    try:
        books = _books(tickers)
        statuses = dict(Market.objects.filter(ticker__in=tickers).values_list("ticker", "status"))
        now = clock.now_ms()
        markets = {
            ticker: _price(ticker, Depth.of(book.yes, book.no), statuses.get(ticker, ""), now)
            for ticker, book in books.items()
        }
    except (KalshiError, KalbotError, BookError) as error:
        raise Denied(DenialCode.PRICE_NO_BOOK, f"the REST interface does not answer: {error}"[:200]) from None
    return LiveBooks(EventPrices(event.ticker, "rest", True, now, markets), fees_of(event))


def _books(tickers: Sequence[str]) -> dict[str, Book]:
    """All of them in one request, or one by one where that cannot be read: a book that is crossed or odd is left out, and holds up no
    other leg's sale. Raises KalshiError where none can be read."""
    catalogue = connection.public().catalogue
    try:
        return catalogue.orderbooks(list(tickers))
    except SchemaError:
        found: dict[str, Book] = {}
        for ticker in tickers:
            with suppress(SchemaError):
                found[ticker] = catalogue.orderbook(ticker)
        if not found:
            raise
        return found


def _price(ticker: str, depth: Depth, status: str, now_ms: int) -> MarketPrice:
    return MarketPrice(
        ticker,
        depth,
        depth.best_bid(Side.YES),
        None,
        seq=0,
        clock=0,
        exchange_ms=now_ms,
        receive_ms=now_ms,
        suspect=depth.is_crossed(),
        status=status,
    )
