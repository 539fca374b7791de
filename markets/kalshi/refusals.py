"""Maps an HTTP status and one of three error bodies (docs/kalshi-protocol.md 9.10) to an exception."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from .errors import (
    AlreadyExists,
    Forbidden,
    InsufficientBalance,
    Killed,
    MarketInactive,
    NotFound,
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
_AMBIGUOUS: Final = frozenset({408, 499})


def refusal(status: int, body: bytes) -> Rejected:
    """The error of an answer with ``status`` >= 400: by code where it is known, else by status."""
    code, message, details = read_error_body(body)
    kind = _BY_CODE.get(code.lower()) or _BY_STATUS.get(status, Rejected)
    return kind(status, code, message, details)


def is_definite(error: Rejected) -> bool:
    """Whether a *write* that got this answer certainly did nothing.

    A 4xx is definite (a time-out reported as 4xx is not), and so is a known code on any status; anything else
    with 5xx may have happened.
    """
    if error.status in _AMBIGUOUS:
        return False
    return 400 <= error.status < 500 or error.code.lower() in _BY_CODE


def read_error_body(body: bytes) -> tuple[str, str, str]:
    """``(code, message, details)`` of any body, each possibly empty. Never raises.

    Shapes: ``{"error": {"code", "message", "details"}}`` or ``{"error": "text"}``; ``{"code", "message",
    "details"}``; ``{"msg"}``. Anything else, such as a proxy's page, becomes a shortened message.
    """
    try:
        data = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", body[:200].decode("utf-8", "replace").strip(), ""
    if not isinstance(data, dict):
        return "", str(data)[:200], ""
    inner = data.get("error", data)
    if not isinstance(inner, dict):
        return "", str(inner), ""
    message = inner.get("message") or inner.get("msg")
    return _text(inner.get("code")), _text(message), _text(inner.get("details"))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
