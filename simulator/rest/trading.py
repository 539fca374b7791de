"""Order writes over V2 and order reads, order groups (PROTOCOL 9)."""

from __future__ import annotations

from typing import Any

from .. import groups, orders
from ..errors import ApiError, bad_query, invalid, not_found
from ..limits import too_many
from ..order_requests import client_id, count_of, new_order, price_of, shard_of, text, whole, word
from ..records import Group, Order
from ..units import CONTRACT, count2, dollars4, dollars6, parse_count
from . import render
from .context import Request
from .query import page

Answer = tuple[int, Any]


def _averages(placed: orders.Placed) -> dict[str, Any]:
    """Fill averages of an answer, rounded: exact fees are in the fills (PROTOCOL 9.4)."""
    filled = sum(f.count for f in placed.fills)
    if not filled:
        return {}
    value = sum(f.price * f.count for f in placed.fills)
    fees = sum(f.fee for f in placed.fills)
    return {
        "average_fill_price": dollars4((value + filled // 2) // filled) if value % filled == 0 else _dollars6(value * 100, filled),
        "average_fee_paid": _dollars6(fees * CONTRACT, filled),
    }


def _dollars6(money: int, share: int) -> str:
    return dollars6((money + share // 2) // share)


def _created(placed: orders.Placed) -> dict[str, Any]:
    return {
        "order_id": placed.order.order_id, "client_order_id": placed.order.client_order_id,
        "fill_count": count2(sum(f.count for f in placed.fills)), "remaining_count": count2(placed.order.remaining),
        **_averages(placed), "ts_ms": placed.ts_ms,
    }


def _place(request: Request, body: Any) -> dict[str, Any]:
    if isinstance(body, dict):
        body = body | {"subaccount": request.subaccount(whole(body, "subaccount"), 0)}
    return _created(orders.place(request.exchange, new_order(body)))


def create(request: Request) -> Answer:
    return 201, _place(request, request.object())


def batch_create(request: Request) -> Answer:
    """Items one by one, each with its own result; refused as a whole if an item names a forbidden subaccount."""
    items = _items(request)
    for item in items:
        if isinstance(item, dict):
            request.subaccount(whole(item, "subaccount"), 0)
    results: list[dict[str, Any]] = []
    for item in items:
        try:
            results.append(_place(request, item))
        except ApiError as error:
            name = item.get("client_order_id") if isinstance(item, dict) else None
            results.append({
                "client_order_id": name if isinstance(name, str) else None, "fill_count": None, "remaining_count": None,
                "average_fill_price": None, "average_fee_paid": None, "ts_ms": None, "error": error.inner(),
            })
    return 201, {"orders": results}


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
        "order_id": order.order_id, "client_order_id": order.client_order_id, "reduced_by": count2(reduced),
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
            results.append({
                "order_id": name if isinstance(name, str) else "", "client_order_id": None, "reduced_by": "0.00", "ts_ms": None,
                "error": error.inner(),
            })
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
    expiration, updated = whole(body, "expiration_time"), client_id(body, "updated_client_order_id")
    market = orders.find_market(request.exchange, ticker, shard_of(body))
    known = request.exchange.ledger.orders.get(order_id)
    order = orders.find_order(request.exchange, order_id, None, known.shard if known else market.shard, subaccount)
    new = new_order({
        "ticker": ticker, "side": side, "price": dollars4(price), "count": count2(total), "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": order.stp, "client_order_id": client_id(body),
    })
    placed, changed = orders.amend(request.exchange, order, new, total, expiration, updated)
    answer: dict[str, Any] = {"order_id": order.order_id, "client_order_id": order.client_order_id, "ts_ms": placed.ts_ms}
    if changed:
        answer |= {
            "remaining_count": count2(order.remaining), "fill_count": count2(sum(f.count for f in placed.fills)), **_averages(placed),
        }
    return 200, answer


def decrease(request: Request, order_id: str) -> Answer:
    body = request.object()
    subaccount = request.subaccount(request.query.whole("subaccount", 0), None)
    by = count_of(body, "reduce_by") if body.get("reduce_by") is not None else None
    to = count_of(body, "reduce_to") if body.get("reduce_to") is not None else None
    order = orders.find_order(request.exchange, order_id, text(body, "market_ticker") or None, shard_of(body), subaccount)
    remaining = orders.decrease(request.exchange, order, by, to)
    return 200, {
        "order_id": order.order_id, "client_order_id": order.client_order_id, "remaining_count": count2(remaining),
        "ts_ms": request.exchange.now(),
    }


# ---- reads


def list_orders(request: Request) -> Answer:
    query = request.query
    status = query.word("status", ("resting", "canceled", "executed"))
    low, high = query.window("min_ts", "max_ts")
    ticker, events = query.text("ticker"), query.words("event_ticker", 100)
    subaccount = request.subaccount(query.whole("subaccount", 0), None)
    shard = query.whole("exchange_index", 0)
    found = [
        o for o in reversed(list(request.reads.orders.values()))
        if (status is None or o.status == status)
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
    if order is None or (locked is not None and order.subaccount != locked):
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
            "order_id": o.order_id, "market_ticker": o.ticker,
            "queue_position_fp": count2(exchange.books[o.ticker].queue_ahead(o)),
        }
        for o in exchange.ledger.all_open()
        if (tickers is None or o.ticker in tickers) and (event is None or o.event_ticker == event)
        and (subaccount is None or o.subaccount == subaccount)
    ]
    return 200, {"queue_positions": rows}


def historical_empty(name: str):  # type: ignore[no-untyped-def]
    """Historical sets stay empty: nothing passes the cutoff while the twin runs."""

    def answer(request: Request) -> Answer:
        request.query.limit(100, 1000)
        body: dict[str, Any] = {name: [], "cursor": ""}
        if name == "market_positions":
            body["event_positions"] = []
        return 200, body

    return answer


# ---- groups


def _limit(body: dict[str, Any]) -> int:
    """``contracts_limit`` (whole) or ``contracts_limit_fp`` as a count, between 1 and 1,000,000 contracts."""
    number, fixed = whole(body, "contracts_limit"), body.get("contracts_limit_fp")
    try:
        limit = parse_count(fixed) if fixed is not None else (number or 0) * CONTRACT
    except ValueError:
        raise invalid("invalid parameters", "contracts_limit_fp must be a count") from None
    if number is not None and fixed is not None and limit != number * CONTRACT:
        raise invalid("invalid parameters", "contracts_limit and contracts_limit_fp differ")
    if not CONTRACT <= limit <= 1_000_000 * CONTRACT:
        raise invalid("invalid parameters", "the limit is between 1 and 1,000,000 contracts")
    return limit


def create_group(request: Request) -> Answer:
    body = request.object()
    subaccount = request.subaccount(whole(body, "subaccount"), 0) or 0
    shard = whole(body, "exchange_index") or 0
    if shard not in (0, 1, 2, 3):
        raise invalid("invalid parameters", "exchange_index is unknown")
    group = groups.create(request.exchange, shard, subaccount, _limit(body))
    return 201, {"order_group_id": group.group_id, "subaccount": subaccount, "exchange_index": shard}


def _group(request: Request, group_id: str) -> Group:
    subaccount = request.subaccount(request.query.whole("subaccount", 0), None)
    group = groups.find(request.exchange, group_id, request.query.whole("exchange_index"))
    if subaccount is not None and group.subaccount != subaccount:
        raise not_found("order group not found")
    return group


def list_groups(request: Request) -> Answer:
    subaccount = request.subaccount(request.query.whole("subaccount", 0), None)
    rows = [
        {"id": g.group_id, "contracts_limit_fp": count2(g.limit), "is_auto_cancel_enabled": True, "exchange_index": g.shard}
        for g in request.exchange.ledger.groups.values()
        if not g.deleted and (subaccount is None or g.subaccount == subaccount)
    ]
    return 200, {"order_groups": rows}


def one_group(request: Request, group_id: str) -> Answer:
    group = _group(request, group_id)
    return 200, {
        "is_auto_cancel_enabled": True, "contracts_limit_fp": count2(group.limit),
        "orders": [o.order_id for o in groups.members(request.exchange, group)], "exchange_index": group.shard,
    }


def reset_group(request: Request, group_id: str) -> Answer:
    groups.reset(request.exchange, _group(request, group_id))
    return 200, {}


def trigger_group(request: Request, group_id: str) -> Answer:
    groups.trigger(request.exchange, _group(request, group_id))
    return 200, {}


def limit_group(request: Request, group_id: str) -> Answer:
    groups.set_limit(request.exchange, _group(request, group_id), _limit(request.object()))
    return 200, {}


def delete_group(request: Request, group_id: str) -> Answer:
    groups.delete(request.exchange, _group(request, group_id))
    return 200, {}


