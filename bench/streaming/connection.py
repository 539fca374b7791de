"""The exchange's end of one WebSocket, as small as the benchmarks need it: handshake, commands answered, frames sent."""

from __future__ import annotations

import base64
import hashlib
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bench.streaming.frames import framed

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SIDS: Final = {"ticker": 1, "orderbook_delta": 2, "market_lifecycle_v2": 3, "fill": 4, "user_orders": 5}


class Connection:
    """``handle`` reads and answers in the caller's thread; a TLS socket must not be used by two. ``send`` is for any thread on a
    plain socket. ``on_books(tickers)`` is called when books are subscribed to."""

    def __init__(self, sock: socket.socket, on_books: Callable[[list[str]], None]) -> None:
        self.sock = sock
        self.on_books = on_books
        self._lock = threading.Lock()
        self._buffer = b""
        self._handshake()

    def send(self, payload: bytes) -> None:
        self.send_raw(framed(payload))

    def send_raw(self, data: bytes) -> None:
        """Frames that are ready."""
        with self._lock:
            self.sock.sendall(data)

    def answer_commands(self) -> None:
        """Until the client has gone."""
        while self.handle(None):
            pass

    def handle(self, timeout: float | None) -> bool:
        """Answer what comes within ``timeout`` seconds (None: wait for something). False when the client has gone."""
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not pending and not select.select([self.sock], [], [], timeout)[0]:
            return True
        try:
            more = self.sock.recv(65536)
        except OSError:
            return False
        self._buffer += more
        while (message := self._next()) is not None:
            opcode, payload = message
            if opcode == 8:
                return False
            if opcode == 9:
                self.send_raw(bytes((0x8A, len(payload))) + payload)
            if opcode == 1:
                self._answer(msgspec.json.decode(payload))
        return bool(more)

    def _answer(self, command: dict[str, Any]) -> None:
        number, params = command["id"], command.get("params") or {}
        if command["cmd"] == "subscribe":
            for channel in params["channels"]:
                message = {"channel": channel, "sid": SIDS[channel]}
                self.send(msgspec.json.encode({"type": "subscribed", "id": number, "msg": message}))
            if "orderbook_delta" in params["channels"]:
                self.on_books(params["market_tickers"])
        elif params.get("action") == "add_markets":
            self.on_books(params["market_tickers"])
        else:
            self.send(msgspec.json.encode({"type": "ok", "id": number, "msg": []}))

    def _next(self) -> tuple[int, bytes] | None:
        """One masked frame out of the buffer: opcode and payload."""
        data = self._buffer
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            at += 2 if size == 126 else 8
            size = int.from_bytes(data[2:at], "big")
        if len(data) < at + 4 + size:
            return None
        mask, body = data[at : at + 4], data[at + 4 : at + 4 + size]
        self._buffer = data[at + 4 + size :]
        key = (mask * (size // 4 + 1))[:size]
        return data[0] & 0x0F, (int.from_bytes(body, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")

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
