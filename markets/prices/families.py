"""Prices of several events as those of one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markets.prices.reading import Prices
from markets.prices.recorded import EventPrices, MarketPrice


def read(reader: Prices, wanted: Mapping[str, Sequence[str]]) -> dict[str, EventPrices]:
    """ticker -> prices, all of one instant. ``wanted``: ticker -> the events whose books are its own."""
    events = list(dict.fromkeys(event for events in wanted.values() for event in events))
    found = reader.events(events) if events else {}
    return {
        ticker: found[ticker] if list(events) == [ticker] else together(ticker, [found[event] for event in events])
        for ticker, events in wanted.items()
    }


def together(ticker: str, parts: Sequence[EventPrices]) -> EventPrices:
    """The prices of all parts under one name: live only where all are, as old as the oldest. A family without members has none."""
    markets: dict[str, MarketPrice] = {}
    for part in parts:
        markets.update(part.markets)
    epoch = next((part.epoch for part in parts if part.epoch), "")
    live, alive_ms = (
        (bool(parts) and all(part.live for part in parts)),
        min((part.alive_ms for part in parts), default=0),
    )
    return EventPrices(ticker, epoch, live, alive_ms, markets)
