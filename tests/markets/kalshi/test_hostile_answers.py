"""A peer that drips or never ends its answer; what is public is requested without a signature."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.streaming.stage import certificate
from markets.kalshi.environment import Environment
from markets.kalshi.errors import KalshiError, OutcomeUnknown, Unreachable
from markets.kalshi.rest import deadline, transport
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.transport import READ_TRIES
from markets.kalshi.signing import Signer
from markets.kalshi.token_buckets import BASIC, LocalLimiter

from .scripted import Answer, Script

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def dripping(start: bytes, drop: bytes, pause: float, folder: Path | None = None) -> Iterator[Environment]:
    """A server that answers each request with ``start`` and then ``drop`` every ``pause`` seconds, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    context = None
    if folder is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))

    def answer(sock: socket.socket) -> None:
        try:
            secured = context.wrap_socket(sock, server_side=True) if context is not None else sock
            secured.recv(1 << 16)
            secured.sendall(start)
            while not stop.wait(pause):
                secured.sendall(drop)
        except OSError:
            return

    def accept() -> None:
        while not stop.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    scheme, port = "http" if folder is None else "https", listener.getsockname()[1]
    try:
        yield Environment("local", f"{scheme}://127.0.0.1:{port}/trade-api/v2", f"ws://127.0.0.1:{port}")
    finally:
        stop.set()
        listener.close()


def impatient(environment: Environment, signer: Signer | None = None) -> KalshiClient:
    client = KalshiClient(environment, signer, timeout=(1.0, 1.0))
    client.transport.answer_seconds = 0.4
    client.transport.sleep = lambda seconds: None
    return client


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (HEAD, b"X-A: b\r\n"),
        (HEAD + b"Content-Length: 100000\r\n\r\n{", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
)
@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_that_drips_has_a_deadline(start: bytes, drop: bytes, secure: bool, tmp_path: Path) -> None:
    with dripping(start, drop, 0.05, tmp_path if secure else None) as environment:
        client = impatient(environment)
        client.transport._session.verify = str(tmp_path / "certificate.pem") if secure else True
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"in time|timed out|no answer within"):
            client.exchange.status()
    assert time.monotonic() - began < READ_TRIES * 10  # it would go on for ever


def test_a_write_whose_answer_drips_is_of_unknown_outcome(signer: Signer) -> None:
    with dripping(HEAD, b"X-A: b\r\n", 0.05) as environment, pytest.raises(OutcomeUnknown):
        impatient(environment, signer).transport.write("POST", "/portfolio/events/orders", body={"a": "1"})


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline.Allowance.__init__, "__defaults__", (1_000_000,))
    with dripping(HEAD + b"\r\n", b" " * 300_000, 0.0) as environment:
        client = impatient(environment)
        client.transport.answer_seconds = 20
        with pytest.raises(Unreachable, match="more than"):
            client.exchange.status()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_answer_that_unpacks_without_end_is_cut(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 1_000_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    packed = packer.compress(b" " * 50_000_000) + packer.flush()
    head = HEAD + b"Connection: close\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (
        encoding.encode(),
        len(packed),
    )
    with dripping(head + packed, b"", 0.5) as environment:
        client = impatient(environment)
        client.transport.answer_seconds = 20
        tracemalloc.start()
        with pytest.raises(Unreachable, match="more than"):
            client.exchange.status()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize(
    "read",
    [
        lambda client: client.exchange.status(),
        lambda client: client.catalogue.market("A"),
        lambda client: client.catalogue.orderbook("A"),
        lambda client: client.catalogue.orderbooks(["A"]),
        lambda client: list(client.catalogue.trades("A")),
        lambda client: client.account.endpoint_costs(),
    ],
)
def test_what_is_public_is_not_signed(
    exchange: Script, client: KalshiClient, read: Callable[[KalshiClient], object]
) -> None:
    exchange.say(Answer(404, {"msg": "no"}))
    with pytest.raises(KalshiError):
        read(client)
    assert not [name for name in exchange.requests[0].headers if name.upper().startswith("KALSHI-")]


def test_what_is_public_takes_no_tokens_of_the_account(exchange: Script, signer: Signer) -> None:
    limiter = LocalLimiter(BASIC)
    exchange.say(Answer(200, {"orderbook_fp": {"yes_dollars": [], "no_dollars": []}}))
    with KalshiClient(exchange.environment, signer, limiter) as client:
        for _ in range(5):
            client.catalogue.orderbook("A")
    assert limiter.available("read", 0) == 600
    assert limiter.available("public", 0) < 600


@pytest.mark.parametrize("tries", [408])
def test_a_read_that_the_exchange_gave_up_is_tried_again(exchange: Script, client: KalshiClient, tries: int) -> None:
    status = {"exchange_active": True, "trading_active": True}
    exchange.say(Answer(tries, {"error": {"code": "timeout"}}), Answer(200, status))
    assert client.exchange.status().trading_active
