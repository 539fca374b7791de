"""A WebSocket server that floods, as fast as the other side reads or at a rate. A process of its own: ``python -m bench.streaming.server``.

One thread does everything, because a TLS connection must not be read and written by two: it checks for commands between blocks.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.streaming.connection import Connection
from bench.streaming.frames import STAMP, Flood, framed, stamp

FULL_SPEED_BLOCK: Final = 200
ACCOUNT_EVERY: Final = 1000
"""Blocks between two rounds of fills and lifecycle messages."""
SETTLE_SECONDS: Final = 3.0
"""Between the snapshots and the flood: both sides have done with the start by then."""


def serve(options: argparse.Namespace) -> None:
    """Accept one client after another; to each send the snapshots, then the flood."""
    listener = socket.create_server(("127.0.0.1", options.port))
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    flood = Flood(options.markets, options.books, stamped=options.stamped)
    start = b"".join(map(framed, flood.snapshots(2)))
    if options.all_tickers:
        start += b"".join(map(framed, flood.first_tickers(1)))
    blocks: Iterator[list[bytes]] | list[list[bytes]] = _blocks(flood, options)
    if not options.live:
        blocks = list(blocks)
    if options.truth:
        Path(options.truth).write_bytes(msgspec.json.encode(flood.truth()))
    print(f"ready {listener.getsockname()[1]}", flush=True)
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock = context.wrap_socket(sock, server_side=True) if context else sock
            _serve_one(sock, start, blocks, options, flood if options.account else None)
        except OSError:
            continue


def _blocks(flood: Flood, options: argparse.Namespace) -> Iterator[list[bytes]]:
    """What is sent at once: what falls into a millisecond at a rate. Over TLS every frame is a record of its own, as from a server
    that sends each message when it has it."""
    size = max(1, int(options.rate / 1000)) if options.rate else FULL_SPEED_BLOCK
    frames = map(framed, flood.frames(options.messages, 1, 2))
    while block := list(itertools.islice(frames, size)):
        yield block if options.certificate else [b"".join(block)]


def _serve_one(
    sock: socket.socket,
    start: bytes,
    blocks: Iterator[list[bytes]] | list[list[bytes]],
    options: argparse.Namespace,
    flood: Flood | None,
) -> None:
    missing = options.books or options.markets

    def on_books(names: list[str]) -> None:
        nonlocal missing
        missing -= len(names)

    connection = Connection(sock, on_books)
    while missing > 0:
        if not connection.handle(30):
            return
    _attend(connection, 0.3)
    connection.send_raw(start)
    _attend(connection, SETTLE_SECONDS)
    size, began = max(1, int(options.rate / 1000)), time.monotonic()
    for n, block in enumerate(blocks):
        if options.rate and (ahead := began + n * size / options.rate - time.monotonic()) > 0:
            _attend(connection, ahead)
        elif not connection.handle(0):
            return
        if flood is not None and n % ACCOUNT_EVERY == 0:
            for frame in flood.account(n // ACCOUNT_EVERY):
                connection.send(frame)
        for part in block:
            if options.stamped:
                part = part.replace(STAMP, b"%d" % stamp())
            connection.send_raw(part)
    connection.send(b'{"type":"flood_over"}')
    connection.answer_commands()


def _attend(connection: Connection, seconds: float) -> None:
    """Answer commands for so long."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not connection.handle(left):
            raise ConnectionError("the client has gone")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.streaming.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port; 0: a free one")
    parser.add_argument("--markets", type=int, default=4096, help="markets (default %(default)s)")
    parser.add_argument("--books", type=int, default=0, help="only so many of the markets have books (0: all)")
    parser.add_argument("--messages", type=int, default=400_000, help="messages to send (default %(default)s)")
    parser.add_argument("--rate", type=float, default=0, help="messages a second (0: as fast as it goes)")
    parser.add_argument("--certificate", default="", help="PEM file with key and certificate; none: no TLS")
    parser.add_argument("--truth", default="", help="file for the books that must come out; none: not written")
    parser.add_argument("--stamped", action="store_true", help="each frame says when it was sent, in microseconds")
    parser.add_argument("--all-tickers", action="store_true", help="begin with one ticker of every market")
    parser.add_argument("--account", action="store_true", help="fills and lifecycle messages now and then")
    parser.add_argument("--live", action="store_true", help="make the frames while sending: for long runs")
    serve(parser.parse_args())
