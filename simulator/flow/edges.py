"""Mispriced baskets, planted now and then with real resting orders of market makers.

Three kinds in turn: ``all_no`` (YES bids sum clearly above 1 plus fees), ``all_yes`` (YES asks of a tiling ladder sum
clearly below 1 less fees) and ``coverage`` (likely outcomes of a weather event cost less than their probability). With
``turn_every`` the weather turns against every n-th coverage basket after it was offered (``weather.adverse_turns``).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

from simulator.core import ExchangeCore
from simulator.listing.model import ACTIVE, Edge, Event, Market
from simulator.listing.series import weather_city
from simulator.matching.book import ASK, BID
from simulator.matching.engine import execute_market_maker
from simulator.matching.fees import worst_fee
from simulator.units import CONTRACT, ONE
from simulator.weather import adverse_turns

from . import family_edges, market_makers

KINDS = ("all_no", "all_yes", "coverage")
ACROSS_EVERY = 3
"""Beside every so many of them one is planted across two events, where thresholds stand beside ranges, or across two dates of a ladder."""
RANGES = ("KXBTC", "KXETH")
FEW = 8
"""More outcomes than this, and NO is offered on three of them only."""
HOLD_MS = (10_000, 20_000)
AGAIN_MS = 5_000
"""Ranges get the next NO basket so soon after the last one was withdrawn: the only ones of grade *if determined*, and few events."""
DEFERRED = "deferred turn"
"""Counter: the next coverage basket turns, because no day could when one was due."""
TURN_MS = 14_000
"""How long a basket is offered whose day then turns."""
MARGIN = (350, 700)
"""Net profit per set of contracts after fees, in 1/10,000 dollar."""
COVERAGE_MARGIN = (700, 1_100)


def start(exchange: ExchangeCore) -> None:
    """Set the first edge, unless none are wanted."""
    if exchange.config.edge_every_s > 0 and not exchange.config.still:
        exchange.timers.at(exchange.now() + _every(exchange), lambda: _plant_next(exchange))


def _every(exchange: ExchangeCore) -> int:
    return max(100, round(exchange.config.edge_every_s * 1000))


def _plant_next(exchange: ExchangeCore) -> None:
    exchange.timers.at(exchange.now() + _every(exchange), lambda: _plant_next(exchange))
    rng = exchange.streams.stream("edges")
    number = exchange.streams.counters["edge"] = exchange.streams.counters.get("edge", 0) + 1
    names = exchange.live_events()
    rng.shuffle(names)
    kind = KINDS[(number - 1) % len(KINDS)]
    if number % ACROSS_EVERY == 0:
        across = [name for name in names if family_edges.can_be_on(exchange, exchange.events[name])]
        any(family_edges.plant(exchange, exchange.events[name], rng.randint(*HOLD_MS), rng) for name in across)
    if kind == "all_no":  # range events as soon as they can be; then everything else
        names.sort(key=lambda name: _turn_of(exchange.events[name], exchange.now()))
    hold = rng.randint(*HOLD_MS)
    if kind == "coverage" and _turn_is_due(exchange):
        if _plant_on_first(exchange, names, kind, TURN_MS, rng, turning=True):
            return
        exchange.streams.counters[DEFERRED] = 1  # no day can turn now: an ordinary basket, and the next one turns
    _plant_on_first(exchange, names, kind, hold, rng)


def _turn_of(event: Event, now: int) -> int:
    """Where an event stands among those that may get a NO basket: ranges that had none lately, all others, ranges that had one."""
    if event.series_ticker not in RANGES:
        return 1
    return 2 if now < event.edge_until_ms + AGAIN_MS else 0


def _plant_on_first(
    exchange: ExchangeCore, names: list[str], kind: str, hold_ms: int, rng: Random, turning: bool = False
) -> bool:
    return any(plant(exchange, exchange.events[name], kind, hold_ms, rng, turning) for name in names)


def _turn_is_due(exchange: ExchangeCore) -> bool:
    """Whether this coverage basket is one that goes wrong: the first, every ``turn_every``-th after it, and one that was deferred."""
    every = exchange.config.turn_every
    number = exchange.streams.counters["coverage"] = exchange.streams.counters.get("coverage", 0) + 1
    return every > 0 and bool(exchange.streams.counters.pop(DEFERRED, 0) or (number - 1) % every == 0)


def plant(
    exchange: ExchangeCore, event: Event, kind: str, hold_ms: int, rng: Random, turning: bool = False
) -> Edge | None:
    """Place an edge of a kind on an event if it suits; returns it, or None. ``turning``: a coverage basket whose day turns
    against it when the offer ends."""
    markets = suited(exchange, event, kind, hold_ms)
    if not markets:
        return None
    fair = market_makers.fair_probabilities(exchange, event, markets)
    if kind == "all_no":
        side, prices = BID, _high_bids(exchange, markets, fair, rng)
    elif kind == "all_yes":
        side, prices = ASK, _cheap_asks(exchange, markets, fair, rng.randint(*MARGIN))
    else:
        side, prices = ASK, _cheap_cover(exchange, markets, fair, rng)
    now = exchange.now()
    if not prices or (turning and adverse_turns.hottest(exchange, event, prices, now + hold_ms) is None):
        return None
    edge = Edge(event.ticker, kind, now, now + hold_ms, prices, {}, turning)
    event.edge_until_ms = edge.until_ms
    for ticker, price in prices.items():
        edge.sizes[ticker] = _offer(exchange, exchange.markets[ticker], side, price, rng, kind == "coverage")
    exchange.edges[event.ticker] = edge
    exchange.edge_log.append(edge)
    exchange.timers.at(edge.until_ms, lambda: _withdraw(exchange, edge, side))
    return edge


def suited(exchange: ExchangeCore, event: Event, kind: str, hold_ms: int) -> list[Market]:
    """All markets of an event on which this kind can be planted, or none."""
    markets = [exchange.markets[t] for t in event.markets]
    now = exchange.now()
    good = (
        event.mutually_exclusive
        and len(markets) >= 2
        and (len(markets) <= FEW or (kind == "all_no" and event.series_ticker in RANGES))
        and event.ticker not in exchange.edges
        and event.fee_type_override is None
        and event.outcome not in ("", "void")
        and all(m.status == ACTIVE and m.close_ms - now > hold_ms + 5_000 for m in markets)
        and (all(m.quoted for m in markets) or len(markets) > FEW)
        and exchange.state.trading_active(now, event.shard)
    )
    if not good or (kind != "all_no" and not (weather_city(event.series_ticker) and tiles(markets))):
        return []
    return markets if market_makers.drift(exchange, event) < 1.0 else []


def tiles(markets: list[Market]) -> bool:
    """Whether integer strikes cover every whole degree: one open end below, contiguous ranges, one open end above."""
    spans = []
    for market in markets:
        low, high = market.floor_strike, market.cap_strike
        if market.strike_type == "less" and high is not None:
            spans.append((float("-inf"), high - 1))
        elif market.strike_type == "greater" and low is not None:
            spans.append((low + 1, float("inf")))
        elif market.strike_type == "between" and low is not None and high is not None:
            spans.append((low, high))
        else:
            return False
    spans.sort()
    joined = all(b[0] == a[1] + 1 for a, b in pairwise(spans))
    return joined and spans[0][0] == float("-inf") and spans[-1][1] == float("inf")


def _fee(exchange: ExchangeCore, market: Market, price: int) -> int:
    """Taker fee of one contract in price units, rounded up: a little more than a real fill will cost."""
    return worst_fee(exchange.terms(market), price, CONTRACT, True, 100) // CONTRACT


def _high_bids(exchange: ExchangeCore, markets: list[Market], fair: list[float], rng: Random) -> dict[str, int]:
    """Bids whose sum is above one by fees and margin."""
    margin = rng.randint(*MARGIN)

    def price(market: Market, chance: float, shift: float) -> int:
        return min(max(market.ceil_price(chance * (1 + shift) * ONE), market.tick(1)), ONE - market.tick(ONE - 1))

    legs = list(zip(markets, fair, strict=True))
    if (
        len(legs) > FEW
    ):  # the likeliest three, as if one of them had to win; no bid below its fair one, which would stay in the book
        likeliest = sorted(legs, key=lambda leg: -leg[1])[:3]
        share = sum(chance for _, chance in likeliest)
        legs = [(market, chance + (1 - share) / 3) for market, chance in likeliest]
    return _least_shifted(exchange, legs, price, lambda total, fees: total >= ONE + fees + margin)


def _cheap_asks(exchange: ExchangeCore, markets: list[Market], fair: list[float], margin: int) -> dict[str, int]:
    """Asks whose sum is below one by fees and margin."""
    legs = list(zip(markets, fair, strict=True))
    return _least_shifted(exchange, legs, _cut_price, lambda total, fees: total + fees + margin <= ONE)


def _cheap_cover(exchange: ExchangeCore, markets: list[Market], fair: list[float], rng: Random) -> dict[str, int]:
    """Asks on the likeliest outcomes (together at least 95 %) well below their probability."""
    ranked = sorted(zip(markets, fair, strict=True), key=lambda pair: -pair[1])
    chosen: list[tuple[Market, float]] = []
    while sum(p for _, p in chosen) < 0.95 and len(chosen) < len(ranked) - 1:
        chosen.append(ranked[len(chosen)])
    covered = sum(p for _, p in chosen)
    if covered < 0.95 or len(chosen) < 2:
        return {}
    margin = rng.randint(*COVERAGE_MARGIN)
    return _least_shifted(exchange, chosen, _cut_price, lambda total, fees: total + fees + margin <= covered * ONE)


def _cut_price(market: Market, chance: float, shift: float) -> int:
    return max(market.floor_price(chance * (1 - shift) * ONE), market.tick(1))


def _least_shifted(
    exchange: ExchangeCore,
    legs: list[tuple[Market, float]],
    price: Callable[[Market, float, float], int],
    pays: Callable[[int, int], bool],
) -> dict[str, int]:
    """Prices at the least shift from fair, in steps of a percent, at which (sum of prices, fees) pays; {} if none below half does."""
    shift = 0.0
    while shift < 0.5:
        shift += 0.01
        prices = {market.ticker: price(market, chance, shift) for market, chance in legs}
        if pays(sum(prices.values()), sum(_fee(exchange, market, prices[market.ticker]) for market, _ in legs)):
            return prices
    return {}


def _offer(exchange: ExchangeCore, market: Market, side: str, price: int, rng: Random, close_bid: bool) -> int:
    """Pull the quotes in the way and rest the mispriced order; returns its size."""
    size = rng.randint(20, 200) * CONTRACT
    other = ASK if side == BID else BID
    away = market.tick(price)
    market_makers.pull_quotes(exchange, market, other, price + away if side == BID else max(price - away, 0))
    if close_bid and price - away > 0 and market_makers.quoted_count(exchange, market, other, price - away) == 0:
        execute_market_maker(exchange, market, other, price - away, market.quote_size, rest=True)
    execute_market_maker(exchange, market, side, price, size, rest=True, tag="edge")
    return size


def _withdraw(exchange: ExchangeCore, edge: Edge, side: str) -> None:
    """Take back what is left and quote the event at its fair prices again."""
    exchange.edges.pop(edge.event_ticker, None)
    event = exchange.events.get(edge.event_ticker)
    if event is None:
        return
    for ticker in edge.prices:
        book = exchange.books[ticker]
        for order in list(book.orders(side)):
            if getattr(order, "tag", "") == "edge":
                book.remove(order)
    if edge.turns:
        adverse_turns.turn(exchange, edge.event_ticker, edge.prices)
    market_makers.move_event(exchange, event, exchange.streams.stream("edges"))
