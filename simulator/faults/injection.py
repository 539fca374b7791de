"""Injects a fault into a request, or into one item of a batch."""

from __future__ import annotations

from simulator.control import actions
from simulator.errors import ApiError, RequestTimedOut
from simulator.exchange import Exchange
from simulator.listing import lifecycle

from .schedule import Fault

BATCH_ITEM = "/portfolio/events/orders/batched/item"
"""No path of its own: what the rules call one order of a batch create, so that a batch can be accepted in part."""


def inject(exchange: Exchange, fault: Fault) -> None:
    """Carry out a request fault: no answer, a refusal, or something that happens just then and lets the request go on."""
    if fault.kind == "zero_answer":  # the answer itself is made where the order is placed
        return
    if fault.kind == "act":
        actions.attempt(exchange, fault.action, fault.body)
        return
    market = exchange.markets.get(fault.ticker)
    if fault.kind in ("close", "pause"):
        if market is not None and fault.kind == "close":
            lifecycle.set_close(exchange, market, exchange.now())
            exchange.advance()
        elif market is not None:
            lifecycle.pause(exchange, market)
        return
    if fault.kind == "timeout":
        raise RequestTimedOut(fault.when == "after")
    if fault.kind == "rate_limit":
        raise ApiError(429, "too_many_requests", "too many requests")
    code = fault.code or ("internal_server_error" if fault.status == 500 else "service_unavailable")
    raise ApiError(fault.status, code, code.replace("_", " "))


def of_item(exchange: Exchange) -> Fault | None:
    """The fault for the next item of a batch create, if any."""
    return exchange.faults.request("POST", BATCH_ITEM, exchange.now()) if exchange.faults.rules else None
