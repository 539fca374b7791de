"""Mispriced baskets of one value: a threshold offered for less than the range above it is bid for, a date for less than an earlier one.

YES above the threshold and NO in the range right above it pay a dollar at every value, and two above the range; so do YES before a date
and NO before an earlier one on every day, and two between the dates.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random

from simulator.core import ExchangeCore
from simulator.listing import date_ladders, thresholds
from simulator.listing.model import ACTIVE, Edge, Event, Market
from simulator.matching.book import ASK, BID
from simulator.matching.engine import execute_market_maker
from simulator.matching.fees import worst_fee
from simulator.units import CONTRACT

from . import market_makers

KIND = "family"
MARGIN = (350, 700)
"""Net profit per set of contracts after fees, in 1/10,000 dollar."""
LEAST_BID = 1_500


def can_be_on(exchange: ExchangeCore, event: Event) -> bool:
    """Whether such a basket can be planted with this event: thresholds beside ranges, or a ladder of dates."""
    return date_ladders.is_one(event) or thresholds.ranges_of(exchange, event) is not None


def plant(exchange: ExchangeCore, event: Event, hold_ms: int, rng: Random) -> Edge | None:
    """Offer a threshold of ``event`` below the bid on the range above it, a date below that on an earlier one; returns the edge, or None
    where it does not suit."""
    ranges = event if date_ladders.is_one(event) else thresholds.ranges_of(exchange, event)
    now = exchange.now()
    if (
        ranges is None
        or {event.ticker, ranges.ticker} & exchange.edges.keys()
        or "void" in (ranges.outcome, event.outcome)
    ):
        return None
    pair = _dates(exchange, event) if ranges is event else _pair(exchange, event, ranges)
    markets = [exchange.markets[ticker] for ticker in (*event.markets, *ranges.markets)]
    trading = exchange.state.trading_active(now, event.shard) and all(m.status == ACTIVE for m in markets)
    if pair is None or not trading or min(m.close_ms for m in markets) - now < hold_ms + 5_000:
        return None
    threshold, above, bid = pair
    worst = sum(worst_fee(exchange.terms(m), bid, CONTRACT, True, 100) // CONTRACT for m in (threshold, above))
    ask = threshold.floor_price(bid - worst - rng.randint(*MARGIN))
    if ask <= 0 or market_makers.drift(exchange, ranges) >= 1.0:
        return None
    edge = Edge(event.ticker, KIND, now, now + hold_ms, {threshold.ticker: ask, above.ticker: bid}, {})
    event.edge_until_ms = ranges.edge_until_ms = edge.until_ms
    for market, side, price in ((threshold, ASK, ask), (above, BID, bid)):
        edge.sizes[market.ticker] = _offer(exchange, market, side, price, rng)
    exchange.edges[event.ticker] = edge
    exchange.edge_log.append(edge)
    exchange.timers.at(edge.until_ms, lambda: _withdraw(exchange, edge, ranges.ticker))
    return edge


def _pair(exchange: ExchangeCore, event: Event, ranges: Event) -> tuple[Market, Market, int] | None:
    """The likeliest range that begins right above a threshold, the threshold, and what is bid for the range."""
    steps = {m.floor_strike: m for t in ranges.markets if (m := exchange.markets[t]).cap_strike is not None}
    found = []
    for ticker in event.markets:
        threshold = exchange.markets[ticker]
        above = steps.get(round((threshold.floor_strike or 0) + 0.01, 2))
        bid = None if above is None else exchange.books[above.ticker].best_bid()
        if above is not None and bid is not None and bid >= LEAST_BID:
            found.append((bid, threshold.ticker, threshold, above))
    if not found:
        return None
    bid, _, threshold, above = max(found, key=lambda one: one[:2])
    return threshold, above, bid


def _dates(exchange: ExchangeCore, event: Event) -> tuple[Market, Market, int] | None:
    """The likeliest date that another one follows, that other one first, and what is bid for the earlier."""
    markets = [exchange.markets[ticker] for ticker in event.markets]
    found = []
    for earlier, later in pairwise(markets):
        bid = exchange.books[earlier.ticker].best_bid()
        if bid is not None and bid >= LEAST_BID:
            found.append((bid, later.ticker, later, earlier))
    if not found:
        return None
    bid, _, later, earlier = max(found, key=lambda one: one[:2])
    return later, earlier, bid


def _offer(exchange: ExchangeCore, market: Market, side: str, price: int, rng: Random) -> int:
    """Pull the quotes in the way and rest the mispriced order; returns its size."""
    size = rng.randint(20, 200) * CONTRACT
    away, other = market.tick(price), ASK if side == BID else BID
    market_makers.pull_quotes(exchange, market, other, price + away if side == BID else max(price - away, 0))
    execute_market_maker(exchange, market, side, price, size, rest=True, tag="edge")
    return size


def _withdraw(exchange: ExchangeCore, edge: Edge, ranges: str) -> None:
    """Take back what is left and quote both events at their fair prices again."""
    exchange.edges.pop(edge.event_ticker, None)
    for ticker in edge.prices:
        book = exchange.books.get(ticker)
        for order in [*book.orders(ASK), *book.orders(BID)] if book is not None else []:
            if book is not None and getattr(order, "tag", "") == "edge":
                book.remove(order)
    if ranges in exchange.events:
        market_makers.move_event(exchange, exchange.events[ranges], exchange.streams.stream("edges"))
