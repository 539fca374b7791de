"""Order writes over V2: create, cancel, amend, decrease, batches (docs/kalshi-protocol.md 9.2 to 9.5)."""

from __future__ import annotations

from typing import Any

from simulator.accounts.rate_limits import too_many
from simulator.accounts.records import Order
from simulator.errors import ApiError, bad_query, invalid
from simulator.faults.injection import inject, of_item
from simulator.faults.schedule import Fault
from simulator.matching import amending, orders
from simulator.matching.order_requests import (
    client_id,
    count_of,
    expiry,
    new_order,
    price_of,
    shard_of,
    text,
    whole,
    word,
)
from simulator.units import CONTRACT, count2, dollars4, dollars6

from .context import Answer, Request


def _averages(placed: orders.Placed) -> dict[str, Any]:
    """Fill averages of an answer, rounded: exact fees are in the fills (docs/kalshi-protocol.md 9.4)."""
    filled = sum(f.count for f in placed.fills)
    if not filled:
        return {}
    value = sum(f.price * f.count for f in placed.fills)
    fees = sum(f.fee for f in placed.fills)
    return {
        "average_fill_price": dollars4((value + filled // 2) // filled)
        if value % filled == 0
        else _dollars6(value * 100, filled),
        "average_fee_paid": _dollars6(fees * CONTRACT, filled),
    }


def _dollars6(money: int, share: int) -> str:
    return dollars6((money + share // 2) // share)


def _created(placed: orders.Placed) -> dict[str, Any]:
    return {
        "order_id": placed.order.order_id,
        "client_order_id": placed.order.client_order_id,
        "fill_count": count2(sum(f.count for f in placed.fills)),
        "remaining_count": count2(placed.order.remaining),
        **_averages(placed),
        "ts_ms": placed.ts_ms,
    }


def _place(request: Request, body: Any, fault: Fault | None) -> dict[str, Any]:
    if isinstance(body, dict):
        body = body | {"subaccount": request.subaccount(whole(body, "subaccount"), 0)}
    if fault is None or fault.kind != "zero_answer":
        return _created(orders.place(request.exchange, new_order(body)))
    placed = orders.place(request.exchange, new_order(body), fault.delay_ms)
    zero = count2(0)
    return _created(orders.Placed(placed.order, [], placed.ts_ms)) | {"fill_count": zero, "remaining_count": zero}


def create(request: Request) -> Answer:
    return 201, _place(request, request.object(), request.fault)


def batch_create(request: Request) -> Answer:
    """Items one by one, each with its own result; refused as a whole if an item names a forbidden subaccount."""
    items = _items(request)
    for item in items:
        if isinstance(item, dict):
            request.subaccount(whole(item, "subaccount"), 0)
    results: list[dict[str, Any]] = []
    for item in items:
        try:
            results.append(_place_item(request, item))
        except ApiError as error:
            name = item.get("client_order_id") if isinstance(item, dict) else None
            results.append(
                {
                    "client_order_id": name if isinstance(name, str) else None,
                    "fill_count": None,
                    "remaining_count": None,
                    "average_fill_price": None,
                    "average_fee_paid": None,
                    "ts_ms": None,
                    "error": error.inner(),
                }
            )
    return 201, {"orders": results}


def _place_item(request: Request, item: Any) -> dict[str, Any]:
    """One item; a fault may refuse it, or swallow the answer to the whole batch with this item done or not."""
    fault = of_item(request.exchange)
    if fault is None:
        fault = request.fault if request.fault is not None and request.fault.kind == "zero_answer" else None
    elif fault.when == "before":
        inject(request.exchange, fault)
    placed = _place(request, item, fault)
    if fault is not None and fault.when == "after":
        inject(request.exchange, fault)
    return placed


def _items(request: Request) -> list[Any]:
    items = request.object().get("orders")
    if not isinstance(items, list) or not items:
        raise invalid("invalid parameters", "orders must be a list with at least one item")
    most = request.exchange.config.batch_maximum
    if most and len(items) > most:
        raise too_many()
    return items


def _routing(shard: int | None) -> int | None:
    if shard is not None and shard < -1:
        raise bad_query("exchange_index must be -1 or above")
    return None if shard == -1 else shard


def cancel(request: Request, order_id: str) -> Answer:
    query = request.query
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    shard = _routing(query.whole("exchange_index"))
    order = orders.find_order(request.exchange, order_id, query.text("market_ticker"), shard, subaccount)
    reduced = orders.cancel(request.exchange, order)
    return 200, _cancelled(request, order, reduced)


def _cancelled(request: Request, order: Order, reduced: int) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "reduced_by": count2(reduced),
        "ts_ms": request.exchange.now(),
    }


def batch_cancel(request: Request) -> Answer:
    items = _items(request)
    for item in items:
        if isinstance(item, dict):
            request.subaccount(whole(item, "subaccount"), None)
    results = []
    for item in items:
        name = item.get("order_id") if isinstance(item, dict) else None
        try:
            if not isinstance(item, dict):
                raise invalid("invalid parameters", "an item is an object")
            order_id = text(item, "order_id", required=True)
            subaccount = request.subaccount(whole(item, "subaccount"), None)
            ticker = text(item, "market_ticker") or None
            order = orders.find_order(request.exchange, order_id, ticker, shard_of(item), subaccount)
            results.append(_cancelled(request, order, orders.cancel(request.exchange, order)))
        except ApiError as error:
            results.append(
                {
                    "order_id": name if isinstance(name, str) else "",
                    "client_order_id": None,
                    "reduced_by": "0.00",
                    "ts_ms": None,
                    "error": error.inner(),
                }
            )
    return 200, {"orders": results}


def cancel_all(request: Request) -> Answer:
    orders.cancel_all(request.exchange, request.subaccount(request.query.whole("subaccount", 0), None))
    return 204, None


def amend(request: Request, order_id: str) -> Answer:
    """Body with the wanted total (already filled + wanted remaining)."""
    body = request.object()
    subaccount = request.subaccount(request.query.whole("subaccount", 0), None)
    ticker = text(body, "ticker", required=True)
    side = word(body, "side", ("bid", "ask"))
    price, total = price_of(body), count_of(body)
    expiration, updated = expiry(body), client_id(body, "updated_client_order_id")
    market = orders.find_market(request.exchange, ticker, shard_of(body))
    known = request.exchange.ledger.orders.get(order_id)
    order = orders.find_order(request.exchange, order_id, None, known.shard if known else market.shard, subaccount)
    new = new_order(
        {
            "ticker": ticker,
            "side": side,
            "price": dollars4(price),
            "count": count2(total),
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": order.stp,
            "client_order_id": client_id(body),
        }
    )
    placed, changed = amending.amend(request.exchange, order, new, total, expiration, updated)
    answer: dict[str, Any] = {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "ts_ms": placed.ts_ms,
    }
    if changed:
        answer |= {
            "remaining_count": count2(order.remaining),
            "fill_count": count2(sum(f.count for f in placed.fills)),
            **_averages(placed),
        }
    return 200, answer


def decrease(request: Request, order_id: str) -> Answer:
    body = request.object()
    subaccount = request.subaccount(request.query.whole("subaccount", 0), None)
    by = count_of(body, "reduce_by") if body.get("reduce_by") is not None else None
    to = count_of(body, "reduce_to") if body.get("reduce_to") is not None else None
    order = orders.find_order(
        request.exchange, order_id, text(body, "market_ticker") or None, shard_of(body), subaccount
    )
    remaining = orders.decrease(request.exchange, order, by, to)
    return 200, {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "remaining_count": count2(remaining),
        "ts_ms": request.exchange.now(),
    }
