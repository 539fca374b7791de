"""Answers that no exchange gives: framing, interim answers, cookies. Each write ends in one of the three known ways, and the next
request never gets an answer that was not its own."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from markets.kalshi.environment import Environment
from markets.kalshi.errors import OutcomeUnknown
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.outcome import after_write
from markets.kalshi.schemas import answers
from markets.kalshi.schemas.boundary import parse
from markets.kalshi.signing import Signer

Step = bytes | float | None
"""Bytes to send, seconds to wait, or the end of the connection."""

PLACED = b'{"order_id":"A","client_order_id":"c","fill_count":"1.00","remaining_count":"0.00","ts_ms":1}'
SECOND = b'{"second":true}'
CREATED = b"HTTP/1.1 201 Created\r\n"
CHUNKED = CREATED + b"Transfer-Encoding: chunked\r\n\r\n"


def whole(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    lines = [*headers, b"Content-Length: %d" % (len(body) if length is None else length)]
    return CREATED + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


PACKED = gzip.compress(PLACED)
UNKNOWN: dict[str, tuple[Step, ...]] = {
    "shorter than it says": (whole(PLACED, length=len(PLACED) + 5), None),
    "longer than it says": (whole(PLACED, length=len(PLACED) - 3),),
    "two lengths": (whole(PLACED, b"Content-Length: 5"),),
    "a length without bounds": (whole(PLACED, length=10**19), None),
    "a chunk of negative length": (CHUNKED + b"-5\r\n" + PLACED, None),
    "a chunk of no length": (CHUNKED + b"zz\r\n" + PLACED, None),
    "chunks without end": (CHUNKED + b"%x\r\n%s\r\n" % (len(PLACED), PLACED), None),
    "packed and cut": (whole(PACKED[:40], b"Content-Encoding: gzip"),),
    "packed a hundred times": (whole(PACKED, b"Content-Encoding: " + b", ".join([b"gzip"] * 100)),),
    "packed twice": (whole(PACKED + PACKED, b"Content-Encoding: gzip"),),
    "no head": (PLACED, None),
    "another version": (whole(PLACED).replace(b"HTTP/1.1", b"HTTP/2.0"), None),
    "cut without a length": (b"HTTP/1.0 201 Created\r\n\r\n" + PLACED[:30], None),
    "continue for ever": (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, None),
    "early hints, the answer later": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 0.1, whole(PLACED)),
    "processing, the answer later": (b"HTTP/1.1 102 Processing\r\n\r\n", 0.1, whole(PLACED)),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0.1, whole(PLACED)),
    "sent elsewhere": (whole(b"", b"Location: http://127.0.0.2:1/").replace(b"201 Created", b"307 Moved"),),
    "a status of its own": (whole(PLACED).replace(b"201 Created", b"999 Odd"),),
    "too many headers": (whole(PLACED, *(b"X-%d: y" % n for n in range(150))), None),
    "a header without end": (whole(PLACED, b"X: " + b"y" * 70_000), None),
    "a mark before it": (whole(b"\xef\xbb\xbf" + PLACED),),
    "two documents": (whole(PLACED + PLACED),),
    "a key twice": (whole(PLACED[:-1] + b',"fill_count":"0.00"}'),),
    "half a character": (whole(PLACED.replace(b'"A"', b'"\\ud800"')),),
    "no character": (whole(PLACED[:-1] + b',"x":"\xff"}'),),
    "no number": (whole(PLACED[:-1] + b',"x":NaN}'),),
    "a number beyond all": (whole(PLACED.replace(b":1}", b":1e400}")),),
    "nested without end": (whole(PLACED[:-1] + b',"x":' + b"[" * 99_999 + b"]" * 99_999 + b"}"),),
}
ACCEPTED: dict[str, tuple[Step, ...]] = {
    "plain": (whole(PLACED),),
    "in chunks": (CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PLACED), PLACED),),
    "packed": (whole(PACKED, b"Content-Encoding: gzip"),),
    "continued first": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + whole(PLACED),),
    "until the end": (b"HTTP/1.0 201 Created\r\n\r\n" + PLACED, None),
    "dates of other worlds": (whole(PLACED, b"Date: Mon, 01 Jan 9999 23:59:59 -2359", b"Date: " + b"9" * 5_000),),
}


@contextmanager
def peer(steps: tuple[Step, ...], heads: list[bytes]) -> Iterator[Environment]:
    """A server that carries out ``steps`` for a POST and answers a GET with ``SECOND``; ``heads`` collects the requests' heads."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as lines:
            while head := b"".join(iter(lines.readline, b"\r\n")) if lines.peek(1) else b"":
                heads.append(head)
                if head.startswith(b"GET"):
                    sock.sendall(whole(SECOND).replace(b"201 Created", b"200 OK"))
                    continue
                lines.read(len(b'{"a":"1"}'))
                for step in steps:
                    if step is None:
                        return
                    if isinstance(step, bytes):
                        sock.sendall(step)
                    else:
                        time.sleep(step)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=guarded, args=(sock,), daemon=True).start()

    def guarded(sock: socket.socket) -> None:
        try:
            serve(sock)
        except OSError:
            return

    threading.Thread(target=accept, daemon=True).start()
    port = listener.getsockname()[1]
    try:
        yield Environment("local", f"http://127.0.0.1:{port}/trade-api/v2", f"ws://127.0.0.1:{port}")
    finally:
        listener.close()


def write(client: KalshiClient) -> str:
    """The id of the order that a write was answered with."""
    body = client.transport.write("POST", "/portfolio/events/orders", body={"a": "1"})
    return after_write(lambda: parse(answers.CREATE, answers.build_create, body)).order_id


@pytest.mark.parametrize("name", [*UNKNOWN, *ACCEPTED])
def test_a_write_ends_in_a_known_way_and_the_next_answer_is_its_own(name: str, signer: Signer) -> None:
    with (
        peer({**UNKNOWN, **ACCEPTED}[name], []) as environment,
        KalshiClient(environment, signer, timeout=(1.0, 1.0)) as client,
    ):
        if name in ACCEPTED:
            assert write(client) == "A"
        else:
            with pytest.raises(OutcomeUnknown):
                write(client)
        assert client.transport.read("/second") == SECOND


def test_no_cookie_is_kept(signer: Signer) -> None:
    heads: list[bytes] = []
    cookies = [b"Set-Cookie: a%d=%s; Path=/" % (n, b"v" * 500) for n in range(90)]
    with peer((whole(PLACED, *cookies),), heads) as environment, KalshiClient(environment, signer) as client:
        write(client)
        write(client)
    assert [b"cookie" in head.lower() for head in heads] == [False, False]
