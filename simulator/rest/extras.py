"""Small public reads that evidence and quoting need, and listings that exist on the exchange and are empty here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.clock import iso
from simulator.errors import not_found
from simulator.exchange import Exchange
from simulator.units import CENT, ONE, count2

from .context import Answer, Request
from .portfolio import cash_text
from .query import Query, page


def event_metadata(exchange: Exchange, query: Query, event_ticker: str) -> dict[str, Any]:
    event = exchange.events.get(event_ticker)
    if event is None:
        raise not_found("event not found")
    return {
        "image_url": "",
        "settlement_sources": exchange.series[event.series_ticker].settlement_sources,
        "market_details": [{"market_ticker": t, "image_url": "", "color_code": ""} for t in event.markets],
    }


def incentive_programs(exchange: Exchange, query: Query) -> dict[str, Any]:
    """Programmes that ``/twin/incentive`` made. The cursor is called ``next_cursor`` here, and only here."""
    status = query.word("status", ("all", "active", "upcoming", "closed", "paid_out")) or "all"
    kind = query.word("type", ("all", "liquidity", "volume", "margin_maker_volume", "margin_taker_volume")) or "all"
    text, now = query.text("incentive_description"), exchange.now()
    found = [
        p
        for p in exchange.incentives
        if (status == "all" or _status(p, now) == status)
        and kind in ("all", p["incentive_type"])
        and (text is None or p["incentive_description"] == text)
    ]
    shown, cursor = page(query, found, lambda p: str(p["id"]), 100, 10_000)
    return {"incentive_programs": [_program(p) for p in shown], "next_cursor": cursor}


def _status(program: dict[str, Any], now: int) -> str:
    if program["paid_out"]:
        return "paid_out"
    if now < program["start_ms"]:
        return "upcoming"
    return "active" if now < program["end_ms"] else "closed"


def _program(program: dict[str, Any]) -> dict[str, Any]:
    shown = {k: v for k, v in program.items() if k not in ("start_ms", "end_ms", "target_size")}
    shown |= {"start_date": iso(program["start_ms"]), "end_date": iso(program["end_ms"])}
    size = program["target_size"]
    return shown | {"target_size_fp": None if size is None else count2(size)}


def deposits(request: Request) -> Answer:
    return 200, _funding(request, "deposit")


def withdrawals(request: Request) -> Answer:
    return 200, _funding(request, "withdrawal")


def _funding(request: Request, kind: str) -> dict[str, Any]:
    found = [t for t in reversed(list(request.reads.transfers.values())) if t.kind == kind]
    shown, cursor = page(request.query, found, lambda t: t.transfer_id, 100, 500)
    rows = [
        {
            "id": t.transfer_id,
            "status": "applied",
            "type": "ach",
            "amount_cents": t.amount // CENT,
            "fee_cents": 0,
            "created_ts": t.created_ms // 1000,
            "finalized_ts": t.due_ms // 1000,
        }
        for t in shown
    ]
    return {f"{kind}s": rows, "cursor": cursor}


def resting_value(request: Request) -> Answer:
    """Price times remaining count of the resting orders, in cents, and by shard."""
    shards: dict[int, int] = {}
    for order in request.exchange.ledger.all_open():
        unit = order.price if order.book_side == "bid" else ONE - order.price
        shards[order.shard] = shards.get(order.shard, 0) + unit * order.remaining
    return 200, {
        "total_resting_order_value": sum(shards.values()) // CENT,
        "resting_order_value_breakdown": [
            {"exchange_index": shard, "balance": cash_text(amount)} for shard, amount in sorted(shards.items())
        ],
    }


def communications_id(request: Request) -> Answer:
    return 200, {"communications_id": request.exchange.user_id}


def tags_by_categories(exchange: Exchange, query: Query) -> dict[str, Any]:
    found: dict[str, set[str]] = {}
    for series in exchange.series.values():
        found.setdefault(series.category, set()).update(series.tags)
    return {"tags_by_categories": {category: sorted(tags) for category, tags in sorted(found.items())}}


def empty(**body: Any) -> Callable[[Request], Answer]:
    """A listing of things that this exchange has none of."""

    def answer(request: Request) -> Answer:
        return 200, body

    return answer
