"""Prices of a few events that are read in one message with something else."""

from __future__ import annotations

from collections.abc import Sequence

from kalbot.common import cache
from markets.prices.layout import Quote
from markets.prices.reading import PriceReader, Prices
from markets.prices.recorded import EventPrices


class Ahead:
    """A reader that knows the prices of ``events`` once it was given the values of its ``keys``; others, and without any, it reads as ever.
    There are no keys where prices do not come from Redis."""

    def __init__(self, reader: Prices, events: Sequence[str]) -> None:
        self._reader = reader
        self._wanted = list(events)
        self._known: dict[str, EventPrices] = {}
        is_stored = isinstance(reader, PriceReader) and not cache.is_isolated()
        self.keys = reader.keys(self._wanted) if is_stored and self._wanted else []  # type: ignore[attr-defined]  # as just checked

    def know(self, values: Sequence[bytes | None]) -> None:
        """``values``: of ``keys``."""
        if self.keys and isinstance(self._reader, PriceReader):
            self._known = self._reader.made(self._wanted, values)

    def events(self, event_tickers: Sequence[str]) -> dict[str, EventPrices]:
        """See Prices."""
        if self._known.keys() >= set(event_tickers):
            return {ticker: self._known[ticker] for ticker in event_tickers}
        return self._reader.events(event_tickers)

    def tickers(self, market_tickers: Sequence[str]) -> dict[str, Quote]:
        """See Prices."""
        return self._reader.tickers(market_tickers)
