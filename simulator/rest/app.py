"""The REST surface as one function, shared by the socket server and by in-process use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from simulator.accounts.auth import Key
from simulator.errors import ApiError
from simulator.exchange import Exchange
from simulator.faults.injection import inject
from simulator.faults.schedule import Fault

from . import router
from .context import Request
from .query import Query
from .router import Route

PREFIX = "/trade-api/v2"


def handle(
    exchange: Exchange,
    method: str,
    path: str,
    query: Any = None,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
) -> tuple[int, Any]:
    """Answer one request: (status, JSON body as Python objects; None for 204).

    ``path`` with or without ``/trade-api/v2``; ``query`` a string, a mapping or pairs; ``body`` bytes, a string, or already
    decoded. Signatures are checked if the exchange has keys. Raises RequestTimedOut where a fault swallows the answer.
    """
    method = method.upper()
    full = path if path.startswith(PREFIX) else PREFIX + path
    exchange.advance()
    fault = (
        exchange.faults.request(method, full.removeprefix(PREFIX), exchange.now()) if exchange.faults.rules else None
    )
    try:
        if exchange.now() < exchange.down_until_ms:
            raise ApiError(503, "service_unavailable", "service unavailable")
        if fault is not None and fault.when == "before":
            inject(exchange, fault)
        answer = _answer(exchange, method, full, Query(query), headers or {}, body, fault)
    except ApiError as error:
        answer = _refusal(exchange, error)
    finally:
        exchange.commit()
    if fault is not None and fault.when == "after":
        try:
            inject(exchange, fault)
        except ApiError as error:
            return _refusal(exchange, error)
        exchange.commit()
    return answer


def _refusal(exchange: Exchange, error: ApiError) -> tuple[int, Any]:
    if error.status == 429 and exchange.config.rate_limit_text_body:
        return 429, {"error": error.message}
    return error.status, error.body()


def _answer(
    exchange: Exchange,
    method: str,
    full: str,
    query: Query,
    headers: Mapping[str, str],
    body: Any,
    fault: Fault | None,
) -> tuple[int, Any]:
    route, names = router.find(method, full.removeprefix(PREFIX))
    key = _authorise(exchange, route, headers, method, full)
    decoded = _decode(body) if method != "GET" else None
    if exchange.config.rate_limits:
        _charge(exchange, route, query, decoded, key is None and route.scope is None)
    request = Request(exchange, query, decoded, key, fault)
    names = tuple(unquote(name) for name in names)
    config = exchange.config
    ages = {"catalog": config.stale_cache_ms, "books": config.stale_books_ms, "account": config.stale_account_ms}
    max_age_ms = ages.get(route.cached, 0)
    if max_age_ms:
        return exchange.cache.answer(
            full,
            query.pairs,
            lambda: route.handler(request, *names),
            now_ms=exchange.now(),
            max_age_ms=max_age_ms,
        )
    return route.handler(request, *names)


def _authorise(exchange: Exchange, route: Route, headers: Mapping[str, str], method: str, full: str) -> Key | None:
    """The signing key; public paths are answered without one, but a signature that is sent has to be right."""
    if exchange.keys is None:
        return None
    lower = {name.lower(): value for name, value in headers.items()}
    if route.scope is None and "kalshi-access-key" not in lower:
        return None
    key = exchange.keys.check(lower, method, full, exchange.now())
    if route.scope is not None and not router.allowed(key.scopes, route.scope):
        raise ApiError(403, "forbidden", f"the api key lacks the scope {route.scope}")
    return key


def _decode(body: Any) -> Any:
    if body is None or body == b"" or body == "":
        return None
    if not isinstance(body, bytes | bytearray | str):
        return body
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ApiError(400, "bad_request", "invalid request body", "the body is not JSON", shape="flat") from None


def _charge(exchange: Exchange, route: Route, query: Query, body: Any, unsigned: bool) -> None:
    """Take the tokens of an operation (docs/kalshi-protocol.md 3)."""
    limits, now = exchange.limits, exchange.now()
    if unsigned:
        limits.charge_public(route.cost, now)
    elif route.bucket == "balance":
        limits.charge_balance(now)
    elif route.bucket == "read":
        limits.charge_read(route.cost, now)
    else:
        cost = route.cost
        shard: int | None = 0
        fields = body if isinstance(body, dict) else {}
        if route.template.endswith("/batched"):
            items = fields.get("orders")
            cost = route.cost * max(1, len(items) if isinstance(items, list) else 1)
        elif "/events/orders" in route.template and not (
            route.method == "DELETE" and route.template.endswith("/orders")
        ):
            shard = _billed_shard(query, fields)
        limits.charge_write(cost, now, shard)


def _billed_shard(query: Query, fields: dict[str, Any]) -> int | None:
    """Explicit index: that shard. Auto-routed (-1 or a ticker without an index): None. Neither: 0."""
    named = fields.get("exchange_index", query.text("exchange_index"))
    try:
        index = None if named is None else int(named)
    except (TypeError, ValueError):
        return 0
    if index is None:
        routed = fields.get("ticker") or fields.get("market_ticker") or query.text("market_ticker")
        return None if routed else 0
    return None if index == -1 else max(index, 0)
