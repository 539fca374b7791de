"""Paths to operations, with who may call them and what they cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.errors import ApiError

from . import account, catalog, extras, funds, history, order_groups, order_reads, portfolio, trading
from .context import Request

Handler = Callable[..., tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``scope`` None: public. ``cost`` in tokens; ``bucket``: read, write, balance."""

    method: str
    template: str
    handler: Handler
    scope: str | None = "read"
    bucket: str = "read"
    cost: int = 10
    cached: str = ""
    """Which cache may answer: catalog, books, account, or none."""


def _public(function: Callable[..., dict[str, Any]]) -> Handler:
    def answer(request: Request, *names: str) -> tuple[int, Any]:
        return 200, function(request.exchange, request.query, *names)

    return answer


def _gone(request: Request, *names: str) -> tuple[int, Any]:
    raise ApiError(410, "deprecated_v1_order_endpoint", "this endpoint was replaced by /portfolio/events/orders")


def _get(template: str, handler: Handler, **more: Any) -> Route:
    return Route("GET", template, handler, **more)


def _write(method: str, template: str, handler: Handler, cost: int = 10, scope: str = "write::trade") -> Route:
    return Route(method, template, handler, scope, "write", cost)


def _open(template: str, function: Callable[..., dict[str, Any]], cached: str = "") -> Route:
    return Route("GET", template, _public(function), None, cached=cached)


_ORDERS = "/portfolio/events/orders"
_GROUPS = "/portfolio/order_groups"
ROUTES = [
    _open("/exchange/status", catalog.exchange_status),
    _open("/exchange/schedule", catalog.exchange_schedule),
    _open("/exchange/user_data_timestamp", catalog.user_data_timestamp),
    _open("/series/fee_changes", catalog.series_fee_changes),
    _open("/series", catalog.series_list),
    _open("/series/{ticker}", catalog.one_series, cached="catalog"),
    _open("/events/fee_changes", catalog.event_fee_changes),
    _open("/events", catalog.events),
    Route("GET", "/events/multivariate", extras.empty(events=[], cursor=""), None),
    _open("/events/{ticker}", catalog.one_event),
    _open("/markets/trades", history.live_trades),
    _open("/markets/candlesticks", history.batch_candles),
    _open("/markets/orderbooks", catalog.orderbooks, cached="books"),
    _open("/markets", catalog.markets, cached="catalog"),
    _open("/markets/{ticker}", catalog.one_market, cached="catalog"),
    _open("/markets/{ticker}/orderbook", catalog.orderbook, cached="books"),
    _open("/series/{series_ticker}/markets/{ticker}/candlesticks", history.market_candles),
    _open("/series/{series_ticker}/events/{ticker}/candlesticks", history.event_candles),
    _open("/historical/cutoff", history.cutoff),
    _open("/historical/markets", history.markets),
    _open("/historical/markets/{ticker}", history.one_market),
    _open("/historical/markets/{ticker}/candlesticks", history.old_candles),
    _open("/historical/trades", history.trades),
    _open("/events/{event_ticker}/metadata", extras.event_metadata),
    _open("/incentive_programs", extras.incentive_programs),
    _open("/search/tags_by_categories", extras.tags_by_categories),
    Route("GET", "/search/filters_by_sport", extras.empty(filters_by_sports={}, sport_ordering=[]), None),
    Route("GET", "/milestones", extras.empty(milestones=[], cursor=""), None),
    Route("GET", "/structured_targets", extras.empty(structured_targets=[], cursor=""), None),
    Route("GET", "/live_data/batch", extras.empty(live_datas=[]), None),
    Route("GET", "/multivariate_event_collections", extras.empty(multivariate_contracts=[], cursor=""), None),
    Route("GET", "/account/endpoint_costs", account.endpoint_costs, None),
    _get("/account/limits", account.limits),
    _get("/api_keys", account.api_keys),
    _write("POST", "/account/api_usage_level/upgrade", account.upgrade, 30, "write"),
    _write("POST", _ORDERS, trading.create),
    _write("DELETE", _ORDERS, trading.cancel_all, 2),
    _write("POST", f"{_ORDERS}/batched", trading.batch_create),
    _write("DELETE", f"{_ORDERS}/batched", trading.batch_cancel, 2),
    _write("DELETE", f"{_ORDERS}/{{order_id}}", trading.cancel, 2),
    _write("POST", f"{_ORDERS}/{{order_id}}/amend", trading.amend),
    _write("POST", f"{_ORDERS}/{{order_id}}/decrease", trading.decrease),
    _get("/portfolio/orders/queue_positions", order_reads.queue_positions),
    _get("/portfolio/orders", order_reads.list_orders, cached="account"),
    _get("/portfolio/orders/{order_id}", order_reads.one_order, cost=2, cached="account"),
    _get("/portfolio/orders/{order_id}/queue_position", order_reads.queue_position),
    _write("POST", "/portfolio/orders", _gone),
    _write("POST", "/portfolio/orders/batched", _gone),
    _write("DELETE", "/portfolio/orders/batched", _gone),
    _write("DELETE", "/portfolio/orders/{order_id}", _gone),
    _write("POST", "/portfolio/orders/{order_id}/amend", _gone),
    _write("POST", "/portfolio/orders/{order_id}/decrease", _gone),
    _get(_GROUPS, order_groups.list_groups),
    _write("POST", f"{_GROUPS}/create", order_groups.create_group),
    _get(f"{_GROUPS}/{{group_id}}", order_groups.one_group),
    _write("DELETE", f"{_GROUPS}/{{group_id}}", order_groups.delete_group),
    _write("PUT", f"{_GROUPS}/{{group_id}}/reset", order_groups.reset_group),
    _write("PUT", f"{_GROUPS}/{{group_id}}/trigger", order_groups.trigger_group),
    _write("PUT", f"{_GROUPS}/{{group_id}}/limit", order_groups.limit_group),
    _get("/portfolio/balance", portfolio.balance, bucket="balance", scope="read::portfolio_balance", cached="account"),
    _get("/portfolio/positions", portfolio.positions, cached="account"),
    _get("/portfolio/fills", portfolio.fills, cached="account"),
    _get("/portfolio/settlements", portfolio.settlements, cached="account"),
    _get("/historical/fills", history.fills),
    _get("/historical/orders", history.orders),
    _get("/historical/positions", history.positions),
    _get("/portfolio/deposits", extras.deposits),
    _get("/portfolio/withdrawals", extras.withdrawals),
    _get("/portfolio/summary/total_resting_order_value", extras.resting_value),
    _get("/account/api_usage_level/volume_progress", extras.empty(volume_progress=[])),
    _get("/communications/id", extras.communications_id),
    _get("/communications/rfqs", extras.empty(rfqs=[], cursor="")),
    _get("/communications/quotes", extras.empty(quotes=[], cursor="")),
    _get("/communications/rfq_batches", extras.empty(rfq_batches=[], cursor="")),
    _get("/communications/block-trade-proposals", extras.empty(block_trade_proposals=[], cursor="")),
    _write("POST", "/portfolio/subaccounts", funds.create_subaccount, scope="write"),
    _write("POST", "/portfolio/subaccounts/transfer", funds.subaccount_transfer, scope="write::transfer"),
    _get("/portfolio/subaccounts/balances", funds.subaccount_balances, scope="read::portfolio_balance"),
    _get("/portfolio/subaccounts/transfers", funds.subaccount_transfers),
    _get("/portfolio/subaccounts/netting", funds.netting),
    _write("PUT", "/portfolio/subaccounts/netting", funds.set_netting, scope="write"),
    _write("POST", "/portfolio/intra_exchange_instance_transfer", funds.shard_transfer, scope="write::transfer"),
    _get("/portfolio/intra_exchange_instance_transfers", funds.shard_transfers),
    _get("/portfolio/intra_exchange_instance_transfers/{transfer_id}", funds.one_shard_transfer),
    _get("/portfolio/target_balance_allocation", funds.allocation),
    _write("POST", "/portfolio/target_balance_allocation", funds.set_allocation, scope="write::transfer"),
]
_COMPILED = [(route, re.compile(re.sub(r"\{\w+\}", "([^/]+)", route.template) + r"\Z")) for route in ROUTES]


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The operation of a path below /trade-api/v2; 404 for an unknown path, 405 for a method it does not have."""
    known = False
    for route, pattern in _COMPILED:
        found = pattern.match(path)
        if found:
            known = True
            if route.method == method:
                return route, found.groups()
    if known:
        raise ApiError(405, "method_not_allowed", "method not allowed")
    raise ApiError(404, "not_found", "page not found")


def allowed(scopes: tuple[str, ...], needed: str) -> bool:
    """Whether a key's scopes grant ``needed``: a parent grants its children."""
    return needed in scopes or needed.split("::")[0] in scopes
