"""A peer that floods, drips, cuts into crumbs or does not read: no read waits for it, and what it may cost is bounded."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websocket import ABNF

from bench.streaming.stage import certificate
from markets.kalshi.environment import from_settings
from markets.kalshi.errors import Disconnected, Unreachable
from markets.kalshi.signing import Signer
from markets.kalshi.ws import batch_reader, outgoing
from markets.kalshi.ws.batch_reader import BatchReader
from markets.kalshi.ws.session import Session

from .test_batch_reader import connection, frame
from .tls import client_side, server_side

PAUSE = 5.0
"""No measure of speed: a read with a timeout of 0.05 s that lasts longer was held by its peer."""


@contextmanager
def peer(*writes: bytes, again: bool = False, drain: bool = False) -> Iterator[BatchReader]:
    """A reader whose peer writes these bytes, over and over if ``again``, and reads nothing unless ``drain``."""
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def write() -> None:
        theirs.settimeout(0.05)
        while not stop.is_set():
            for data in writes:
                at = 0
                while at < len(data) and not stop.is_set():
                    try:
                        at += theirs.send(data[at:])
                    except TimeoutError:
                        continue
                    except OSError:
                        return
                if drain:
                    _drain(theirs)
            if not again:
                return

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    reader = BatchReader(connection(ours))
    try:
        yield reader
    finally:
        stop.set()
        reader.close()
        thread.join(5)
        theirs.close()


def _drain(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.recv(1 << 16)


def reads(reader: BatchReader, seconds: float, enough: int = sys.maxsize) -> tuple[list[bytes], float, str]:
    """(payloads, the longest read, why it ended) of ``seconds`` of reading, or until ``enough`` payloads came."""
    payloads: list[bytes] = []
    longest, ended, end = 0.0, "", time.monotonic() + seconds
    while not ended and len(payloads) < enough and time.monotonic() < end:
        began = time.monotonic()
        try:
            payloads += reader.read(0.05)
        except Disconnected as error:
            ended = str(error)
        longest = max(longest, time.monotonic() - began)
    return payloads, longest, ended


def test_flood_of_pings_from_a_peer_that_does_not_read_ends_the_connection() -> None:
    with peer(frame(ABNF.OPCODE_PING, b"x" * 125) * 2_000, again=True) as reader:
        _, longest, ended = reads(reader, 60)
    assert "control frames" in ended
    assert longest < PAUSE
    assert reader.heard <= batch_reader.CONTROL_FRAMES + 1


def test_pings_of_an_hour_asleep_are_answered_with_one_pong() -> None:
    ours, theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    theirs.sendall(frame(ABNF.OPCODE_PING, b"heartbeat") * 359 + frame(ABNF.OPCODE_PING, b"latest"))
    assert reader.read(1.0) == []
    assert len(theirs.recv(1 << 16)) == 2 + 4 + len(b"latest")
    assert reader.heard == 360


def test_messages_among_pings_are_handed_out() -> None:
    with peer(frame(ABNF.OPCODE_PING, b"") * 900 + frame(ABNF.OPCODE_TEXT, b"news")) as reader:
        payloads, _, ended = reads(reader, 30, enough=1)
    assert (payloads, ended) == ([b"news"], "")


@pytest.mark.parametrize("part", [b"", b"a", b"ab" * 50])
def test_message_in_too_many_parts_ends_the_connection_soon(part: bytes) -> None:
    crumbs = frame(ABNF.OPCODE_TEXT, part, False) + frame(ABNF.OPCODE_CONT, part, False) * 40_000
    with peer(crumbs) as reader:
        _, longest, ended = reads(reader, 60)
    assert "parts" in ended
    assert longest < PAUSE


def test_message_in_many_parts_is_put_together() -> None:
    stream = frame(ABNF.OPCODE_TEXT, b"0" * 500, False) + frame(ABNF.OPCODE_CONT, b"1" * 500, False) * 4_000
    with peer(stream + frame(ABNF.OPCODE_CONT, b"2")) as reader:
        payloads, longest, _ = reads(reader, 2)
    assert [len(p) for p in payloads] == [500 * 4_001 + 1]
    assert longest < PAUSE


def test_parts_cannot_exceed_the_largest_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_reader, "LARGEST", 1_000_000)
    stream = frame(ABNF.OPCODE_TEXT, b"0" * 60_000, False) + frame(ABNF.OPCODE_CONT, b"1" * 60_000, False) * 40
    with peer(stream) as reader:
        _, _, ended = reads(reader, 60)
    assert "too large" in ended


def test_flood_of_empty_messages_comes_in_bounded_portions() -> None:
    with peer(frame(ABNF.OPCODE_TEXT, b"") * 100_000) as reader:
        portions: list[int] = []
        while sum(portions) <= batch_reader.FRAMES_PER_READ:
            portions.append(len(reader.read(0.05)))
    assert 0 < max(portions) <= batch_reader.FRAMES_PER_READ


def test_left_over_frames_do_not_wait_for_more_bytes() -> None:
    ours, theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    count = batch_reader.FRAMES_PER_READ + 100
    theirs.sendall(frame(ABNF.OPCODE_TEXT, b"a") * count)
    assert len(reader.read(1.0)) == batch_reader.FRAMES_PER_READ
    began = time.monotonic()
    assert len(reader.read(60.0)) == 100
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("secure", [False, True])
def test_frame_that_drips_does_not_hold_a_read(secure: bool, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def drip() -> None:
        sock = server_side(theirs, tmp_path) if secure else theirs
        while not stop.is_set():
            for byte in frame(ABNF.OPCODE_TEXT, b"x" * 200):
                if stop.wait(0.02):
                    return
                sock.sendall(bytes([byte]))

    if secure:
        certificate(tmp_path)
    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    reader = BatchReader(connection(client_side(ours) if secure else ours))
    _, longest, ended = reads(reader, 1.0)
    stop.set()
    thread.join(5)
    assert ended == ""
    assert longest < PAUSE


def test_half_a_tls_record_does_not_hold_a_read(tmp_path: Path) -> None:
    """The rest of the record never comes."""
    ours, between = socket.socketpair()
    inner, theirs = socket.socketpair()

    def relay() -> None:
        """Both ways, until the server has sent its message; then half of it."""
        between.settimeout(0.5)
        inner.settimeout(0.5)
        for _ in range(6):
            for source, target in ((between, inner), (inner, between)):
                try:
                    data = source.recv(1 << 16)
                except TimeoutError:
                    continue
                target.sendall(data[: len(data) // 2] if len(data) > 4_000 else data)

    certificate(tmp_path)
    ready = threading.Event()

    def serve() -> None:
        sock = server_side(theirs, tmp_path)
        ready.wait(60)
        sock.sendall(frame(ABNF.OPCODE_TEXT, b"x" * 15_000))

    threads = [threading.Thread(target=work, daemon=True) for work in (relay, serve)]
    for thread in threads:
        thread.start()
    reader = BatchReader(connection(client_side(ours)))
    ready.set()
    payloads, longest, _ = reads(reader, 1.0)
    assert payloads == []
    assert longest < PAUSE


def test_sending_to_a_peer_that_does_not_read_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "STALL_SECONDS", 0.3)
    ours, _theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    began = time.monotonic()
    for _ in range(10):
        reader.send(b"x" * 100_000)
    assert time.monotonic() - began < PAUSE
    _, longest, ended = reads(reader, 60)
    assert "has not read" in ended
    assert longest < PAUSE


def test_what_waits_to_be_sent_is_bounded() -> None:
    ours, _theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    for _ in range(outgoing.MOST_BYTES // 100_000 - 1):
        reader.send(b"x" * 100_000)
    with pytest.raises(Disconnected, match="does not read"):
        reader.send(b"x" * outgoing.MOST_BYTES)


def test_large_command_reaches_a_peer_that_reads_slowly() -> None:
    ours, theirs = socket.socketpair()
    reader = BatchReader(connection(ours))
    reader.send(b"x" * 1_000_000)
    received = 0
    end = time.monotonic() + 60
    while received < 1_000_014 and time.monotonic() < end:
        theirs.settimeout(0.01)
        with suppress(TimeoutError):
            received += len(theirs.recv(40_000))
        reader.read(0.0)
    assert received == 1_000_014


def test_closing_does_not_wait_for_the_peer() -> None:
    with peer(frame(ABNF.OPCODE_TEXT, b"a"), again=True) as reader:
        began = time.monotonic()
        reader.close()
        assert time.monotonic() - began < PAUSE


@pytest.mark.timeout(60)
def test_upgrade_that_drips_after_a_slow_handshake_is_given_up_too(
    signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline passes while the TLS handshake goes on, when there is no socket to be ended yet."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    handshakes: list[socket.socket] = []

    def drip() -> None:
        sock, _ = listener.accept()
        secure = server_side(sock, tmp_path)
        handshakes.append(secure)
        while not stop.wait(0.05):
            try:
                secure.sendall(b"x")
            except OSError:
                return

    def slow(sock: socket.socket, *args: object) -> socket.socket:
        found = client_side(sock)
        time.sleep(0.5)
        return found

    monkeypatch.setattr("websocket._http._ssl_socket", slow)
    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    address = f"//127.0.0.1:{port}"
    session = Session(from_settings(f"https:{address}", f"wss:{address}"), signer, connect_timeout=0.3)
    with pytest.raises(Unreachable):
        session.connect()
    stop.set()
    thread.join(5)
    listener.close()
    assert len(handshakes) == 1


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/1.1 400 Bad\r\nContent-Length: 900\r\n\r\n"]
)
def test_upgrade_that_drips_is_given_up_at_its_deadline(start: bytes, signer: Signer) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        sock, _ = listener.accept()
        sock.recv(1 << 16)
        sock.sendall(start)
        while not stop.wait(0.05):
            try:
                sock.sendall(b"x")
            except OSError:
                return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    session = Session(from_settings(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"), signer, connect_timeout=0.5)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        session.connect()
    took = time.monotonic() - began
    stop.set()
    thread.join(5)
    listener.close()
    assert took < 30


@pytest.mark.parametrize(
    "answer", [b"\r\n\r\n", bytes(range(256)), b"HTTP/1.1 101 X\r\nno colon\r\n\r\n", b"HTTP/1.1\r\n\r\n"]
)
def test_upgrade_that_is_answered_with_nonsense_is_unreachable(answer: bytes, signer: Signer) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def speak() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.recv(1 << 16)
            sock.sendall(answer)

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    with pytest.raises(Unreachable):
        Session(from_settings(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"), signer).connect()
    thread.join(5)
    listener.close()
