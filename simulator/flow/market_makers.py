"""Makers and takers: books move around the recorded prices and drift to the outcome near the close.

Each event has a fair probability per outcome that walks gently and returns to what was recorded. All legs of an event
are requoted in one step, bids rounded down and asks up, so the sums over an event never come out better for a taker
than they were recorded: what looks like an edge was either recorded or planted.
"""

from __future__ import annotations

import math
from random import Random

from simulator.core import ExchangeCore
from simulator.listing import thresholds
from simulator.listing.model import ACTIVE, Event, Market
from simulator.matching.book import ASK, BID, MarketMakerOrder
from simulator.matching.engine import execute_market_maker
from simulator.units import CONTRACT, ONE

from . import order_flow

REVERSION = 0.06
NOISE = 0.09
DRIFT_FROM = 0.75
"""Share of an event's life after which prices start towards the outcome."""
DRIFT_STRENGTH = 9.0
DEPTH_KEPT = 60


def start(exchange: ExchangeCore) -> None:
    """Set the first step, unless nothing is to move."""
    if not exchange.config.still and exchange.config.flow_events_per_step > 0:
        exchange.timers.at(exchange.now() + exchange.config.flow_interval_ms, lambda: _step(exchange))


def _step(exchange: ExchangeCore) -> None:
    rng = exchange.streams.stream("flow")
    now = exchange.now()
    exchange.timers.at(now + exchange.config.flow_interval_ms, lambda: _step(exchange))
    names = exchange.live_events()
    for _ in range(min(exchange.config.flow_events_per_step, len(names))):
        event = exchange.events[names[rng.randrange(len(names))]]
        if now < event.edge_until_ms:
            continue
        move_event(exchange, event, rng)
        if rng.random() < exchange.config.taker_chance:
            take_some(exchange, event, rng)


def active_markets(exchange: ExchangeCore, event: Event) -> list[Market]:
    now = exchange.now()
    return [m for t in event.markets if (m := exchange.markets[t]).status == ACTIVE and now < m.close_ms]


def move_event(exchange: ExchangeCore, event: Event, rng: Random) -> None:
    """Walk the fair probabilities one step and requote every leg whose target moved."""
    markets = active_markets(exchange, event)
    if not markets or not exchange.state.trading_active(exchange.now(), event.shard):
        return
    if event.mutually_exclusive and len(markets) > 1:
        noise = NOISE * (order_flow.KINDS[event.flow].walk if event.flow else 1.0)
        for market in markets:
            market.walk += -REVERSION * market.walk + noise * rng.gauss(0, 1)
    else:
        shock = NOISE * rng.gauss(0, 1)
        for market in markets:
            market.walk += -REVERSION * market.walk + shock
    _requote_all(exchange, event, markets, rng)
    second = thresholds.beside(exchange, event)
    if second is not None and exchange.now() >= second.edge_until_ms:
        _requote_all(exchange, second, active_markets(exchange, second), rng)


def _requote_all(exchange: ExchangeCore, event: Event, markets: list[Market], rng: Random) -> None:
    for market, fair in zip(markets, fair_probabilities(exchange, event, markets), strict=True):
        if market.quoted:
            requote(exchange, market, fair, rng)


def fair_probabilities(exchange: ExchangeCore, event: Event, markets: list[Market]) -> list[float]:
    """Present fair probability of each market: anchor, walk, and the drift towards the outcome."""
    ranges = thresholds.ranges_of(exchange, event)
    if ranges is not None:
        steps = [exchange.markets[ticker] for ticker in ranges.markets]
        chances = fair_probabilities(exchange, ranges, steps)
        return [thresholds.chance(market.floor_strike or 0, steps, chances) for market in markets]
    pull = drift(exchange, event)
    if event.mutually_exclusive and len(markets) > 1:
        logs = [math.log(m.anchor) + m.walk + (pull if m.ticker == event.outcome else 0.0) for m in markets]
        top = max(logs)
        weights = [math.exp(x - top) for x in logs]
        total = sum(weights)
        share = sum(m.anchor for m in markets)
        return [share * w / total for w in weights]
    found = []
    for market in markets:
        odds = math.log(market.anchor / (1 - market.anchor)) + market.walk
        if event.outcome == "ladder":
            odds += pull if event.ladder_draw < market.anchor else -pull
        found.append(1 / (1 + math.exp(-odds)))
    return found


def drift(exchange: ExchangeCore, event: Event) -> float:
    """Log-odds by which the coming outcome already shows in the prices."""
    close = max(exchange.markets[t].close_ms for t in event.markets)
    left = (close - exchange.now()) / max(event.life_ms, 1)
    shown = 1 - left / (1 - DRIFT_FROM)
    return DRIFT_STRENGTH * shown * shown if shown > 0 else 0.0


def targets(market: Market, fair: float) -> tuple[int, int]:
    """Where the makers quote: the recorded touch moved by how far the fair price is from its anchor. 0 and ONE: no quote.

    A bid never stands above the fair price nor an ask below it, so over an exclusive event bids sum to at most one and
    asks to at least one.
    """
    shift = (fair - market.anchor) * ONE
    bid = market.floor_price(min(market.quote_bid + shift, fair * ONE) + 1e-6)
    ask = market.ceil_price(max(market.quote_ask + shift, fair * ONE) - 1e-6)
    if market.quote_ask >= ONE and shift > -market.tick(ONE - 1):
        ask = ONE
    return bid, max(ask, bid + market.tick(bid)) if ask < ONE else ONE


def requote(exchange: ExchangeCore, market: Market, fair: float, rng: Random) -> None:
    """Move the quotes to their targets; orders of the account in between are traded with at their price."""
    bid, ask = targets(market, fair)
    pull_quotes(exchange, market, BID, bid)
    pull_quotes(exchange, market, ASK, ask)
    for side, price in ((BID, bid), (ASK, ask)):
        if 0 < price < ONE:
            book = exchange.books[market.ticker]
            present = quoted_count(exchange, market, side, price)
            wanted = max(CONTRACT, round(market.quote_size * rng.uniform(0.4, 1.6)))
            if present == 0:
                execute_market_maker(exchange, market, side, price, wanted, rest=True)
            elif rng.random() < 0.5:
                set_quote(exchange, market, side, price, wanted)
            _thin(exchange, market, side, book.prices[side])


def pull_quotes(exchange: ExchangeCore, market: Market, side: str, limit: int) -> None:
    """Cancel market maker orders that are better than ``limit`` (for asks: below it)."""
    book = exchange.books[market.ticker]
    while (best := book.best(side)) is not None and (best > limit if side == BID else best < limit):
        quotes = [o for o in book.levels[side][best].orders.values() if isinstance(o, MarketMakerOrder)]
        if not quotes:
            return
        for order in quotes:
            book.remove(order)
        if book.best(side) == best:  # only an order of the account is left there
            return


def quoted_count(exchange: ExchangeCore, market: Market, side: str, price: int) -> int:
    level = exchange.books[market.ticker].levels[side].get(price)
    return sum(o.remaining for o in level.orders.values() if isinstance(o, MarketMakerOrder)) if level else 0


def set_quote(exchange: ExchangeCore, market: Market, side: str, price: int, count: int) -> None:
    """Make the market makers' total at a price ``count`` (0: none)."""
    book = exchange.books[market.ticker]
    excess = quoted_count(exchange, market, side, price) - count
    if excess < 0:
        execute_market_maker(exchange, market, side, price, -excess, rest=True)
        return
    level = book.levels[side].get(price)
    for order in reversed(list(level.orders.values())) if level else ():
        if excess <= 0:
            return
        if isinstance(order, MarketMakerOrder):
            cut = min(order.remaining, excess)
            excess -= cut
            book.reduce(order, cut)


def _thin(exchange: ExchangeCore, market: Market, side: str, prices: list[int]) -> None:
    if len(prices) > DEPTH_KEPT:
        set_quote(exchange, market, side, prices[0] if side == BID else prices[-1], 0)


def take_some(exchange: ExchangeCore, event: Event, rng: Random) -> None:
    """A small simulated taker on a random leg: at most half of the touch, so the touch stays where it is."""
    markets = [m for m in active_markets(exchange, event) if m.quoted]
    if not markets or not exchange.state.trading_active(exchange.now(), event.shard):
        return
    market = markets[rng.randrange(len(markets))]
    side = BID if rng.random() < 0.5 else ASK
    book = exchange.books[market.ticker]
    price = book.best_ask() if side == BID else book.best_bid()
    if price is not None:
        there = book.size(ASK if side == BID else BID, price)
        count = min(rng.randint(1, 60) * CONTRACT, there // 2)
        if count > 0:
            execute_market_maker(exchange, market, side, price, count, rest=False)
