"""After an event has settled, the next one of its series opens: a fresh ticker, strikes moved a little, fresh books.

The template is a recorded event. For weather, ranges and ladders it is the most open one of the series (least decided by
its prices); a game is followed by a rematch of the same teams.
"""

from __future__ import annotations

import copy
import math
from random import Random

from simulator.core import ExchangeCore
from simulator.persistence.snapshot import Snapshot
from simulator.randomness import named_id
from simulator.units import ONE

from . import date_ladders, lifecycle, thresholds
from .model import ACTIVE, FINALIZED, Event, Market
from .series import rules_text, weather_city
from .tickers import day_ms, event_day, moved_day, next_ticker

Levels = list[tuple[int, int]]
"""(price, count), ascending."""
_DAY_MS = 86_400_000
MINIMUM_LIFE_MS = 90_000
"""At high speed an event still lives this long, so that the exchange does not spin."""
RETAIN_MS = 900_000
"""Settled events in which nobody ever traded are delisted after this long."""


def template_for(loaded: Snapshot, event: Event) -> Event:
    """The recorded event after which the next one is made."""
    origin = loaded.events.get(event.origin or event.ticker)
    kin = [e for e in loaded.events.values() if e.series_ticker == event.series_ticker]
    if origin is not None and event.category == "Sports":
        return origin
    return max(kin, key=lambda e: (_openness(loaded, e), e.ticker), default=origin or event)


def _openness(loaded: Snapshot, event: Event) -> float:
    anchors = [loaded.markets[t].anchor for t in event.markets]
    return -sum(p * math.log(p) for p in anchors if p > 0) * (
        1 if any(loaded.markets[t].quoted for t in event.markets) else 0
    )


def roll(exchange: ExchangeCore, loaded: Snapshot, settled: Event) -> Event:
    """List the event that follows ``settled`` and publish it; returns it."""
    template = template_for(loaded, settled)
    ticker = next_ticker(settled.ticker, exchange.used_tickers)
    exchange.used_tickers.add(ticker)
    now = exchange.now()
    rng = exchange.streams.fixed(f"roll:{ticker}")
    life = max(min(template.life_ms, round(_DAY_MS / exchange.config.speed)), MINIMUM_LIFE_MS)
    life = round(life * rng.uniform(0.85, 1.15))
    series = exchange.series[settled.series_ticker]
    day = event_day(ticker)
    title = moved_day(template.title, template.ticker, ticker)
    event = copy.copy(template)
    event.ticker, event.title, event.markets, event.life_ms, event.rolled = ticker, title, [], life, False
    event.sub_title = moved_day(template.sub_title, template.ticker, ticker)
    event.strike_ms = (day_ms(ticker) or now + life) if template.strike_ms else None
    event.updated_ms, event.generation = now, settled.generation + 1
    event.origin, event.edge_until_ms, event.flow = template.ticker, 0, ""
    event.fee_type_override = event.fee_multiplier_override = None
    exchange.events[ticker] = event
    shift = rng.choice((-2, -1, 0, 1, 2)) if weather_city(series.ticker) else 0
    for source in (loaded.markets[t] for t in template.markets):
        market = _market(source, event, shift, now, now + life)
        market.title = title if shift else moved_day(source.title, template.ticker, ticker)
        market.rules_primary, market.rules_secondary = rules_text(
            series, title, day or event.sub_title or "the stated day", _strikes(market), len(template.markets)
        )
        event.markets.append(market.ticker)
        exchange.add_market(market, *_books(loaded, source, rng))
    lifecycle.draw_outcome(exchange, event)
    lifecycle.schedule(exchange, event)
    exchange.feed.event_created(event)
    _announce(exchange, event)
    for companion in list_companions(exchange, event):
        lifecycle.schedule(exchange, companion)
        exchange.feed.event_created(companion)
        _announce(exchange, companion)
    return event


def list_companions(exchange: ExchangeCore, event: Event) -> list[Event]:
    """List what comes and goes with an event: the thresholds beside ranges, a ladder of dates."""
    found = (thresholds.list_beside(exchange, event), date_ladders.list_with(exchange, event))
    return [companion for companion in found if companion is not None]


def _announce(exchange: ExchangeCore, event: Event) -> None:
    for market_ticker in event.markets:
        exchange.feed.lifecycle(exchange.markets[market_ticker], "created")
        exchange.moved.add(market_ticker)


def _books(loaded: Snapshot, source: Market, rng: Random) -> tuple[Levels, Levels]:
    """The recorded levels with other sizes."""
    bids, asks = loaded.levels.get(source.ticker, ([], []))
    scale = rng.uniform(0.5, 1.5)
    return _scaled(bids, scale), _scaled(asks, scale)


def _scaled(levels: Levels, scale: float) -> Levels:
    return [(price, max(1, round(count * scale))) for price, count in levels]


def _market(source: Market, event: Event, shift: int, now: int, close: int) -> Market:
    market = copy.deepcopy(source)
    suffix = source.ticker.removeprefix(source.event_ticker)
    if shift:
        market.floor_strike = None if source.floor_strike is None else source.floor_strike + shift
        market.cap_strike = None if source.cap_strike is None else source.cap_strike + shift
        market.yes_sub_title = market.no_sub_title = _degrees(market)
        suffix = suffix[:2] + _number(float(suffix[2:]) + shift)
    market.ticker, market.event_ticker = event.ticker + suffix, event.ticker
    market.market_id = named_id("market", market.ticker)
    market.status, market.created_ms, market.updated_ms, market.open_ms = ACTIVE, now, now, now
    market.close_ms = market.expected_ms = close
    market.latest_ms = close + 7 * _DAY_MS
    market.volume = market.volume_24h = market.open_interest = market.dollar_volume = market.last_price = 0
    market.previous_price, market.previous_bid, market.previous_ask, market.clock = 0, 0, ONE, 0
    return market


def _strikes(market: Market) -> dict[str, object]:
    return {
        "ticker": market.ticker,
        "strike_type": market.strike_type,
        "floor_strike": market.floor_strike,
        "cap_strike": market.cap_strike,
        "yes_sub_title": market.yes_sub_title,
    }


def _degrees(market: Market) -> str:
    low, high = market.floor_strike, market.cap_strike
    if low is not None and high is not None:
        return f"{low}° to {high}°"
    return f"{low + 1}° or above" if low is not None else f"{(high or 0) - 1}° or below"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def delist_old(exchange: ExchangeCore) -> None:
    """Drop settled events in which the account never held anything, once they are old."""
    now = exchange.now()
    touched = {p.event_ticker for p in exchange.ledger.positions.values()} | {
        o.event_ticker for o in exchange.ledger.orders.values()
    }
    for event in list(exchange.events.values()):
        markets = [exchange.markets[t] for t in event.markets]
        if (
            event.rolled
            and event.ticker not in touched
            and all(m.status == FINALIZED and m.settled_ms and now - m.settled_ms > RETAIN_MS for m in markets)
        ):
            for market in markets:
                del exchange.markets[market.ticker], exchange.books[market.ticker]
                exchange.feed.forget(market.ticker)
                exchange.candles.forget(market.ticker)
                exchange.moved.discard(market.ticker)
                exchange.delisted.append(market.ticker)
            del exchange.events[event.ticker]
            exchange.delisted.append(event.ticker)
