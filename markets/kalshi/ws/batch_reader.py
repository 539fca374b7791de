"""Reads WebSocket frames in batches: one system call for what the socket holds, then frame after frame from the buffer.

The library's receiver makes several calls and objects for every frame, which is most of the cost of a flood. Handshake,
masking, sending and closing stay the library's; only receiving is done here (RFC 6455, section 5). Tests compare it
with the library's own on random frames.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final

import websocket
from websocket import ABNF

from .reader import STALL_SECONDS, SocketReader, close_reason

BUFFER: Final = 1 << 18
LARGEST: Final = 1 << 26
"""64 MiB, the largest message the exchange sends (docs/kalshi-protocol.md 12.1)."""

_WHOLE_TEXT: Final = 0x80 | ABNF.OPCODE_TEXT


class BatchReader(SocketReader):
    """A FrameReader with a buffer of its own."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        super().__init__(connection)
        self._buffer = bytearray(BUFFER)
        self._start = 0
        self._end = 0
        self._parts: list[bytes] = []

    def _collect(self, timeout: float, payloads: list[bytes]) -> None:
        try:
            if self._ready(timeout):
                self._fill()
        finally:
            self._parse(payloads)  # what came before an error counts

    def _fill(self) -> None:
        """Take what the socket holds. A plain socket gives it in one call, TLS gives one record at a time."""
        sock = self._socket()
        if self._start:
            self._buffer[: self._end - self._start] = self._buffer[self._start : self._end]
            self._start, self._end = 0, self._end - self._start
        if self._end == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        with memoryview(self._buffer) as view:
            if isinstance(sock, ssl.SSLSocket):
                self._take_records(sock, view)
            else:
                self._end += _taken(sock.recv_into(view[self._end :]))

    def _take_records(self, sock: ssl.SSLSocket, view: memoryview) -> None:
        """Every record that is there, until one is not complete or the buffer is full."""
        sock.settimeout(0)
        try:
            while self._end < len(view):
                self._end += _taken(sock.recv_into(view[self._end :]))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        finally:
            sock.settimeout(STALL_SECONDS)

    def _parse(self, payloads: list[bytes]) -> None:
        """Cut complete frames out of the buffer; what is left over waits for more bytes."""
        buffer, at, end = self._buffer, self._start, self._end
        while end - at >= 2:
            first, size = buffer[at], buffer[at + 1]
            body = at + 2
            if size >= 126:
                if size > 127:
                    raise ValueError("a server must not mask its frames")
                body += 2 if size == 126 else 8
                if end < body:
                    break
                size = int.from_bytes(buffer[at + 2 : body], "big")
                if size > LARGEST:
                    raise ValueError(f"a frame of {size} bytes")
            after = body + size
            if after > end:
                break
            at = after
            self.heard += 1
            if first == _WHOLE_TEXT and not self._parts:
                payloads.append(bytes(buffer[body:after]))
            else:
                self._other(first, bytes(buffer[body:after]), payloads)
                if self._ended is not None:
                    break
        self._start = at

    def _other(self, first: int, data: bytes, payloads: list[bytes]) -> None:
        """Everything but a text message in one frame: control frames, parts of messages, protocol errors."""
        final, opcode = first & 0x80, first & 0x0F
        if first & 0x70:
            raise ValueError("a frame uses an extension that was not agreed on")
        if opcode & 0x08:
            if not final or len(data) > 125:
                raise ValueError("a control frame must be short and whole")
            self._control(opcode, data)
            return
        if opcode not in (ABNF.OPCODE_CONT, ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY):
            raise ValueError(f"unknown opcode {opcode}")
        if (opcode == ABNF.OPCODE_CONT) != bool(self._parts):
            raise ValueError("a part of a message came out of turn")
        self._parts.append(data)
        if sum(map(len, self._parts)) > LARGEST:
            raise ValueError("a message is too large")
        if final:
            payloads.append(b"".join(self._parts))
            self._parts.clear()

    def _control(self, opcode: int, data: bytes) -> None:
        if opcode == ABNF.OPCODE_PING:
            with suppress(OSError, websocket.WebSocketException):  # the next read reports a lost connection
                self._connection.pong(data)
        elif opcode == ABNF.OPCODE_CLOSE:
            self._ended = close_reason(data)
        elif opcode != ABNF.OPCODE_PONG:
            raise ValueError(f"unknown opcode {opcode}")


def _taken(count: int) -> int:
    if not count:
        raise OSError("the exchange ended the connection")
    return count
