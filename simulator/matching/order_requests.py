"""Order bodies from the wire to integers, refused in the exchange's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from simulator.errors import ApiError, invalid
from simulator.units import parse_count, parse_price

_CLIENT_ID = re.compile(r"[A-Za-z0-9_:\-]{1,64}\Z", re.ASCII)
LATEST_EXPIRY_S = 253_402_300_799
_TIMES = ("good_till_canceled", "immediate_or_cancel", "fill_or_kill")


@dataclass(slots=True)
class NewOrder:
    """A create request in the simulator's units. ``shard`` None: route by ticker."""

    ticker: str
    side: str
    price: int
    count: int
    time_in_force: str
    stp: str
    client_order_id: str
    expiration_s: int
    post_only: bool
    reduce_only: bool
    cancel_on_pause: bool
    subaccount: int
    group_id: str
    shard: int | None
    by_hand: bool = False
    """Entered on the exchange's own pages: such an order has no client id."""


def text(body: dict[str, Any], name: str, required: bool = False) -> str:
    value = body.get(name)
    if value is None:
        if required:
            raise invalid("invalid parameters", f"{name} is required")
        return ""
    if not isinstance(value, str) or (required and not value):
        raise invalid("invalid parameters", f"{name} must be a string")
    return value


def whole(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid("invalid parameters", f"{name} must be an integer")
    return value


def expiry(body: dict[str, Any]) -> int | None:
    """``expiration_time`` in seconds; one after the year 9999 has no date to answer with."""
    value = whole(body, "expiration_time")
    if value is not None and value > LATEST_EXPIRY_S:
        raise invalid("invalid parameters", "expiration_time is out of range")
    return value


def flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid("invalid parameters", f"{name} must be a boolean")
    return bool(value)


def word(body: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = text(body, name, required=True)
    if value not in allowed:
        raise invalid("invalid parameters", f"{name} must be one of {', '.join(allowed)}")
    return value


def count_of(body: dict[str, Any], name: str = "count") -> int:
    """A count string; numbers are refused, as V2 does (docs/kalshi-protocol.md 4)."""
    raw = text(body, name, required=True)
    try:
        found = parse_count(raw)
    except ValueError:
        raise ApiError(400, "invalid_order_size", "invalid order size", f"{name} {raw!r}") from None
    return found


def price_of(body: dict[str, Any]) -> int:
    raw = text(body, "price", required=True)
    try:
        return parse_price(raw)
    except ValueError:
        raise ApiError(400, "invalid_price", "invalid price", f"price {raw!r}") from None


def client_id(body: dict[str, Any], name: str = "client_order_id") -> str:
    found = text(body, name)
    if found and not _CLIENT_ID.match(found):
        raise invalid("invalid parameters", f"{name} has characters that are not allowed")
    return found


def shard_of(body: dict[str, Any]) -> int | None:
    """An explicit exchange index, or None for -1 and for nothing (routed by ticker)."""
    index = whole(body, "exchange_index")
    if index is not None and index < -1:
        raise invalid("invalid parameters", "exchange_index must be -1 or above")
    return None if index in (None, -1) else index


def new_order(body: Any) -> NewOrder:
    """A create body; ApiError 400 with the field at fault."""
    if not isinstance(body, dict):
        raise invalid("invalid parameters", "an order is an object")
    count = count_of(body)
    if count <= 0:
        raise ApiError(400, "invalid_order_size", "invalid order size", "count must be at least 0.01")
    subaccount = whole(body, "subaccount") or 0
    if not 0 <= subaccount <= 63:
        raise invalid("invalid parameters", "subaccount must be between 0 and 63")
    order = NewOrder(
        ticker=text(body, "ticker", required=True),
        side=word(body, "side", ("bid", "ask")),
        price=price_of(body),
        count=count,
        time_in_force=word(body, "time_in_force", _TIMES),
        stp=word(body, "self_trade_prevention_type", ("taker_at_cross", "maker")),
        client_order_id=client_id(body),
        expiration_s=expiry(body) or 0,
        post_only=flag(body, "post_only"),
        reduce_only=flag(body, "reduce_only"),
        cancel_on_pause=flag(body, "cancel_order_on_pause"),
        subaccount=subaccount,
        group_id=text(body, "order_group_id"),
        shard=shard_of(body),
    )
    _coherent(order)
    return order


def _coherent(order: NewOrder) -> None:
    resting = order.time_in_force == "good_till_canceled"
    if order.expiration_s and not resting:
        raise ApiError(400, "invalid_order", "invalid order", "expiration_time needs good_till_canceled")
    if order.post_only and not resting:
        raise ApiError(400, "invalid_order", "invalid order", "post_only needs good_till_canceled")
    if order.reduce_only and order.time_in_force != "immediate_or_cancel":
        raise ApiError(400, "invalid_order", "invalid order", "reduce_only needs immediate_or_cancel")
