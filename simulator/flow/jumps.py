"""Books that jump: from one request to the next they vanish, come back, move, or stand at the ends of the price grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

from simulator.core import ExchangeCore
from simulator.listing.model import Market
from simulator.matching.book import ASK, BID, MarketMakerOrder
from simulator.matching.engine import execute_market_maker
from simulator.units import ONE

Level = tuple[str, int, int]
"""(side, YES price, count)"""
_COUNTS = (1, 37, 100, 250, 1_000, 5_000, 100_000)
"""From a hundredth of a contract to a thousand contracts."""


def replace_levels(exchange: ExchangeCore, market: Market, levels: list[Level]) -> None:
    """Make exactly these the market makers' orders; own resting orders that are in the way trade at their price."""
    book = exchange.books[market.ticker]
    for side in (BID, ASK):
        for order in list(book.orders(side)):
            if isinstance(order, MarketMakerOrder):
                book.remove(order)
    for side, price, count in levels:
        execute_market_maker(exchange, market, side, price, count, rest=True)


def leave_off_grid(exchange: ExchangeCore, market: Market) -> None:
    """Take away the market makers' orders whose price the present grid does not have."""
    kept = [level for level in maker_levels(exchange, market) if market.valid_price(level[1])]
    replace_levels(exchange, market, kept)


def maker_levels(exchange: ExchangeCore, market: Market) -> list[Level]:
    """The market makers' orders as levels."""
    book = exchange.books[market.ticker]
    found: dict[tuple[str, int], int] = {}
    for side in (BID, ASK):
        for order in book.orders(side):
            if isinstance(order, MarketMakerOrder):
                found[side, order.price] = found.get((side, order.price), 0) + order.remaining
    return [(side, price, count) for (side, price), count in found.items()]


def jump(exchange: ExchangeCore, market: Market, shape: str, rng: Random) -> str:
    """Let the book of a market jump; returns the shape that was taken (``any`` draws one). The makers stop following."""
    names = sorted(SHAPES)
    chosen = names[rng.randrange(len(names))] if shape == "any" else shape
    present = maker_levels(exchange, market)
    if present:
        exchange.levels_before_jump.setdefault(market.ticker, present)
    market.quoted = False
    replace_levels(exchange, market, SHAPES[chosen](exchange, market, rng))
    return chosen


def _prices(market: Market) -> list[int]:
    return _grid(tuple((start, end, step) for start, end, step in market.ranges))


@cache
def _grid(ranges: tuple[tuple[int, int, int], ...]) -> list[int]:
    """All tradable prices of a grid, ascending."""
    return sorted({p for start, end, step in ranges for p in range(start, end + 1, step) if 0 < p < ONE})


def _around(prices: list[int], bid_at: int, ask_at: int, rng: Random) -> list[Level]:
    """One to three levels down from ``prices[bid_at]`` and up from ``prices[ask_at]``; an index off the grid is no level."""
    depth = rng.randint(1, 3)
    bids = [(BID, prices[i], rng.choice(_COUNTS)) for i in range(bid_at, bid_at - depth, -1) if 0 <= i < len(prices)]
    asks = [(ASK, prices[i], rng.choice(_COUNTS)) for i in range(ask_at, ask_at + depth) if 0 <= i < len(prices)]
    return bids + asks


def _vanish(exchange: ExchangeCore, market: Market, rng: Random) -> list[Level]:
    return []


def _return(exchange: ExchangeCore, market: Market, rng: Random) -> list[Level]:
    levels = exchange.levels_before_jump.get(market.ticker, [])
    return [level for level in levels if market.valid_price(level[1])]


def _one_sided(exchange: ExchangeCore, market: Market, rng: Random) -> list[Level]:
    side = rng.choice((BID, ASK))
    return [level for level in maker_levels(exchange, market) if level[0] == side]


def _low(exchange: ExchangeCore, market: Market, rng: Random) -> list[Level]:
    """The least price of the grid is the ask, or the bid."""
    at = rng.randint(0, 1)
    return _around(_prices(market), at - 1, at, rng)


def _high(exchange: ExchangeCore, market: Market, rng: Random) -> list[Level]:
    """The greatest price of the grid is the bid, or the ask."""
    prices = _prices(market)
    at = len(prices) - rng.randint(0, 1)
    return _around(prices, at - 1, at, rng)


def _random(exchange: ExchangeCore, market: Market, rng: Random) -> list[Level]:
    prices = _prices(market)
    ask_at = rng.randrange(len(prices) + 1)
    return _around(prices, ask_at - rng.randint(1, 10), ask_at, rng)


def _shift(exchange: ExchangeCore, market: Market, rng: Random) -> list[Level]:
    """Every level some ticks up or down; what leaves the grid is gone."""
    prices = _prices(market)
    by = rng.choice((-1, 1)) * rng.randint(1, 20)
    moved = [
        (side, prices.index(price) + by, count)
        for side, price, count in maker_levels(exchange, market)
        if price in prices
    ]
    return [(side, prices[at], count) for side, at, count in moved if 0 <= at < len(prices)]


SHAPES: dict[str, Callable[[ExchangeCore, Market, Random], list[Level]]] = {
    "vanish": _vanish,
    "return": _return,
    "one_sided": _one_sided,
    "low": _low,
    "high": _high,
    "random": _random,
    "shift": _shift,
}
