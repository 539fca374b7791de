"""A WebSocket server that replays the recorded gold markets as fast as the other side reads, and in the middle of it bursts.

A process of its own: ``python -m bench.streaming.gold``. The books that must come out are computed here, message by message, from the
decimals of the recording and in the most straightforward way.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.streaming.connection import Connection
from bench.streaming.frames import Flood, framed

BLOCK: Final = 200
BURST_TICKS: Final = 1000
"""The burst is sent in so many parts, one each millisecond."""
BURST_AFTER: Final = 200_000
"""Recorded messages before the burst: it falls into the third of eight markets."""
RECORDED_A_TICK: Final = 100
"""So many recorded messages go along with each part."""

Books = dict[str, dict[str, dict[int, int]]]


class Replay:
    """The frames in the order of sending, renumbered; ``books`` and ``crossed`` as a plain reader finds them."""

    def __init__(self, folder: Path, markets: int, burst: int) -> None:
        self.books: Books = {}
        self.crossed = 0
        self.count = 0
        self._seq = 0
        self._trades = 0
        self._flood = Flood(markets)
        recorded = self._recorded(folder)
        self.names = [*self._flood.names, *self._gold_names(folder)]
        self.before = list(self._blocks(itertools.islice(recorded, BURST_AFTER)))
        start = [self._numbered(msgspec.json.decode(frame)) for frame in self._flood.snapshots(2)]
        self.before.append(b"".join(start))
        extra = (self._numbered(msgspec.json.decode(frame)) for frame in self._flood.deltas(burst, 2))
        each = max(1, burst // BURST_TICKS)
        self.burst = []
        while part := list(itertools.islice(extra, each)):
            self.burst.append(b"".join([*part, *itertools.islice(recorded, RECORDED_A_TICK)]))
        self.after = list(self._blocks(recorded))

    @staticmethod
    def _gold_names(folder: Path) -> list[str]:
        return [path.name.split(".")[0] for path in sorted(folder.glob("KX*.ndjson.gz"))]

    def _blocks(self, frames: Iterator[bytes]) -> Iterator[bytes]:
        while block := list(itertools.islice(frames, BLOCK)):
            yield b"".join(block)

    def _recorded(self, folder: Path) -> Iterator[bytes]:
        for path in sorted(folder.glob("KX*.ndjson.gz")):
            with gzip.open(path) as lines:
                for line in lines:
                    yield self._numbered(msgspec.json.decode(line)["event"])

    def _numbered(self, event: dict[str, Any]) -> bytes:
        self.count += 1
        if event["type"] == "trade":
            self._trades += 1
            return framed(msgspec.json.encode(event | {"sid": 6, "seq": self._trades}))
        self._seq += 1
        self._apply(event["type"], event["msg"])
        return framed(msgspec.json.encode(event | {"sid": 2, "seq": self._seq}))

    def _apply(self, kind: str, message: dict[str, Any]) -> None:
        book = self.books.setdefault(message["market_ticker"], {"yes": {}, "no": {}})
        if kind == "orderbook_snapshot":
            for side in ("yes", "no"):
                levels = message.get(f"{side}_dollars_fp") or []
                book[side] = {round(float(p) * 10_000): round(float(c) * 100) for p, c in levels}
        else:
            levels, price = book[message["side"]], round(float(message["price_dollars"]) * 10_000)
            levels[price] = levels.get(price, 0) + round(float(message["delta_fp"]) * 100)
            if not levels[price]:
                del levels[price]
        self.crossed += max(book["yes"], default=0) + max(book["no"], default=0) >= 10_000


def serve(options: argparse.Namespace) -> None:
    """One client; then the truth is written and the process waits to be ended."""
    replay = Replay(Path(options.recorded), options.markets, options.burst)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"ready {listener.getsockname()[1]}", flush=True)
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    missing = len(replay.names)

    def on_books(names: list[str]) -> None:
        nonlocal missing
        missing -= len(names)

    connection = Connection(sock, on_books)
    while missing > 0 and connection.handle(30):
        pass
    end = time.monotonic() + 2
    while time.monotonic() < end:
        connection.handle(0.1)
    began = time.monotonic()
    _send(connection, replay.before)
    burst_seconds = _send(connection, replay.burst, paced=True)
    _send(connection, replay.after)
    said = {
        "messages": replay.count,
        "seconds": time.monotonic() - began,
        "burst_seconds": burst_seconds,
        "crossed_in_the_reference": replay.crossed,
        "books": replay.books,
    }
    Path(options.truth).write_bytes(msgspec.json.encode(said))
    connection.send(b'{"type":"flood_over"}')
    connection.answer_commands()


def _send(connection: Connection, blocks: list[bytes], paced: bool = False) -> float:
    began = time.monotonic()
    for n, block in enumerate(blocks):
        if paced and (ahead := began + n / BURST_TICKS - time.monotonic()) > 0:
            time.sleep(ahead)
        connection.handle(0)
        connection.send_raw(block)
    return time.monotonic() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.streaming.gold", description=__doc__)
    parser.add_argument("--recorded", required=True, help="folder with the recorded gold markets")
    parser.add_argument("--markets", type=int, required=True, help="other markets that the burst is about")
    parser.add_argument("--burst", type=int, required=True, help="messages of the burst")
    parser.add_argument("--truth", required=True, help="file for the books that must come out")
    serve(parser.parse_args())
