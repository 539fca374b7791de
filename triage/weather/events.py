"""Event facts to a mapped daily market, remembered: the same facts are read once."""

from __future__ import annotations

from functools import lru_cache

from triage.sources.protocol import EventFacts
from triage.weather.mapping import DailyMarket, Unmapped, daily_market


@lru_cache(maxsize=20_000)
def mapped(event: EventFacts) -> DailyMarket | str:
    """The market, or why it cannot be mapped."""
    rows = [
        {"ticker": x.ticker, "strike_type": x.strike_type, "floor": x.floor, "cap": x.cap, "rules": x.rules}
        for x in event.listings
    ]
    try:
        return daily_market(event.ticker, event.series, rows, event.sources, event.rules_secondary)
    except Unmapped as error:
        return str(error)
