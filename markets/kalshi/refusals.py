"""Maps an HTTP status and one of three error bodies (docs/kalshi-protocol.md 9.10) to an exception."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from .errors import (
    AlreadyExists,
    Forbidden,
    InsufficientBalance,
    Killed,
    MarketInactive,
    NotFound,
    OutcomeUnknown,
    Paused,
    RateLimited,
    Rejected,
    Unauthorised,
)

_BY_CODE: Final[dict[str, type[Rejected]]] = {
    "order_already_exists": AlreadyExists,
    "fill_or_kill_insufficient_resting_volume": Killed,
    "trading_is_paused": Paused,
    "exchange_is_paused": Paused,
    "insufficient_balance": InsufficientBalance,
    "available_balance_too_low": InsufficientBalance,
    "market_inactive": MarketInactive,
    "MARKET_INACTIVE": MarketInactive,
    "not_found": NotFound,
    "market_not_found": NotFound,
    "too_many_requests": RateLimited,
    "authentication_error": Unauthorised,
    "header_timestamp_expired": Unauthorised,
    "signature_is_missing_from_headers": Unauthorised,
}
_BY_STATUS: Final[dict[int, type[Rejected]]] = {
    401: Unauthorised,
    403: Forbidden,
    404: NotFound,
    429: RateLimited,
}
LONGEST_TEXT: Final = 300
"""Characters of a code, a message or details that are kept."""
_AMBIGUOUS: Final = frozenset({408, 499})
"""A time-out that is reported as a 4xx."""
_REFUSED_ITEM: Final = frozenset(_BY_CODE) | {
    "bad_request",
    "deprecated_v1_order_endpoint",
    "forbidden",
    "invalid_order",
    "invalid_order_size",
    "invalid_parameters",
    "invalid_price",
    "order_id_and_client_order_id_mismatch",
    "order_side_mismatch",
    "order_ticker_mismatch",
}
"""Codes that refuse one order of a batch, which has no status of its own: any other leaves its outcome unknown."""


def refusal(status: int, body: bytes) -> Rejected:
    """The error of an answer with ``status`` >= 400: by code where it is known (codes are case-sensitive), else by status."""
    code, message, details = read_error_body(body)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, Rejected)
    return kind(status, code, message, details)


def is_definite(error: Rejected) -> bool:
    """Whether a *write* that got this answer certainly did nothing.

    A 4xx is definite, with a known code or not; a time-out reported as 4xx is not, and neither is anything with 5xx, whatever
    code it carries (docs/kalshi-protocol.md 9.10).
    """
    return 400 <= error.status < 500 and error.status not in _AMBIGUOUS


def of_item(body: bytes) -> Rejected | OutcomeUnknown:
    """The error of one order of a batch: a refusal if its code is known for one."""
    refused = refusal(400, body)
    if refused.code in _REFUSED_ITEM:
        return refused
    return OutcomeUnknown(f"an order of a batch was answered with {refused.code or 'no code'}: {refused.message}")


def read_error_body(body: bytes) -> tuple[str, str, str]:
    """``(code, message, details)`` of any body, each possibly empty. Never raises.

    Shapes: ``{"error": {"code", "message", "details"}}`` or ``{"error": "text"}``; ``{"code", "message",
    "details"}``; ``{"msg"}``. Anything else, such as a proxy's page, becomes a shortened message.
    """
    try:
        data = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", _text(body[:200].decode("utf-8", "replace").strip()), ""
    if not isinstance(data, dict):
        return "", _text(data), ""
    inner = data.get("error", data)
    if not isinstance(inner, dict):
        return "", _text("None" if inner is None else inner), ""
    message = inner.get("message") or inner.get("msg")
    return _text(inner.get("code")), _text(message), _text(inner.get("details"))


def _text(value: Any) -> str:
    """As a log and a column take it: shortened, without the character zero."""
    if value is None:
        return ""
    try:
        found = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    except (ValueError, RecursionError):
        found = f"a {type(value).__name__} that cannot be written"
    return found[:LONGEST_TEXT].replace("\0", " ")
