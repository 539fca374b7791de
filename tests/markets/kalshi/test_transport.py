"""Reads are tried again, writes never; every try has a signature of its own; what a failure means for money."""

from __future__ import annotations

import base64
import socket
import time
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ed25519

from markets.kalshi.environment import DEMO, PROD, Environment, from_settings
from markets.kalshi.errors import (
    CredentialError,
    Forbidden,
    KalshiError,
    LocallyRateLimited,
    NotFound,
    OutcomeUnknown,
    Paused,
    RateLimited,
    Rejected,
    Unauthorised,
    Unreachable,
)
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.transport import READ_TRIES, WRITE_TRIES, Transport, clean, plain_session
from markets.kalshi.signing import Signer
from markets.kalshi.token_buckets import BASIC, LocalLimiter

from .bodies import present
from .scripted import Answer, Script

STATUS = {"exchange_active": True, "trading_active": True}
LIMITS = {
    "usage_tier": "expert",
    "read": {"refill_rate": 600, "bucket_capacity": 600},
    "write": {"refill_rate": 600, "bucket_capacity": 1800},
    "grants": [],
}


def write(client: KalshiClient) -> bytes:
    return client.transport.write("POST", "/portfolio/events/orders", body={"a": "1"})


@pytest.mark.parametrize("trouble", [Answer(503), Answer(429, {"error": "slow down"}), Answer(hang_up=True)])
def test_a_read_is_tried_again_with_growing_pauses(
    exchange: Script, client: KalshiClient, naps: list[float], trouble: Answer
) -> None:
    exchange.say(trouble, trouble, Answer(200, LIMITS))
    assert client.account.limits().usage_tier == "expert"
    assert len(exchange.requests) == 3
    assert 0.1 <= naps[0] <= 0.2 <= naps[1] <= 0.4


def test_a_read_that_fails_every_time_says_so(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(502, b"<html>bad gateway</html>"))
    with pytest.raises(Unreachable, match="bad gateway") as error:
        client.account.limits()
    assert error.value.status == 502
    assert len(exchange.requests) == READ_TRIES


def test_a_read_that_is_refused_is_not_tried_again(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(404, {"error": {"code": "not_found", "message": "no"}}))
    with pytest.raises(NotFound):
        client.catalogue.market("A")
    assert len(exchange.requests) == 1


def test_a_read_out_of_tokens_for_good_is_a_rate_limit(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(429, {"error": {"code": "too_many_requests"}}))
    with pytest.raises(RateLimited):
        client.account.limits()


def test_every_try_is_signed_again_over_the_path_without_the_query(
    exchange: Script, client: KalshiClient, ed25519_key: ed25519.Ed25519PrivateKey
) -> None:
    exchange.say(Answer(503), Answer(200, {"orders": [], "cursor": ""}))
    ticks = iter(range(1_795_400_000_000, 1_795_400_099_000, 1000))
    client.transport._clock = lambda: next(ticks)
    assert list(client.orders.list(ticker="A B&C", limit=5)) == []
    first, second = exchange.requests
    for request in (first, second):
        text = f"{request.headers['KALSHI-ACCESS-TIMESTAMP']}GET/trade-api/v2/portfolio/orders"
        ed25519_key.public_key().verify(base64.b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"]), text.encode())
    assert first.headers["KALSHI-ACCESS-TIMESTAMP"] != second.headers["KALSHI-ACCESS-TIMESTAMP"]
    assert ("ticker", "A B&C") in first.query


def test_parameters_in_the_path_are_quoted_and_signed_as_sent(
    exchange: Script, client: KalshiClient, ed25519_key: ed25519.Ed25519PrivateKey
) -> None:
    exchange.say(Answer(404, {"msg": "no"}))
    with pytest.raises(NotFound):
        client.orders.get("../../api keys?x=1")
    request = exchange.requests[0]
    assert request.path == "/trade-api/v2/portfolio/orders/..%2F..%2Fapi%20keys%3Fx%3D1"
    text = f"{request.headers['KALSHI-ACCESS-TIMESTAMP']}GET{request.path}"
    ed25519_key.public_key().verify(base64.b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"]), text.encode())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500), OutcomeUnknown),
        (Answer(503, {"error": {"code": "something_new"}}), OutcomeUnknown),
        (Answer(504, b""), OutcomeUnknown),
        (Answer(408, b""), OutcomeUnknown),
        (Answer(302, b"", {"Location": "/elsewhere"}), OutcomeUnknown),
        (Answer(hang_up=True), OutcomeUnknown),
        (Answer(400, {"error": {"code": "invalid_price"}}), Rejected),
        (Answer(401, {"error": {"code": "header_timestamp_expired"}}), Unauthorised),
        (Answer(403, {"msg": "scope"}), Forbidden),
        (Answer(409, {"error": {"code": "trading_is_paused"}}), Paused),
        (Answer(410, {"error": {"code": "deprecated_v1_order_endpoint"}}), Rejected),
    ],
)
def test_a_write_is_sent_once_and_its_failure_says_whether_it_may_have_happened(
    exchange: Script, client: KalshiClient, answer: Answer, error: type[KalshiError]
) -> None:
    exchange.say(answer)
    with pytest.raises(error) as raised:
        write(client)
    assert type(raised.value) is error
    assert len(exchange.requests) == 1


def test_a_write_that_is_not_answered_in_time_may_have_happened(exchange: Script, signer: Signer) -> None:
    exchange.say(Answer(200, {}, wait=3.0))
    with KalshiClient(exchange.environment, signer, timeout=(5.0, 0.4)) as client, pytest.raises(OutcomeUnknown):
        write(client)
    assert len(exchange.requests) == 1


def test_a_write_out_of_tokens_is_sent_again_because_nothing_was_done(
    exchange: Script, client: KalshiClient, naps: list[float]
) -> None:
    exchange.say(Answer(429, {"error": "too many"}), Answer(201, {"ok": True}))
    assert write(client) == b'{"ok": true}'
    assert len(exchange.requests) == 2
    assert 0.05 <= naps[0] <= 0.1
    exchange.say(Answer(429, {"error": "too many"}))
    with pytest.raises(RateLimited):
        write(client)
    assert len(exchange.requests) == 2 + WRITE_TRIES


def test_a_write_that_never_left_is_not_an_unknown_outcome(signer: Signer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    nowhere = from_settings(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
    with KalshiClient(nowhere, signer) as client, pytest.raises(Unreachable):
        write(client)


def test_a_host_that_does_not_exist_is_not_an_unknown_outcome(signer: Signer) -> None:
    nowhere = from_settings("http://kalshi.invalid", "ws://kalshi.invalid")
    with KalshiClient(nowhere, signer) as client, pytest.raises(Unreachable):
        write(client)


def test_without_tokens_nothing_is_sent(exchange: Script, client: KalshiClient) -> None:
    client.transport.limiter = LocalLimiter(BASIC, sleep=lambda _: None)
    client.transport.limiter.acquire("write", 95, 0)
    with pytest.raises(LocallyRateLimited) as refused:
        client.transport.write("POST", "/portfolio/events/orders", body={}, keep_back=200)
    assert refused.value.local
    assert exchange.requests == []


def test_private_calls_without_a_key_are_refused_before_they_leave(exchange: Script) -> None:
    with KalshiClient(exchange.environment) as client, pytest.raises(CredentialError, match="needs an API key"):
        client.account.limits()
    assert exchange.requests == []


def test_public_reads_need_no_key_and_carry_none(exchange: Script) -> None:
    exchange.say(Answer(200, STATUS))
    with KalshiClient(exchange.environment) as client:
        assert client.exchange.status().trading_active
    assert not any(name.upper().startswith("KALSHI") for name in exchange.requests[0].headers)


def test_the_exchanges_status_is_read_from_an_error_answer_too(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(503, {"exchange_active": False, "trading_active": False}))
    assert not client.exchange.status().exchange_active
    assert len(exchange.requests) == 1


def test_nothing_from_the_surroundings_reaches_a_request(
    exchange: Script, client: KalshiClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    exchange.say(Answer(200, STATUS))
    client.exchange.status()
    assert "Authorization" not in exchange.requests[0].headers


def test_one_connection_serves_many_requests(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(200, LIMITS))
    for _ in range(3):
        client.account.limits()
    assert len({request.connection for request in exchange.requests}) == 1


def test_the_clocks_difference_is_measured_and_cached_answers_do_not_count(
    exchange: Script, client: KalshiClient
) -> None:
    assert client.clock_skew_ms is None
    exchange.say(Answer(200, STATUS, {"Age": "12"}), Answer(200, STATUS))
    client.exchange.status()
    assert client.clock_skew_ms is None
    client.exchange.status()
    assert abs(present(client.clock_skew_ms)) <= 1000
    late = int(time.time() * 1000) - 60_000
    client.transport._clock = lambda: late
    client.exchange.status()
    assert 58_000 <= present(client.clock_skew_ms) <= 62_000


def test_the_accounts_limits_and_costs_replace_the_defaults(exchange: Script, client: KalshiClient) -> None:
    costs = {
        "default_cost": 7,
        "endpoint_costs": [{"method": "DELETE", "path": "/portfolio/events/orders/:order_id", "cost": 3}],
    }
    exchange.rule = lambda request: Answer(200, costs if request.route == "/account/endpoint_costs" else LIMITS)
    client.learn_limits()
    assert client.transport.costs.of("DELETE", "/portfolio/events/orders/{order_id}") == 3
    assert client.transport.costs.of("POST", "/portfolio/events/orders") == 7
    client.transport.limiter.acquire("write", 1800, 0, timeout=0)


def test_query_values_are_written_as_the_exchange_reads_them() -> None:
    assert clean({"a": True, "b": None, "c": 0, "d": "x"}) == [("a", "true"), ("c", "0"), ("d", "x")]
    assert clean([("tickers", "A"), ("tickers", "B")]) == [("tickers", "A"), ("tickers", "B")]


def test_environments_are_distinguished_by_their_host() -> None:
    assert PROD.is_production
    assert not DEMO.is_production
    assert from_settings(PROD.rest_url + "/", PROD.ws_url) is PROD
    old = from_settings("https://api.elections.kalshi.com", "wss://api.elections.kalshi.com")
    assert old.is_production
    assert old.ws_url.endswith("/trade-api/ws/v2")
    assert from_settings("http://127.0.0.1:8000/trade-api/v2", "ws://127.0.0.1:8000/trade-api/ws/v2").name == "local"


@pytest.mark.parametrize(
    ("rest", "ws"), [("ftp://x", "ws://x"), ("http://x", "http://x"), ("x", "ws://x"), ("http://x/a?b", "ws://x/a")]
)
def test_an_address_that_is_none_is_refused(rest: str, ws: str) -> None:
    with pytest.raises(ValueError):
        Environment("e", rest, ws)


ODD_QUERY = [("cursor", "a+b/c=&d e%~ü"), ("limit", "200"), ("ticker", "KX-1,KX-2"), ("ticker", "")]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("payload", [None, b'{"a":"\xc3\xbc"}'])
@pytest.mark.parametrize("query", [[], ODD_QUERY])
@pytest.mark.parametrize("path", [None, {"order_id": "a/b ü"}])
def test_a_request_is_what_requests_makes_of_it_the_first_time_and_the_second(
    method: str, payload: bytes | None, query: list[tuple[str, str]], path: dict[str, str] | None
) -> None:
    transport = Transport(from_settings("https://e.test/trade-api/v2", "wss://e.test/trade-api/ws/v2"))
    route = "/portfolio/orders/{order_id}" if path else "/portfolio/orders"
    filled = "/portfolio/orders/a%2Fb%20%C3%BC" if path else route
    url = f"https://e.test/trade-api/v2{filled}"
    by_requests = plain_session().prepare_request(requests.Request(method, url, params=query, data=payload))
    if payload is not None:
        by_requests.headers["Content-Type"] = "application/json"
    for _ in range(2):
        transport._prepared(method, route, path, [("limit", "1")], b"[]")[0].headers["X-Other"] = "another request's"
        made, signed = transport._prepared(method, route, path, query, payload)
        assert (made.method, made.url, made.body) == (by_requests.method, by_requests.url, by_requests.body)
        assert dict(made.headers) == dict(by_requests.headers)
        assert signed == f"/trade-api/v2{filled}"
