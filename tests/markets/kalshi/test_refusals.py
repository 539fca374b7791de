"""Three shapes of error bodies, and what each code means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from markets.kalshi import errors
from markets.kalshi.refusals import is_definite, read_error_body, refusal


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (
            {"error": {"code": "invalid_order", "message": "invalid order", "details": "post only cross"}},
            ("invalid_order", "invalid order", "post only cross"),
        ),
        ({"error": {"code": "not_found", "message": "not found"}}, ("not_found", "not found", "")),
        ({"code": "bad_request", "message": "no", "details": "x"}, ("bad_request", "no", "x")),
        ({"msg": "limit must be at most 1000"}, ("", "limit must be at most 1000", "")),
        ({"error": "too many requests"}, ("", "too many requests", "")),
        ({"error": {"code": "c", "message": "m", "details": {"field": "price"}}}, ("c", "m", '{"field":"price"}')),
        ({"error": None}, ("", "None", "")),
        ([], ("", "[]", "")),
    ],
)
def test_every_shape_is_read(body: Any, read: tuple[str, str, str]) -> None:
    assert read_error_body(json.dumps(body).encode()) == read


NESTED = b'{"error":{"details":%s1%s}}' % (b"[" * 900, b"]" * 900)


@pytest.mark.parametrize(
    "body",
    [b'{"code":%d}' % 10**30, NESTED, b'{"code":"a\\u0000b"}'],
)
@pytest.mark.parametrize("name", ["code", "message", "details"])
def test_what_is_kept_of_a_hostile_body_is_short_and_can_be_stored(body: bytes, name: str) -> None:
    long = json.dumps({"error": {name: "x" * 10_000_000}}).encode()
    for found in (*read_error_body(body), *read_error_body(long)):
        assert len(found) <= 300
        assert "\0" not in found


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"\xff\xfe", b"{", b"[" * 10_000])
def test_a_body_that_is_none_of_them_never_raises(body: Any) -> None:
    code, message, details = read_error_body(body)
    assert code == details == ""
    assert len(message) <= 200


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "order_already_exists", errors.AlreadyExists),
        (409, "fill_or_kill_insufficient_resting_volume", errors.Killed),
        (409, "trading_is_paused", errors.Paused),
        (409, "exchange_is_paused", errors.Paused),
        (400, "insufficient_balance", errors.InsufficientBalance),
        (400, "available_balance_too_low", errors.InsufficientBalance),
        (400, "MARKET_INACTIVE", errors.MarketInactive),
        (404, "not_found", errors.NotFound),
        (404, "market_not_found", errors.NotFound),
        (404, "", errors.NotFound),
        (401, "authentication_error", errors.Unauthorised),
        (401, "header_timestamp_expired", errors.Unauthorised),
        (401, "", errors.Unauthorised),
        (403, "", errors.Forbidden),
        (429, "too_many_requests", errors.RateLimited),
        (429, "", errors.RateLimited),
        (400, "invalid_price", errors.Rejected),
        (409, "something_new", errors.Rejected),
        (410, "deprecated_v1_order_endpoint", errors.Rejected),
    ],
)
def test_the_code_decides_and_then_the_status(status: int, code: str, kind: type[errors.Rejected]) -> None:
    error = refusal(status, json.dumps({"error": {"code": code, "message": "m"}}).encode())
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, code, "m")


@pytest.mark.parametrize(
    ("status", "code", "definite"),
    [
        (400, "something_new", True),
        (409, "", True),
        (500, "something_new", False),
        (503, "", False),
        (503, "exchange_is_paused", False),
        (500, "insufficient_balance", False),
        (504, "order_already_exists", False),
        (408, "trading_is_paused", False),
        (408, "", False),
    ],
)
def test_an_unknown_code_is_definite_only_with_a_4xx(status: int, code: str, definite: bool) -> None:
    body = json.dumps({"error": {"code": code}}).encode()
    assert is_definite(refusal(status, body)) is definite
