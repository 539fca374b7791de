"""What a peer that floods over TLS, or plainly, can make the stream's reader hold in memory."""

from __future__ import annotations

import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websocket import ABNF

from bench.streaming.stage import certificate
from markets.kalshi.errors import Disconnected
from markets.kalshi.ws.batch_reader import BatchReader

from .test_batch_reader import connection, frame
from .tls import client_side, server_side

READS = 40
MOST_BYTES = 6_000_000
"""Beside what is handed out: the buffer, a portion of frames, what waits to be sent."""
LARGE = frame(ABNF.OPCODE_TEXT, b"x" * 60_000)
PART = frame(ABNF.OPCODE_CONT, b"x" * 200, False)
FLOODS = {
    "pings that nobody is to answer": frame(ABNF.OPCODE_PING, b"x" * 125) * 400,
    "pongs": frame(ABNF.OPCODE_PONG, b"x" * 125) * 400,
    "empty messages": frame(ABNF.OPCODE_TEXT, b"") * 20_000,
    "large messages": LARGE,
    "parts without an end": PART * 5_000,
    "a frame that says it is 60 MB": b"\x81\x7f" + (60_000_000).to_bytes(8, "big") + b"x" * 40_000,
    "a frame that says it is larger than any": b"\x81\x7f" + (1 << 40).to_bytes(8, "big") + b"x" * 40_000,
    "noise": bytes(range(255, -1, -1)) * 200,
}


@contextmanager
def flooded(flood: bytes, secure: bool, folder: Path) -> Iterator[BatchReader]:
    """A reader whose peer writes one flood after the other and never reads."""
    ours, theirs = socket.socketpair()
    if secure:
        certificate(folder)
    stop = threading.Event()

    def write() -> None:
        with suppress(OSError):
            sock = server_side(theirs, folder) if secure else theirs
            sock.settimeout(30)
            sock.sendall(frame(ABNF.OPCODE_TEXT, b"", False) if flood.startswith(PART) else flood)
            while not stop.is_set() and flood[1] != 0x7F:
                sock.sendall(flood)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    reader = BatchReader(connection(client_side(ours) if secure else ours))
    try:
        yield reader
    finally:
        stop.set()
        reader.close()
        ours.close()
        theirs.close()
        thread.join(10)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_memory_of_a_flooded_reader_is_bounded(flood: bytes, secure: bool, tmp_path: Path) -> None:
    with flooded(flood, secure, tmp_path) as reader:
        tracemalloc.start()
        try:
            for _ in range(READS):
                with suppress(Disconnected):
                    reader.read(0.005)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert reader.heard or flood[1] >= 0x7F  # a frame that never ends, or none
    assert peak < MOST_BYTES, f"{peak / 1e6:.1f} MB"
