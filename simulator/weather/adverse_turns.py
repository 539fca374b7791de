"""Days that turn out hotter than forecast, against a planted coverage basket.

A planted coverage basket whose day *turns* loses unless it is left in time: some seconds after the basket was offered, the outcome
of the event becomes the open range above the covered ones. Forecasts and readings of the weather beside the exchange follow at
once, because they end as the exchange settles; makers go on quoting what was recorded until the outcome shows in prices anyway.
Only a high turns, only upwards, and only before noon of its climate day, so that nothing measured so far is contradicted.
"""

from __future__ import annotations

from collections.abc import Collection

from simulator.core import ExchangeCore
from simulator.listing.model import ACTIVE, Event, Market
from simulator.listing.series import weather_city

HALF_DAY_MS = 43_200_000


def hottest(exchange: ExchangeCore, event: Event, covered: Collection[str], at_ms: int) -> Market | None:
    """The outcome to which the event can turn at ``at_ms``: its open range above, if the basket leaves it out."""
    if not event.series_ticker.startswith("KXHIGH") or weather_city(event.series_ticker) is None:
        return None
    markets = [exchange.markets[ticker] for ticker in event.markets]
    if any(m.close_ms - at_ms < HALF_DAY_MS / exchange.config.speed for m in markets):
        return None
    return next((m for m in markets if m.strike_type == "greater" and m.ticker not in covered), None)


def turn(exchange: ExchangeCore, event_ticker: str, covered: Collection[str]) -> str:
    """Let the event end hotter than the basket covers; the new outcome, or "" if it is too late for that."""
    event = exchange.events.get(event_ticker)
    found = hottest(exchange, event, covered, exchange.now()) if event is not None else None
    if event is None or found is None or found.status != ACTIVE or event.outcome in ("", "void"):
        return ""
    event.outcome = found.ticker
    event.updated_ms = exchange.now()
    exchange.turned.append(event.ticker)
    return found.ticker
