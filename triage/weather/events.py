"""Event facts to a mapped daily market, and the clock by which its day runs.

With a real exchange that is the real clock. A simulator keeps the recorded days in its tickers and lets them pass faster:
there the close of trading stands for the end of the climate day, as it does in every recorded event, and time is counted back
from it.
"""

from __future__ import annotations

from functools import lru_cache

from triage import conf
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


def day_clock_ms(event: EventFacts, market: DailyMarket, now_ms: int) -> int | None:
    """The moment of the event's own day at ``now_ms``, Unix milliseconds; None when a simulator does not say when it closes."""
    if not conf.is_simulated():
        return now_ms
    if event.close_ms is None:
        return None
    return market.ends_ms - round((event.close_ms - now_ms) * conf.world_speed())
