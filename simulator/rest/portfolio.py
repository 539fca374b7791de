"""Balance, positions, fills and settlements (docs/kalshi-protocol.md 10)."""

from __future__ import annotations

from simulator.accounts.records import Position
from simulator.config import SHARDS
from simulator.errors import bad_query
from simulator.listing import archive
from simulator.units import CENT, CENTICENT, ONE, dollars4, dollars6

from . import render
from .context import Answer, Request
from .query import page


def balance(request: Request) -> Answer:
    """Available cash of a subaccount (default: the primary), all shards unless one is named."""
    exchange, ledger = request.exchange, request.reads
    subaccount = request.subaccount(request.query.whole("subaccount", 0), 0) or 0
    shard = request.query.whole("exchange_index")
    if shard is not None and shard not in (-1, *SHARDS):
        raise bad_query("exchange_index is unknown")
    shards = SHARDS if shard in (None, -1) else (shard,)
    free = {s: ledger.available((subaccount, s)) for s in shards if s is not None}
    total = sum(free.values())
    held = sum(
        _value(request, p) for p in ledger.positions.values() if p.subaccount == subaccount and p.shard in shards
    )
    return 200, {
        "balance": total // CENT,
        "balance_dollars": cash_text(total),
        "portfolio_value": held // CENT,
        "updated_ts": exchange.now() // 1000,
        "balance_breakdown": [{"exchange_index": s, "balance": cash_text(amount)} for s, amount in free.items()],
    }


def cash_text(amount: int) -> str:
    """Cash as a dollar string: four decimal places, six where the grid does not reach."""
    return dollars4(amount // CENTICENT) if amount % CENTICENT == 0 else dollars6(amount)


def _value(request: Request, position: Position) -> int:
    """A position at its present bids."""
    market = request.exchange.markets.get(position.ticker)
    if market is None or not position.count:
        return 0
    if market.settlement_value is not None:
        worth = market.settlement_value
    else:
        book = request.exchange.books[position.ticker]
        bid, ask = book.best_bid(), book.best_ask()
        worth = (bid or 0) if position.count > 0 else (ONE if ask is None else ask)
    return position.count * worth if position.count > 0 else -position.count * (ONE - worth)


def positions(request: Request) -> Answer:
    """Defaults: the primary subaccount, unsettled markets."""
    query = request.query
    state = query.word("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    filters = query.words("count_filter") or []
    if set(filters) - {"position", "total_traded"}:
        raise bad_query("count_filter: position, total_traded")
    ticker, events = query.text("ticker"), query.words("event_ticker", 100)
    subaccount = request.subaccount(query.whole("subaccount", 0), 0)
    shard = query.whole("exchange_index", 0)
    found = [
        p
        for p in request.reads.positions.values()
        if p.subaccount == subaccount
        and not archive.is_old_position(request.exchange, p)
        and (state == "all" or p.settled == (state == "settled"))
        and (ticker is None or p.ticker == ticker)
        and (events is None or p.event_ticker in events)
        and (shard is None or p.shard == shard)
        and (not filters or ("position" in filters and p.count) or ("total_traded" in filters and p.traded))
    ]
    shown, cursor = page(query, found, lambda p: f"{state}:{p.ticker}", 100, 1000)
    grouped: dict[str, list[Position]] = {}
    for position in shown:
        grouped.setdefault(position.event_ticker, []).append(position)
    return 200, {
        "market_positions": [render.position(p) for p in shown],
        "event_positions": [render.event_position(name, held) for name, held in grouped.items()],
        "cursor": cursor,
    }


def fills(request: Request) -> Answer:
    query = request.query
    low, high = query.window("min_ts", "max_ts")
    tickers, order_id = query.words("ticker", 100), query.text("order_id")
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    shard = query.whole("exchange_index", 0)
    found = [
        f
        for f in reversed(request.reads.fills)
        if not archive.is_old_fill(request.exchange, f)
        and (tickers is None or f.ticker in tickers)
        and (order_id is None or f.order_id == order_id)
        and low <= f.created_ms <= high
        and (subaccount is None or f.subaccount == subaccount)
        and (shard is None or f.shard == shard)
    ]
    shown, cursor = page(query, found, lambda f: f"{f.fill_id}:{f.order_id}", 100, 1000)
    return 200, {"fills": [render.fill(f) for f in shown], "cursor": cursor}


def settlements(request: Request) -> Answer:
    query = request.query
    low, high = query.window("min_ts", "max_ts")
    ticker, event = query.text("ticker"), query.text("event_ticker")
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    found = [
        s
        for s in reversed(request.reads.settlements)
        if not archive.is_old_settlement(request.exchange, s)
        and (ticker is None or s.ticker == ticker)
        and (event is None or s.event_ticker == event)
        and low <= s.settled_ms <= high
        and (subaccount is None or s.subaccount == subaccount)
    ]
    shown, cursor = page(query, found, lambda s: f"{s.ticker}:{s.subaccount}", 100, 1000)
    return 200, {"settlements": [render.settlement(s) for s in shown], "cursor": cursor}
