"""Events whose books are a flow of single orders: where a basket with a resting leg earns what one that takes every leg does not.

All legs of such an event have the flow of ``order_flow``, one kind an event in turn (benign, informed, thin), around the values of the
event: its walking fair probabilities, scaled so that bids on YES sum to a little less than a buyer of NO on every leg needs. So the
spread is what a resting leg earns, and where the values move, towards the outcome above all, whoever knows it takes first.
"""

from __future__ import annotations

from collections.abc import Callable

from simulator.core import ExchangeCore
from simulator.listing.model import ACTIVE, INACTIVE, Event, Market
from simulator.listing.series import weather_city
from simulator.matching.fees import worst_fee
from simulator.units import CONTRACT, ONE

from . import market_makers, order_flow
from .edges import FEW, tiles

STEP_MS = 1_000
PACE = 5.0
"""How many times fewer orders than in the recorded busy market: three events at once are some hundred changes a second."""
TAKER_PACE = 2.0
"""The same of trades: they are few among the changes, and a day of a minute and a half has to see some at every price."""
SHORT = 50
"""By how much buying NO on every leg at the best asks loses, in 1/10,000 dollar a contract."""
LEFT_MS = 45_000
"""Least time to the close of an event that gets the flow."""


def start(exchange: ExchangeCore) -> None:
    """Set the first step, unless no event is to have the flow; an event that had it before a restart has it again."""
    if exchange.config.maker_events > 0 and not exchange.config.still:
        for event in exchange.events.values():
            if event.flow and all(exchange.markets[ticker].status == ACTIVE for ticker in event.markets):
                begin(exchange, event, event.flow)
        exchange.timers.at(exchange.now() + STEP_MS, lambda: _step(exchange))


def _step(exchange: ExchangeCore) -> None:
    """Let as many events have the flow as are wanted."""
    exchange.timers.at(exchange.now() + STEP_MS, lambda: _step(exchange))
    for ticker, flow in list(exchange.order_flows.items()):
        if flow.value is not None and flow.market.status not in (ACTIVE, INACTIVE):
            order_flow.stop(exchange, ticker)
    names = exchange.live_events()
    having = sum(bool(exchange.events[name].flow) for name in names)
    rng = exchange.streams.stream("maker flow")
    rng.shuffle(names)
    for name in names:
        if having >= exchange.config.maker_events:
            return
        event = exchange.events[name]
        if suited(exchange, event):
            number = exchange.streams.counters["maker flow"] = exchange.streams.counters.get("maker flow", 0) + 1
            kinds = list(order_flow.KINDS)
            begin(exchange, event, kinds[(number - 1) % len(kinds)])
            having += 1


def suited(exchange: ExchangeCore, event: Event) -> bool:
    """A weather event of few ranges that has time left, and nothing planted in it."""
    markets = [exchange.markets[ticker] for ticker in event.markets]
    left = min(market.close_ms for market in markets) - exchange.now()
    return (
        not event.flow
        and event.mutually_exclusive
        and 2 < len(markets) <= FEW
        and bool(weather_city(event.series_ticker))
        and tiles(markets)
        and event.ticker not in exchange.edges
        and event.outcome not in ("", "void")
        and left >= LEFT_MS
        and all(market.status == ACTIVE and market.quoted for market in markets)
    )


def begin(exchange: ExchangeCore, event: Event, kind: str) -> None:
    """Let every market of an event have a flow of this kind until it closes."""
    event.flow = kind
    markets = [exchange.markets[ticker] for ticker in event.markets]
    fair = market_makers.fair_probabilities(exchange, event, markets)
    scale = _scale(exchange, markets, fair)
    for number, market in enumerate(markets):
        order_flow.start(exchange, market, kind, PACE, _value(exchange, event, number, scale), TAKER_PACE)
        exchange.relisted.add(market.ticker)
    exchange.relisted.add(event.ticker)


def _scale(exchange: ExchangeCore, markets: list[Market], fair: list[float]) -> float:
    """What fair probabilities are multiplied with so that buying NO on every leg misses its fees by ``SHORT``."""
    spread = sum(order_flow.HALF_SPREAD * market.tick(ONE // 2) for market in markets)
    fees = sum(
        worst_fee(exchange.terms(market), market.floor_price(chance * ONE) or 100, CONTRACT, True, 100) // CONTRACT
        for market, chance in zip(markets, fair, strict=True)
    )
    return (ONE + spread + fees - SHORT) / (ONE * sum(fair))


def _value(exchange: ExchangeCore, event: Event, number: int, scale: float) -> Callable[[], float]:
    """The value of one leg in 1/10,000 dollar, as it is when called."""

    def value() -> float:
        markets = [exchange.markets[ticker] for ticker in event.markets]
        return market_makers.fair_probabilities(exchange, event, markets)[number] * scale * ONE

    return value
