"""Signatures with their four refusals, token buckets, error shapes, scopes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulator.accounts.auth import Key, KeyRing, PrivateKey, load_or_create, signed_headers
from simulator.control import admin
from simulator.exchange import Exchange
from simulator.rest.app import handle

from .world import B825, MIN, START, Client, code

PATH = "/trade-api/v2/portfolio/balance"
Pair = tuple[Key, PrivateKey]
Signed = tuple[Exchange, str, PrivateKey]
"""The exchange, the key id and the private key."""


@pytest.fixture(scope="module", params=["rsa", "ed25519"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return load_or_create(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def signed(pair: Pair, make: Callable[..., Exchange]) -> Signed:
    key, private = pair
    exchange = make()
    exchange.keys = KeyRing({key.key_id: Key(key.key_id, key.public)})
    return exchange, key.key_id, private


def send(
    exchange: Exchange, headers: dict[str, str], path: str = PATH, method: str = "GET", query: str = ""
) -> tuple[int, Any]:
    return handle(exchange, method, path, query, headers)


def test_credentials_folder_is_written_once_and_read_again(tmp_path: Path) -> None:
    first, _ = load_or_create(tmp_path / "c")
    second, _ = load_or_create(tmp_path / "c")
    assert first.key_id == second.key_id
    assert (tmp_path / "c" / "private_key.pem").stat().st_mode & 0o077 == 0


def test_a_right_signature_is_accepted_within_ten_seconds(signed: Signed) -> None:
    exchange, key_id, private = signed
    for skew in (0, -10_000, 10_000):
        assert send(exchange, signed_headers(key_id, private, "GET", PATH, START + skew))[0] == 200
    for skew in (-10_001, 10_001, -300_000):
        answer = send(exchange, signed_headers(key_id, private, "GET", PATH, START + skew))
        assert code(answer) == (401, "header_timestamp_expired")


def test_the_other_refusals(signed: Signed) -> None:
    exchange, key_id, private = signed
    assert code(send(exchange, {})) == (401, "signature_is_missing_from_headers")
    unknown = send(exchange, signed_headers("nobody", private, "GET", PATH, START))
    assert (code(unknown), unknown[1]["error"]["details"]) == ((401, "authentication_error"), "NOT_FOUND")
    for wrong in (
        signed_headers(key_id, private, "GET", PATH + "?x=1", START),
        signed_headers(key_id, private, "POST", PATH, START),
        signed_headers(key_id, private, "GET", "/portfolio/balance", START),
        signed_headers(key_id, private, "GET", PATH, START) | {"KALSHI-ACCESS-SIGNATURE": "bm8="},
        signed_headers(key_id, private, "GET", PATH, START) | {"KALSHI-ACCESS-SIGNATURE": "%%%"},
    ):
        answer = send(exchange, wrong)
        assert (code(answer), answer[1]["error"]["details"]) == (
            (401, "authentication_error"),
            "INCORRECT_API_KEY_SIGNATURE",
        )


def test_the_query_is_not_signed(signed: Signed) -> None:
    exchange, key_id, private = signed
    assert send(exchange, signed_headers(key_id, private, "GET", PATH, START), query="subaccount=0")[0] == 200


def test_public_paths_need_no_signature(signed: Signed) -> None:
    exchange, _, _ = signed
    for path in (
        "/exchange/status",
        "/markets",
        "/events",
        "/series",
        f"/markets/{B825}/orderbook",
        "/account/endpoint_costs",
    ):
        assert send(exchange, {}, path)[0] == 200
    for path in ("/portfolio/orders", "/account/limits", "/api_keys"):
        assert send(exchange, {}, path)[0] == 401


def test_scopes_and_locked_subaccounts(signed: Signed) -> None:
    exchange, key_id, private = signed
    admin.handle(exchange, "POST", "key", {}, {"scopes": ["read"]})
    path = "/trade-api/v2/portfolio/events/orders"
    headers = signed_headers(key_id, private, "POST", path, START)
    assert handle(exchange, "POST", path, "", headers, {})[0] == 403
    admin.handle(exchange, "POST", "key", {}, {"scopes": ["read", "write"], "subaccount": 3})
    headers = signed_headers(key_id, private, "GET", PATH, START)
    assert handle(exchange, "GET", PATH, "subaccount=2", headers)[0] == 403
    assert handle(exchange, "GET", PATH, "", headers)[0] == 200
    keys_path = "/trade-api/v2/api_keys"
    keys = handle(exchange, "GET", keys_path, "", signed_headers(key_id, private, "GET", keys_path, START))[1]
    assert (keys["api_keys"][0]["scopes"], keys["api_keys"][0]["subaccount"]) == (["read", "write"], 3)


def test_pkcs1_signatures_are_refused(tmp_path: Path, exchange: Exchange) -> None:
    key, private = load_or_create(tmp_path)
    assert isinstance(private, rsa.RSAPrivateKey)
    exchange.keys = KeyRing({key.key_id: key})
    raw = private.sign(f"{START}GET{PATH}".encode(), padding.PKCS1v15(), hashes.SHA256())
    headers = signed_headers(key.key_id, private, "GET", PATH, START)
    assert send(exchange, headers)[0] == 200
    assert send(exchange, headers | {"KALSHI-ACCESS-SIGNATURE": base64.b64encode(raw).decode()})[0] == 401


# ---- buckets


def limited(make: Callable[..., Exchange], tier: str = "basic") -> Client:
    return Client(make(rate_limits=True, tier=tier))


def order_once(client: Client, **more: object) -> int:
    return client.order(B825, "bid", "0.0100", "1", "good_till_canceled", **more)[0]


def test_basic_write_bucket_holds_ten_orders_and_refills(make: Callable[..., Exchange]) -> None:
    client = limited(make)
    assert [order_once(client, exchange_index=0) for _ in range(11)] == [201] * 10 + [429]
    client.exchange.advance(START + 99)
    assert order_once(client, exchange_index=0) == 429
    client.exchange.advance(START + 100)
    assert order_once(client, exchange_index=0) == 201


def test_429_says_no_more_than_too_many_requests(make: Callable[..., Exchange]) -> None:
    client = limited(make)
    client.get("/portfolio/balance")
    assert client.call("GET", "/portfolio/balance") == (
        429,
        {"error": {"code": "too_many_requests", "message": "too many requests"}},
    )
    client.exchange.advance(START + 1_000)
    assert client.call("GET", "/portfolio/balance")[0] == 200


def test_explicit_shard_bills_its_own_bucket_and_auto_routing_bills_all(make: Callable[..., Exchange]) -> None:
    client = limited(make)
    for _ in range(10):
        assert client.order(MIN, "bid", "0.0100", "1", "good_till_canceled", exchange_index=3)[0] == 201
    assert client.order(MIN, "bid", "0.0100", "1", "good_till_canceled", exchange_index=3)[0] == 429
    assert order_once(client, exchange_index=0) == 201
    assert order_once(client) == 429  # routed by ticker: shard 3's bucket is empty


def test_a_batch_fits_as_a_whole_or_not_at_all(make: Callable[..., Exchange]) -> None:
    client = limited(make)
    item = {
        "ticker": B825,
        "side": "bid",
        "price": "0.0100",
        "count": "1",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "maker",
    }
    assert client.call("POST", "/portfolio/events/orders/batched", {"orders": [item] * 11})[0] == 429
    assert client.exchange.ledger.orders == {}
    assert client.call("POST", "/portfolio/events/orders/batched", {"orders": [item] * 10})[0] == 201


def test_cancels_cost_two_and_reads_ten(make: Callable[..., Exchange]) -> None:
    client = limited(make)
    orders = [
        client.order(B825, "bid", "0.0100", "1", "good_till_canceled", exchange_index=0)[1]["order_id"]
        for _ in range(9)
    ]
    assert [client.cancel(o, exchange_index=0)[0] for o in orders[:6]] == [200] * 5 + [429]
    assert [client.call("GET", "/portfolio/fills")[0] for _ in range(61)] == [200] * 60 + [429]
    assert [client.call("GET", "/markets")[0] for _ in range(61)] == [200] * 60 + [429]  # unsigned: a bucket of its own


def test_limits_are_reported_and_can_be_raised(make: Callable[..., Exchange]) -> None:
    client = limited(make)
    assert client.get("/account/limits")["write"] == {"refill_rate": 100, "bucket_capacity": 100}
    assert client.call("POST", "/account/api_usage_level/upgrade")[0] == 403
    order_once(client, exchange_index=0)
    assert client.call("POST", "/account/api_usage_level/upgrade")[0] == 201
    assert client.get("/account/limits")["usage_tier"] == "advanced"
    assert client.get("/account/limits")["write"]["bucket_capacity"] == 900


# ---- error shapes


def test_three_error_shapes(client: Client) -> None:
    nested = client.call("GET", "/markets/NOPE")
    flat = client.call("POST", "/portfolio/events/orders", b"{not json")
    bare = client.call("GET", "/markets", limit=5_000)
    assert nested[1]["error"]["code"] == "not_found"
    assert (flat[0], set(flat[1])) == (400, {"code", "message", "details"})
    assert (bare[0], set(bare[1])) == (400, {"msg"})
