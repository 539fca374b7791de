"""Order reads, which stayed under ``/portfolio/orders`` (docs/kalshi-protocol.md 9.7)."""

from __future__ import annotations

from simulator.accounts.records import RESTING
from simulator.errors import bad_query, not_found
from simulator.listing import archive
from simulator.units import count2

from . import render
from .context import Answer, Request
from .query import page


def list_orders(request: Request) -> Answer:
    query = request.query
    status = query.word("status", ("resting", "canceled", "executed"))
    low, high = query.window("min_ts", "max_ts")
    ticker, events = query.text("ticker"), query.words("event_ticker", 100)
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    shard = query.whole("exchange_index", 0)
    found = [
        o
        for o in reversed(list(request.reads.orders.values()))
        if not archive.is_old_order(request.exchange, o)
        and (status is None or o.status == status)
        and (ticker is None or o.ticker == ticker)
        and (events is None or o.event_ticker in events)
        and low <= o.created_ms <= high
        and (subaccount is None or o.subaccount == subaccount)
        and (shard is None or o.shard == shard)
    ]
    shown, cursor = page(query, found, lambda o: o.order_id, 100, 1000)
    return 200, {"orders": [render.order(request.exchange, o) for o in shown], "cursor": cursor}


def one_order(request: Request, order_id: str) -> Answer:
    order = request.reads.orders.get(order_id)
    locked = request.subaccount(None, None)
    if order is None or archive.is_old_order(request.exchange, order):
        raise not_found("order not found")
    if locked is not None and order.subaccount != locked:
        raise not_found("order not found")
    return 200, {"order": render.order(request.exchange, order)}


def queue_positions(request: Request) -> Answer:
    query = request.query
    tickers, event = query.words("market_tickers"), query.text("event_ticker")
    if tickers is None and event is None:
        raise bad_query("market_tickers or event_ticker is required")
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    exchange = request.exchange
    rows = [
        {
            "order_id": o.order_id,
            "market_ticker": o.ticker,
            "queue_position_fp": count2(exchange.books[o.ticker].queue_ahead(o)),
        }
        for o in exchange.ledger.all_open()
        if (tickers is None or o.ticker in tickers)
        and (event is None or o.event_ticker == event)
        and (subaccount is None or o.subaccount == subaccount)
    ]
    return 200, {"queue_positions": rows}


def queue_position(request: Request, order_id: str) -> Answer:
    order = request.exchange.ledger.orders.get(order_id)
    if order is None or order.status != RESTING:
        raise not_found("order not found")
    return 200, {"queue_position_fp": count2(request.exchange.books[order.ticker].queue_ahead(order))}
