"""Balance, positions, fills, settlements; subaccounts, shards and transfers (PROTOCOL 6, 9.9, 10)."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from .. import transfers
from ..config import SHARDS
from ..errors import ApiError, bad_query, invalid, not_found
from ..order_requests import text, whole
from ..records import Position, Transfer
from ..units import CENT, CENTICENT, ONE, dollars4, dollars6
from . import render
from .context import Request
from .query import page

Answer = tuple[int, Any]


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
        "balance_dollars": _money(total),
        "portfolio_value": held // CENT,
        "updated_ts": exchange.now() // 1000,
        "balance_breakdown": [{"exchange_index": s, "balance": _money(amount)} for s, amount in free.items()],
    }


def _money(amount: int) -> str:
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
        if (tickers is None or f.ticker in tickers)
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
        if (ticker is None or s.ticker == ticker)
        and (event is None or s.event_ticker == event)
        and low <= s.settled_ms <= high
        and (subaccount is None or s.subaccount == subaccount)
    ]
    shown, cursor = page(query, found, lambda s: f"{s.ticker}:{s.subaccount}", 100, 1000)
    return 200, {"settlements": [render.settlement(s) for s in shown], "cursor": cursor}


# ---- subaccounts


def _advanced(request: Request) -> None:
    if request.exchange.limits.tier == "basic":
        raise ApiError(403, "forbidden", "subaccounts need the advanced tier")


def create_subaccount(request: Request) -> Answer:
    _advanced(request)
    ledger = request.exchange.ledger
    number = max(ledger.subaccounts(), default=0) + 1
    if number > 63:
        raise invalid("invalid parameters", "no more than 63 subaccounts")
    for shard in SHARDS:
        ledger.credit((number, shard), 0)
    return 201, {"subaccount_number": number}


def _uuid(body: dict[str, Any], required: bool) -> str:
    raw = text(body, "client_transfer_id", required)
    try:
        return str(UUID(raw)) if raw else ""
    except ValueError:
        raise invalid("invalid parameters", "client_transfer_id must be a UUID") from None


def _amount(body: dict[str, Any], name: str) -> int:
    found = whole(body, name)
    if found is None or found <= 0 or found > 2**53:
        raise invalid("invalid parameters", f"{name} must be an integer above zero")
    return found


def subaccount_transfer(request: Request) -> Answer:
    body = request.object()
    source, target = whole(body, "from_subaccount"), whole(body, "to_subaccount")
    if source is None or target is None:
        raise invalid("invalid parameters", "from_subaccount and to_subaccount are required")
    _advanced(request)
    request.subaccount(source, None)
    transfers.between_subaccounts(
        request.exchange,
        _uuid(body, True),
        _amount(body, "amount_cents") * CENT,
        whole(body, "exchange_index") or 0,
        source,
        target,
    )
    return 200, {}


def subaccount_balances(request: Request) -> Answer:
    ledger, now = request.reads, request.exchange.now() // 1000
    return 200, {
        "subaccount_balances": [
            {
                "subaccount_number": sub,
                "exchange_index": shard,
                "balance": _money(ledger.available((sub, shard))),
                "updated_ts": now,
            }
            for sub, shard in sorted(ledger.cash)
        ]
    }


def netting(request: Request) -> Answer:
    ledger, default = request.exchange.ledger, "1" if request.exchange.config.netting_default else "0"
    return 200, {
        "netting_configs": [
            {
                "subaccount_number": sub,
                "enabled": ledger.options.get(f"netting:{sub}", default) == "1",
                "exchange_index": shard,
            }
            for sub, shard in sorted(ledger.cash)
        ]
    }


def set_netting(request: Request) -> Answer:
    """Stored and shown; collateral is not released (budget full collateral, PROTOCOL 13)."""
    body = request.object()
    number, enabled = whole(body, "subaccount_number"), body.get("enabled")
    if number is None or number not in request.exchange.ledger.subaccounts() or not isinstance(enabled, bool):
        raise invalid("invalid parameters", "subaccount_number and enabled are required")
    request.exchange.ledger.set_option(f"netting:{number}", "1" if enabled else "0")
    return 200, {}


# ---- shards


def shard_transfer(request: Request) -> Answer:
    body = request.object()
    instances = (text(body, "source", True), text(body, "destination", True))
    if any(name not in ("event_contract", "margined") for name in instances):
        raise invalid("invalid parameters", "source and destination are event_contract or margined")
    if "margined" in instances:
        raise ApiError(403, "forbidden", "the margined exchange is not available to this account")
    source = (whole(body, "source_subaccount") or 0, whole(body, "source_exchange_shard") or 0)
    target = (whole(body, "destination_subaccount") or 0, whole(body, "destination_exchange_shard") or 0)
    request.subaccount(source[0], None)
    amount = _amount(body, "amount") * CENTICENT
    moved = transfers.between_shards(request.exchange, _uuid(body, False), amount, source, target)
    return 200, {"transfer_id": moved.transfer_id}


def _shard_transfer(t: Transfer) -> dict[str, Any]:
    found = {
        "transfer_id": t.transfer_id,
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": t.source[1],
        "destination_exchange_shard": t.destination[1],
        "amount": _money(t.amount),
        "status": t.status,
        "created_ts": t.created_ms // 1000,
    }
    return found | {"client_transfer_id": t.client_id} if t.client_id else found


def shard_transfers(request: Request) -> Answer:
    rows = [t for t in reversed(list(request.exchange.ledger.transfers.values())) if t.kind == "shard"]
    shown, cursor = page(request.query, rows, lambda t: t.transfer_id, 100, 500)
    return 200, {"transfers": [_shard_transfer(t) for t in shown], "cursor": cursor}


def one_shard_transfer(request: Request, transfer_id: str) -> Answer:
    found = request.exchange.ledger.transfers.get(transfer_id)
    if found is None or found.kind != "shard":
        raise not_found("transfer not found")
    return 200, {"transfer": _shard_transfer(found)}


def allocation(request: Request) -> Answer:
    stored = json.loads(request.exchange.ledger.options.get("allocation", "{}"))
    return 200, {
        "allocations": [
            {"exchange_index": int(i), "percent": p} for i, p in sorted(stored.get("percents", {}).items())
        ],
        "resting_margin_reservation": stored.get("reservation", "sum"),
    }


def set_allocation(request: Request) -> Answer:
    """Percentages that sum to 100; an empty list switches the automatic rebalancing off."""
    body = request.object()
    rows, mode = body.get("allocations"), body.get("resting_margin_reservation", "sum")
    if not isinstance(rows, list) or mode not in ("none", "max", "sum"):
        raise invalid("invalid parameters", "allocations and resting_margin_reservation")
    percents: dict[int, int] = {}
    for row in rows:
        index, percent = (
            (whole(row, "exchange_index"), whole(row, "percent")) if isinstance(row, dict) else (None, None)
        )
        if index not in SHARDS or percent is None or not 0 <= percent <= 100 or index in percents:
            raise invalid("invalid parameters", "an allocation has an exchange_index and a percent")
        percents[index] = percent
    if percents and sum(percents.values()) != 100:
        raise invalid("invalid parameters", "percentages must sum to 100")
    request.exchange.ledger.set_option(
        "allocation", json.dumps({"percents": percents, "reservation": mode}) if percents else "{}"
    )
    return 200, {}
