"""Thresholds beside ranges: the same value listed a second time, as the exchange does for coins.

A range event gets an event of a few thresholds around its likeliest range. Its prices and its results follow from the range event's, so
what looks like an edge between the two was planted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import quoted
from .model import ACTIVE, Event, Market
from .series import derive_series, rules_text
from .tickers import event_day

if TYPE_CHECKING:
    from simulator.core import ExchangeCore

BESIDE: Final = {"KXBTC": "KXBTCD"}
"""Series of ranges -> series of the thresholds beside them."""
MARK: Final = "beside "
"""How the outcome of an event begins whose results are those of another one; the other's ticker follows."""
EACH_WAY: Final = 5
LEAST_LIFE_MS: Final = 20_000


def ranges_of(exchange: ExchangeCore, event: Event) -> Event | None:
    """The range event that ``event`` stands beside, or None."""
    return exchange.events.get(event.outcome.removeprefix(MARK)) if event.outcome.startswith(MARK) else None


def beside(exchange: ExchangeCore, ranges: Event) -> Event | None:
    """The event of thresholds beside ``ranges``, or None."""
    series = BESIDE.get(ranges.series_ticker)
    return None if series is None else exchange.events.get(_ticker(ranges, series))


def list_beside(exchange: ExchangeCore, ranges: Event) -> Event | None:
    """List the thresholds beside a range event; None where its series has none or it is about to close."""
    name = BESIDE.get(ranges.series_ticker)
    markets = [exchange.markets[ticker] for ticker in ranges.markets]
    steps = sorted((m for m in markets if m.cap_strike is not None), key=lambda m: m.cap_strike or 0)
    open_ = all(m.status == ACTIVE and m.close_ms - exchange.now() > LEAST_LIFE_MS for m in markets)
    if name is None or len(steps) < 3 or not open_ or len({m.close_ms for m in markets}) > 1:
        return None
    series = derive_series(name, ranges.category, "", exchange.now())
    series.contract_terms_url = exchange.series[ranges.series_ticker].contract_terms_url
    exchange.series.setdefault(name, series)
    title = ranges.title.replace(" range", "")
    event = Event(
        ticker=_ticker(ranges, name),
        series_ticker=name,
        title=title,
        sub_title=ranges.sub_title,
        category=ranges.category,
        mutually_exclusive=False,
        collateral_return_type="DIRECNET",
        strike_ms=ranges.strike_ms,
        strike_period=ranges.strike_period,
        shard=ranges.shard,
        markets=[],
        updated_ms=exchange.now(),
        life_ms=ranges.life_ms,
        outcome=f"{MARK}{ranges.ticker}",
        rolled=True,  # its follower is listed with that of the ranges
        generation=ranges.generation,
    )
    exchange.events[event.ticker] = event
    exchange.used_tickers.add(event.ticker)
    at = max(range(len(steps)), key=lambda n: steps[n].anchor)
    for step in steps[max(0, at - EACH_WAY) : at + EACH_WAY]:
        market = _market(exchange, event, step, markets)
        event.markets.append(market.ticker)
        exchange.add_market(market, *quoted.levels(market))
    return event


def _ticker(ranges: Event, series: str) -> str:
    return series + ranges.ticker.removeprefix(ranges.series_ticker)


def chance(strike: float, ranges: list[Market], chances: list[float]) -> float:
    """The probability of a value above ``strike`` by those of the ranges."""
    above = sum(p for m, p in zip(ranges, chances, strict=True) if (m.floor_strike or 0) >= strike)
    return min(max(above / max(sum(chances), 1e-9), 0.001), 0.999)


def is_above(market: Market, winner: Market) -> bool:
    """Whether the value that made a range win lies above the threshold."""
    return winner.floor_strike is not None and winner.floor_strike >= (market.floor_strike or 0)


def _market(exchange: ExchangeCore, event: Event, step: Market, ranges: list[Market]) -> Market:
    strike = step.cap_strike or 0
    name = f"${strike + 0.01:,.0f} or above"
    ticker = f"{event.ticker}-T{strike:g}" if strike == int(strike) else f"{event.ticker}-T{strike:.2f}"
    anchor = chance(strike, ranges, [m.anchor for m in ranges])
    about = {"ticker": ticker, "strike_type": "greater", "floor_strike": strike, "yes_sub_title": name}
    day = event_day(event.ticker) or event.sub_title
    primary, secondary = rules_text(exchange.series[event.series_ticker], event.title, day, about, 1)
    return quoted.market_of(
        exchange,
        event,
        ticker,
        name,
        anchor,
        strike_type="greater",
        floor_strike=strike,
        rules_primary=primary,
        rules_secondary=secondary,
        close_ms=step.close_ms,
        expected_ms=step.expected_ms,
        latest_ms=step.latest_ms,
        settlement_timer_s=step.settlement_timer_s,
        price_level_structure=step.price_level_structure,
        ranges=step.ranges,
        can_close_early=step.can_close_early,
        early_close_condition=step.early_close_condition,
    )
