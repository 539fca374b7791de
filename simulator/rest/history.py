"""Candlesticks, and what has left the live listings (docs/kalshi-protocol.md 5 and 7)."""

from __future__ import annotations

from typing import Any

from simulator.clock import iso
from simulator.errors import bad_query, not_found
from simulator.exchange import Exchange
from simulator.listing import archive
from simulator.listing.candles import PERIODS, Candle, Range
from simulator.listing.model import Market
from simulator.units import count2, dollars4

from . import render
from .context import Answer, Request
from .query import Query, page

_MOST_CANDLES = 10_000
_MOST_MARKETS = 100


def cutoff(exchange: Exchange, query: Query) -> dict[str, Any]:
    account = iso(archive.account_cutoff(exchange))
    return {
        "market_settled_ts": iso(archive.market_cutoff(exchange)),
        "trades_created_ts": account,
        "orders_updated_ts": account,
        "market_positions_last_updated_ts": account,
    }


# ---- markets and trades


def markets(exchange: Exchange, query: Query) -> dict[str, Any]:
    """Filters are mutually exclusive."""
    tickers, event, series = query.words("tickers"), query.text("event_ticker"), query.text("series_ticker")
    if sum(one is not None for one in (tickers, event, series)) > 1:
        raise bad_query("tickers, event_ticker and series_ticker are mutually exclusive")
    query.word("mve_filter", ("exclude",))
    found = [
        m
        for m in exchange.markets.values()
        if archive.is_old_market(exchange, m)
        and (tickers is None or m.ticker in tickers)
        and (event is None or m.event_ticker == event)
        and (series is None or m.series_ticker == series)
    ]
    found.sort(key=lambda m: (-(m.settled_ms or 0), m.ticker))
    shown, cursor = page(query, found, lambda m: m.ticker, 100, 1000, 0)
    return {"markets": [render.market(exchange, m) for m in shown], "cursor": cursor}


def one_market(exchange: Exchange, query: Query, ticker: str) -> dict[str, Any]:
    return {"market": render.market(exchange, _market(exchange, ticker, old=True))}


def _market(exchange: Exchange, ticker: str, old: bool) -> Market:
    found = exchange.markets.get(ticker)
    if found is None or archive.is_old_market(exchange, found) != old:
        raise not_found("market not found")
    return found


def trades(exchange: Exchange, query: Query) -> dict[str, Any]:
    return trade_page(exchange, query, old=True)


def live_trades(exchange: Exchange, query: Query) -> dict[str, Any]:
    return trade_page(exchange, query, old=False)


def trade_page(exchange: Exchange, query: Query, old: bool) -> dict[str, Any]:
    """Trades on one side of the cutoff, newest first."""
    ticker, line = query.text("ticker"), archive.account_cutoff(exchange)
    low, high = query.window("min_ts", "max_ts")
    if query.flag("is_block_trade"):
        return {"trades": [], "cursor": ""}
    found = [
        t
        for t in reversed(exchange.trades)
        if (ticker is None or t["ticker"] == ticker) and low <= t["ms"] <= high and (t["ms"] < line) == old
    ]
    shown, cursor = page(query, found, lambda t: str(t["trade_id"]), 100, 1000, 0)
    return {"trades": [render.trade(t) for t in shown], "cursor": cursor}


# ---- own records


def orders(request: Request) -> Answer:
    query, exchange = request.query, request.exchange
    ticker, (low, high) = query.text("ticker"), query.window("min_ts", "max_ts")
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    found = [
        o
        for o in reversed(list(request.reads.orders.values()))
        if archive.is_old_order(exchange, o)
        and (ticker is None or o.ticker == ticker)
        and low <= o.created_ms <= high
        and (subaccount is None or o.subaccount == subaccount)
    ]
    shown, cursor = page(query, found, lambda o: o.order_id, 100, 1000)
    return 200, {"orders": [render.order(exchange, o) for o in shown], "cursor": cursor}


def fills(request: Request) -> Answer:
    query, exchange = request.query, request.exchange
    ticker, (low, high) = query.text("ticker"), query.window("min_ts", "max_ts")
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    found = [
        f
        for f in reversed(request.reads.fills)
        if archive.is_old_fill(exchange, f)
        and (ticker is None or f.ticker == ticker)
        and low <= f.created_ms <= high
        and (subaccount is None or f.subaccount == subaccount)
    ]
    shown, cursor = page(query, found, lambda f: f"{f.fill_id}:{f.order_id}", 100, 1000)
    return 200, {"fills": [render.fill(f) for f in shown], "cursor": cursor}


def positions(request: Request) -> Answer:
    query, exchange = request.query, request.exchange
    ticker, event = query.text("ticker"), query.text("event_ticker")
    subaccount = request.subaccount(query.whole("subaccount", 0), 0)
    found = [
        p
        for p in request.reads.positions.values()
        if archive.is_old_position(exchange, p)
        and p.subaccount == subaccount
        and (ticker is None or p.ticker == ticker)
        and (event is None or p.event_ticker == event)
    ]
    shown, cursor = page(query, found, lambda p: p.ticker, 100, 1000)
    return 200, {"market_positions": [render.position(p) for p in shown], "event_positions": [], "cursor": cursor}


# ---- candlesticks


def market_candles(exchange: Exchange, query: Query, series_ticker: str, ticker: str) -> dict[str, Any]:
    market = _market(exchange, ticker, old=False)
    if market.series_ticker != series_ticker:
        raise not_found("market not found")
    start, end, period = _span(query)
    return {"ticker": ticker, "candlesticks": _live(exchange, query, ticker, start, end, period)}


def event_candles(exchange: Exchange, query: Query, series_ticker: str, ticker: str) -> dict[str, Any]:
    event = exchange.events.get(ticker)
    if event is None or event.series_ticker != series_ticker:
        raise bad_query("event not found")
    start, end, period = _span(query)
    live = [t for t in event.markets if not archive.is_old_market(exchange, exchange.markets[t])]
    return {
        "market_tickers": live,
        "market_candlesticks": [_live(exchange, query, t, start, end, period) for t in live],
        "adjusted_end_ts": end,
    }


def batch_candles(exchange: Exchange, query: Query) -> dict[str, Any]:
    tickers = query.words("market_tickers", _MOST_MARKETS)
    if not tickers:
        raise bad_query("market_tickers is required")
    start, end, period = _span(query)
    shown = [
        {"market_ticker": t, "candlesticks": _live(exchange, query, t, start, end, period)}
        for t in tickers
        if t in exchange.markets and not archive.is_old_market(exchange, exchange.markets[t])
    ]
    return {"markets": shown}


def old_candles(exchange: Exchange, query: Query, ticker: str) -> dict[str, Any]:
    _market(exchange, ticker, old=True)
    start, end, period = _span(query)
    candles, before = exchange.candles.of(ticker, start, end, period)
    shown = []
    for candle in candles:
        shown.append(_candle(candle, before, "", ""))
        before = candle
    return {"ticker": ticker, "candlesticks": shown}


def _span(query: Query) -> tuple[int, int, int]:
    start, end, period = query.whole("start_ts"), query.whole("end_ts"), query.whole("period_interval")
    if start is None or end is None or period is None:
        raise bad_query("start_ts, end_ts and period_interval are required")
    if period not in PERIODS:
        raise bad_query("period_interval must be one of 1, 60, 1440")
    if end < start or (end - start) // (period * 60) > _MOST_CANDLES:
        raise bad_query("end_ts lies before start_ts, or too far after it")
    return start, end, period


def _live(exchange: Exchange, query: Query, ticker: str, start: int, end: int, period: int) -> list[dict[str, Any]]:
    candles, before = exchange.candles.of(ticker, start, end, period)
    shown: list[dict[str, Any]] = []
    if query.flag("include_latest_before_start") and before is not None:
        bid, ask = before.bid.close, before.ask.close
        flat = Candle(start, Range(bid, bid, bid, bid), Range(ask, ask, ask, ask), None, 0, 0, before.open_interest)
        shown.append(_candle(flat, before, "_dollars", "_fp"))
    for candle in candles:
        shown.append(_candle(candle, before, "_dollars", "_fp"))
        before = candle
    return shown


def _candle(candle: Candle, before: Candle | None, dollars: str, fp: str) -> dict[str, Any]:
    """The live shape has ``_dollars`` and ``_fp`` in its names, the historical one has not."""
    price = candle.price
    previous = before.price.close if before is not None and before.price is not None else None
    traded: dict[str, Any] = {f"{n}{dollars}": None for n in ("open", "low", "high", "close", "mean")}
    if price is not None:
        traded = _range(price, dollars) | {f"mean{dollars}": dollars4(candle.value // candle.volume)}
    return {
        "end_period_ts": candle.end_s,
        "yes_bid": _range(candle.bid, dollars),
        "yes_ask": _range(candle.ask, dollars),
        "price": traded | {f"previous{dollars}": None if previous is None else dollars4(previous)},
        f"volume{fp}": count2(candle.volume),
        f"open_interest{fp}": count2(candle.open_interest),
    }


def _range(prices: Range, dollars: str) -> dict[str, Any]:
    return {
        f"open{dollars}": dollars4(prices.open),
        f"low{dollars}": dollars4(prices.low),
        f"high{dollars}": dollars4(prices.high),
        f"close{dollars}": dollars4(prices.close),
    }
