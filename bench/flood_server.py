"""A WebSocket server that floods: ticker and delta frames (1 : 3), built beforehand, sent as fast as the other side reads."""

from __future__ import annotations

import argparse
import base64
import hashlib
import random
import re
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LEGS = 8
DEPTH = 10


def tickers(markets: int) -> list[str]:
    """Market names in the exchange's style, eight to an event."""
    return [f"KXFLOOD-26NOV23-E{n // LEGS:05d}-L{n % LEGS}" for n in range(markets)]


def event_of(ticker: str) -> str:
    return ticker.rsplit("-", 1)[0]


class Flood:
    """Every frame that will be sent, in order. ``truth`` are the books after the last of them."""

    def __init__(self, markets: int, messages: int, seed: int = 1) -> None:
        self.names = tickers(markets)
        self._random = random.Random(seed)
        self._levels: dict[str, dict[str, dict[int, int]]] = {}
        self._ids = {name: f"0d6d6c0e-5d5c-4a52-8f4e-{n:012x}" for n, name in enumerate(self.names)}
        for name in self.names:
            middle = self._random.randrange(20, 80)
            self._levels[name] = {
                "yes": {(middle - 1 - i) * 100: 100 * (5 + i) for i in range(min(DEPTH, middle - 1))},
                "no": {(99 - middle - i) * 100: 100 * (5 + i) for i in range(min(DEPTH, 99 - middle))},
            }
        self.seq = 0
        self._first = {
            name: {side: dict(levels) for side, levels in book.items()} for name, book in self._levels.items()
        }
        self.now = int(time.time() * 1000)
        self.snapshot_count = markets
        self._messages = messages

    def snapshots(self, sid: int) -> Iterator[bytes]:
        for name in self.names:
            book = self._first[name]
            self.seq += 1
            message: dict[str, Any] = {"market_ticker": name, "market_id": self._ids[name], "clock": 1}
            for side in ("yes", "no"):
                if book[side]:
                    message[f"{side}_dollars_fp"] = [
                        [f"{p / 10000:.4f}", f"{c / 100:.2f}"] for p, c in sorted(book[side].items())
                    ]
            yield msgspec.json.encode({"type": "orderbook_snapshot", "sid": sid, "seq": self.seq, "msg": message})

    def frames(self, ticker_sid: int, book_sid: int) -> Iterator[bytes]:
        pick, clock = self._random.randrange, 1
        count = len(self.names)
        for n in range(self._messages):
            name = self.names[pick(count)]
            if n % 4 == 0:
                yield self._ticker(name, ticker_sid, pick)
                continue
            side = "yes" if pick(2) else "no"
            levels = self._levels[name][side]
            price = list(levels)[pick(len(levels))]
            change = (pick(9) + 1) * 100
            if levels[price] > 2000:
                change = -change
            levels[price] += change
            clock += 1
            self.seq += 1
            yield (
                f'{{"type":"orderbook_delta","sid":{book_sid},"seq":{self.seq},"msg":{{"market_ticker":"{name}","market_id":"{self._ids[name]}",'
                f'"clock":{clock},"price_dollars":"{price / 10000:.4f}","delta_fp":"{change / 100:.2f}","side":"{side}",'
                f'"ts_ms":{self.now},"ts":"2026-11-23T02:13:21.456Z"}}}}'
            ).encode()

    def _ticker(self, name: str, sid: int, pick: Any) -> bytes:
        book = self._levels[name]
        bid, ask = max(book["yes"]), 10_000 - max(book["no"])
        return (
            f'{{"type":"ticker","sid":{sid},"msg":{{"market_ticker":"{name}","market_id":"{self._ids[name]}",'
            f'"price_dollars":"{bid / 10000:.4f}",'
            f'"yes_bid_dollars":"{bid / 10000:.4f}","yes_ask_dollars":"{ask / 10000:.4f}","yes_bid_size_fp":"{book["yes"][bid] / 100:.2f}",'
            f'"yes_ask_size_fp":"{book["no"][10_000 - ask] / 100:.2f}","last_trade_size_fp":"3.00",'
            f'"volume_fp":"{pick(9000)}.50",'
            f'"open_interest_fp":"2210.00","dollar_volume":2090,"dollar_open_interest":905,"ts":{self.now // 1000},"ts_ms":{self.now},'
            f'"time":"2026-11-23T02:13:20.123Z"}},"sending_ts_ms":{self.now}}}'
        ).encode()

    def truth(self) -> dict[str, dict[str, dict[int, int]]]:
        return self._levels


def framed(payload: bytes) -> bytes:
    """One unmasked text frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Connection:
    """One client: handshake, commands answered, and the flood when it has subscribed to everything."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.lock = threading.Lock()
        self.subscribed = threading.Event()
        self.expected = 1
        self.on_books: Callable[[list[str]], None] = self._count
        self._buffer = b""
        self._handshake()

    def send(self, payload: bytes) -> None:
        with self.lock:
            self.sock.sendall(framed(payload))

    def _count(self, tickers: list[str]) -> None:
        """The flood waits for the last command: a client that still sends does not read."""
        self.expected -= len(tickers)
        if self.expected <= 0:
            self.subscribed.set()

    def _handshake(self) -> None:
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.sock.recv(4096)
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        self.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept
            + b"\r\n\r\n"
        )

    def answer_commands(self) -> None:
        """Until the client has gone. Channel ``ticker`` is sid 1, books are sid 2."""
        sids = {"ticker": 1, "orderbook_delta": 2, "market_lifecycle_v2": 3, "fill": 4, "user_orders": 5}
        while (command := self._read()) is not None:
            number, params = command["id"], command.get("params") or {}
            if command["cmd"] == "subscribe":
                for channel in params["channels"]:
                    message = {"channel": channel, "sid": sids[channel]}
                    self.send(msgspec.json.encode({"type": "subscribed", "id": number, "msg": message}))
                if "orderbook_delta" in params["channels"]:
                    self.on_books(params["market_tickers"])
            elif params.get("action") == "add_markets":
                self.on_books(params["market_tickers"])
            else:
                self.send(msgspec.json.encode({"type": "ok", "id": number, "msg": []}))

    def _read(self) -> dict[str, Any] | None:
        try:
            first, second = self._exactly(2)
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(self._exactly(2), "big")
            elif size == 127:
                size = int.from_bytes(self._exactly(8), "big")
            mask = self._exactly(4)
            data = self._exactly(size)
        except (OSError, EOFError):
            return None
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        if first & 0x0F == 8:
            return None
        return msgspec.json.decode(payload) if first & 0x0F == 1 else self._read()

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            select.select([self.sock], [], [])
            with self.lock:  # a TLS connection must not be read and written at once
                self.sock.settimeout(0.01)
                try:
                    more = self.sock.recv(65536)
                except TimeoutError:
                    continue
                finally:
                    self.sock.settimeout(None)
            if not more:
                raise EOFError
            self._buffer += more
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


def serve(arguments: argparse.Namespace) -> None:
    """Accept one client after another; to each send the snapshots, then the flood at ``rate`` (0: as fast as it goes)."""
    listener = socket.create_server(("127.0.0.1", arguments.port))
    context = None
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate)
    prepared = _prepare(arguments)
    print(f"ready {listener.getsockname()[1]}", flush=True)
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if context is not None:
                sock = context.wrap_socket(sock, server_side=True)
            connection = Connection(sock)
            connection.expected = arguments.markets
            _serve_one(connection, prepared, arguments.rate)
        except OSError:
            continue


def _prepare(arguments: argparse.Namespace) -> tuple[bytes, list[bytes], int]:
    flood = Flood(arguments.markets, arguments.messages)
    snapshots = b"".join(map(framed, flood.snapshots(2)))
    frames = [framed(frame) for frame in flood.frames(1, 2)]
    size = 200 if not arguments.rate else max(1, int(arguments.rate / 1000))
    blocks = [b"".join(frames[i : i + size]) for i in range(0, len(frames), size)]
    if arguments.truth:
        Path(arguments.truth).write_bytes(msgspec.json.encode(flood.truth()))
    return snapshots, blocks, size


def _serve_one(connection: Connection, prepared: tuple[bytes, list[bytes], int], rate: float) -> None:
    snapshots, blocks, size = prepared
    threading.Thread(target=connection.answer_commands, daemon=True).start()
    if not connection.subscribed.wait(30):
        return
    time.sleep(0.3)
    with connection.lock:
        connection.sock.sendall(snapshots)
    time.sleep(3.0)
    began = time.monotonic()
    for n, block in enumerate(blocks):
        if rate and (ahead := began + n * size / rate - time.monotonic()) > 0:
            time.sleep(ahead)
        with connection.lock:
            connection.sock.sendall(block)
    connection.send(b'{"type":"flood_over"}')


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--markets", type=int, default=4096)
    parser.add_argument("--messages", type=int, default=400_000)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--certificate", default="")
    parser.add_argument("--truth", default="")
    serve(parser.parse_args(sys.argv[1:]))
