"""Event facts to a mapped daily market, and the clock by which its day runs.

With a real exchange that is the real clock. A simulator keeps the recorded days in its tickers and lets them pass faster:
there the close of trading stands for the end of the climate day, as it does in every recorded event, and time is counted back
from it.
"""

from __future__ import annotations

from functools import lru_cache

from triage import conf
from triage.learning.current import current
from triage.sources.protocol import EventFacts, NoOpinion, Silence
from triage.weather.mapping import DailyMarket, OtherSource, Unmapped, daily_market


@lru_cache(maxsize=20_000)
def mapped(event: EventFacts) -> DailyMarket | NoOpinion:
    """The market, or why it cannot be mapped. An event that names no source at all is not mapped either."""
    rows = [
        {"ticker": x.ticker, "strike_type": x.strike_type, "floor": x.floor, "cap": x.cap, "rules": x.rules}
        for x in event.listings
    ]
    try:
        market = daily_market(event.ticker, event.series, rows, event.sources, event.rules_secondary, event.terms_url)
    except OtherSource as error:
        return NoOpinion(str(error), Silence.OTHER_SOURCE)
    except Unmapped as error:
        return NoOpinion(str(error))
    if not event.sources and not any(x.rules for x in event.listings):
        return NoOpinion("neither its rules nor a settlement source say what it settles on", Silence.OTHER_SOURCE)
    return market


def in_dispute(market: DailyMarket) -> NoOpinion | None:
    """Why nothing is said about a station whose reports are not what the exchange settles on; None where they are."""
    subject = f"{market.extreme}/{market.station.icao}"
    if subject not in current().disputed:
        return None
    return NoOpinion(f"the reports of {market.station.icao} are not what the exchange settled on", Silence.OTHER_SOURCE)


def day_clock_ms(event: EventFacts, market: DailyMarket, now_ms: int) -> int | None:
    """The moment of the event's own day at ``now_ms``, Unix milliseconds; None when a simulator does not say when it closes."""
    if not conf.is_simulated():
        return now_ms
    if event.close_ms is None:
        return None
    return market.ends_ms - round((event.close_ms - now_ms) * conf.world_speed())
