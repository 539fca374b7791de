"""The batched frame reader against the library's own, on random frames cut at random places."""

from __future__ import annotations

import random
import select
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import websocket
from websocket import ABNF
from websocket._handshake import handshake_response

from bench.streaming.stage import certificate
from markets.kalshi.errors import Disconnected
from markets.kalshi.ws.batch_reader import BatchReader
from markets.kalshi.ws.reader import FrameReader, close_reason


class LibraryReader:
    """The library's own receiver as a FrameReader: what the batched one is compared with."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._ended: str | None = None
        self.heard = 0

    def read(self, timeout: float) -> list[bytes]:
        payloads: list[bytes] = []
        assert self._connection.sock is not None
        if self._ended is None and select.select([self._connection.sock], [], [], timeout)[0]:
            try:
                opcode, data = self._connection.recv_data(control_frame=True)
                self.heard += 1
                if opcode == ABNF.OPCODE_CLOSE:
                    self._ended = close_reason(data)
                elif opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY):
                    payloads.append(data)
            except (OSError, websocket.WebSocketException) as error:
                self._ended = str(error)
        if self._ended is not None and not payloads:
            raise Disconnected(self._ended)
        return payloads

    def send(self, payload: bytes) -> None:
        self._connection.send(payload, ABNF.OPCODE_TEXT)

    def close(self) -> None:
        self._connection.shutdown()  # type: ignore[no-untyped-call]  # the library left this method untyped


def connection(sock: socket.socket) -> websocket.WebSocket:
    """A library connection after its handshake."""
    made = websocket.WebSocket(skip_utf8_validation=True)
    made.sock = sock
    made.connected = True
    made.handshake_response = handshake_response(101, {}, None)
    return made


def frame(opcode: int, data: bytes, final: bool = True) -> bytes:
    return ABNF(int(final), 0, 0, 0, opcode, 0, data).format()


def random_stream(seed: int, messages: int = 60) -> bytes:
    """Text in one frame and in parts, with pings in between, of every length class."""
    pick = random.Random(seed)
    out = []
    for _ in range(messages):
        kind = pick.random()
        size = pick.choice((0, 1, 40, 125, 126, 127, 300, 65_535, 65_536, 70_000) if kind < 0.1 else (20, 90, 200, 400))
        data = pick.randbytes(size)
        if kind < 0.15:
            cut = pick.randrange(len(data) + 1)
            out += [frame(ABNF.OPCODE_TEXT, data[:cut], False), frame(ABNF.OPCODE_PING, b"heartbeat")]
            out.append(frame(ABNF.OPCODE_CONT, data[cut:]))
        elif kind < 0.25:
            out.append(frame(ABNF.OPCODE_PING, data[:100]))
        else:
            out.append(frame(ABNF.OPCODE_TEXT, data))
    return b"".join(out)


def feed(
    stream: bytes,
    reader_type: Callable[[websocket.WebSocket], FrameReader],
    seed: int,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
) -> tuple[list[bytes], int]:
    """What a reader makes of ``stream`` when it comes in random pieces and then ends. Over TLS a piece is a record or several."""
    ours, theirs = socket.socketpair()
    pick = random.Random(seed)

    def write() -> None:
        nonlocal theirs
        if tls is not None:
            theirs = tls[0].wrap_socket(theirs, server_side=True)
        at = 0
        while at < len(stream):
            size = pick.choice((1, 3, 17, 200, 5_000, 60_000))
            theirs.sendall(stream[at : at + size])
            at += size
        theirs.shutdown(socket.SHUT_WR)

    threading.Thread(target=write, daemon=True).start()
    if tls is not None:
        ours = tls[1].wrap_socket(ours)
    reader = reader_type(connection(ours))
    payloads: list[bytes] = []
    try:
        while True:
            payloads += reader.read(1.0)
    except Disconnected:
        pass
    theirs.close()
    reader.close()
    return payloads, reader.heard


@pytest.mark.parametrize("seed", range(6))
def test_it_reads_what_the_library_reads(seed: int) -> None:
    stream = random_stream(seed)
    mine, heard = feed(stream, BatchReader, seed)
    theirs, _ = feed(stream, LibraryReader, seed)
    assert mine == theirs
    assert heard >= len(mine)


@pytest.mark.parametrize("seed", range(3))
def test_it_reads_the_same_over_tls_whatever_a_record_holds(seed: int, tmp_path: Path) -> None:
    stream = random_stream(seed)
    plain, _ = feed(stream, BatchReader, seed)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    secured, _ = feed(stream, BatchReader, seed, (context, trusting))
    assert secured == plain


def test_pings_are_answered() -> None:
    ours, theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    theirs.sendall(frame(ABNF.OPCODE_PING, b"heartbeat"))
    assert reader.read(1.0) == []
    answer = theirs.recv(100)
    assert answer[0] == 0x80 | ABNF.OPCODE_PONG
    assert len(answer) == 2 + 4 + len(b"heartbeat")
    assert reader.heard == 1


@pytest.mark.parametrize(
    "offence",
    [
        b"\x81\x80abcd",  # masked by the server
        b"\xc1\x01a",  # an extension nobody agreed on
        b"\x09\x00",  # a ping in parts
        b"\x83\x00",  # an unknown kind
        b"\x80\x01a",  # the rest of a message that never began
        b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",  # larger than anything
    ],
)
def test_offences_end_the_connection(offence: bytes) -> None:
    ours, theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    theirs.sendall(offence)
    with pytest.raises(Disconnected):
        reader.read(1.0)


@pytest.mark.parametrize("reader_type", [BatchReader, LibraryReader])
def test_messages_before_an_offence_are_handed_out_first(
    reader_type: Callable[[websocket.WebSocket], FrameReader],
) -> None:
    ours, theirs = socket.socketpair()
    reader = reader_type(connection(ours))
    theirs.sendall(frame(ABNF.OPCODE_TEXT, b"last words") + b"\xc1\x01a")
    assert reader.read(1.0) == [b"last words"]
    with pytest.raises(Disconnected):
        reader.read(1.0)


def test_messages_before_the_end_are_handed_out_first() -> None:
    ours, theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    theirs.sendall(frame(ABNF.OPCODE_TEXT, b"last words") + frame(ABNF.OPCODE_CLOSE, b"\x03\xe8bye"))
    assert reader.read(1.0) == [b"last words"]
    with pytest.raises(Disconnected, match="bye"):
        reader.read(1.0)
