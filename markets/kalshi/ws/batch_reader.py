"""Reads WebSocket frames in batches: one system call for what the socket holds, then frame after frame from the buffer.

The library's receiver makes several calls and objects for every frame, which is most of the cost of a flood, and waits for
the rest of a frame that began. Handshake and masking stay the library's (RFC 6455, section 5). Nothing here waits for the
peer but the one ``select`` with the caller's timeout, and what one read may cost is bounded. Tests compare it with the
library's own on random frames.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from contextlib import suppress
from typing import Final

import websocket
from websocket import ABNF

from ..errors import Disconnected
from .outgoing import Outgoing
from .reader import close_reason

BUFFER: Final = 1 << 18
LARGEST: Final = 1 << 26
"""64 MiB, the largest message the exchange sends (docs/kalshi-protocol.md 12.1)."""
MOST_PARTS: Final = 4_096
"""Fragments of one message; the exchange sends whole ones."""
FRAMES_PER_READ: Final = 4_096
"""What is left over is handed out by the next read, without waiting."""
CONTROL_FRAMES: Final = 1_000
"""In ``CONTROL_SECONDS``. The exchange pings every 10 s; a process that slept for an hour finds 360 pings."""
CONTROL_SECONDS: Final = 10.0

_WHOLE_TEXT: Final = 0x80 | ABNF.OPCODE_TEXT


class BatchReader:
    """A FrameReader with a buffer of its own."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        if connection.sock is None:
            raise Disconnected("the connection is closed")
        self._connection = connection
        self._sock: socket.socket = connection.sock
        self._sock.setblocking(False)
        self._outgoing = Outgoing(self._sock)
        self._ended: str | None = None
        self.heard = 0
        self._buffer = bytearray(BUFFER)
        self._start = 0
        self._end = 0
        self._left_over = False
        self._message = bytearray()
        self._parts = 0
        self._control_since = time.monotonic()
        self._controls = 0

    def read(self, timeout: float) -> list[bytes]:
        """See FrameReader. What came before the end, or before a protocol error, is handed out first."""
        if self._ended is not None:
            raise Disconnected(self._ended)
        payloads: list[bytes] = []
        try:
            try:
                if self._left_over or self._ready(timeout):
                    self._fill()
            finally:
                self._parse(payloads)  # what came before an error counts
            self._outgoing.flush()
        except (OSError, ValueError) as error:
            self._ended = self._ended or f"{type(error).__name__}: {error}"
        if self._ended is not None and not payloads:
            raise Disconnected(self._ended)
        return payloads

    def send(self, payload: bytes) -> None:
        """See FrameReader."""
        try:
            self._outgoing.add(payload)
            self._outgoing.flush()
        except OSError as error:
            self._ended = self._ended or f"{type(error).__name__}: {error}"
            raise Disconnected(self._ended) from error

    def close(self) -> None:
        """See FrameReader. A close frame is sent if the socket takes it; the answer is not awaited."""
        if self._ended is None:
            self._ended = "closed here"
            with suppress(OSError):
                self._outgoing.add((1000).to_bytes(2, "big"), ABNF.OPCODE_CLOSE)
                self._outgoing.flush()
        self._connection.shutdown()  # type: ignore[no-untyped-call]  # the library left this method untyped

    def _ready(self, wait: float) -> bool:
        """Whether bytes are there within ``wait`` seconds; what waits to be sent goes out meanwhile. TLS may have bytes
        that the system does not know of."""
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        end = time.monotonic() + wait
        while True:
            self._outgoing.flush()
            writers = [self._sock] if self._outgoing.waiting else []
            readable, writable, _ = select.select([self._sock], writers, [], max(0.0, end - time.monotonic()))
            if readable:
                return True
            if not writable or time.monotonic() >= end:
                return False

    def _fill(self) -> None:
        """Take what the socket holds. A plain socket gives it in one call, TLS gives one record at a time."""
        self._make_space()
        if self._end == len(self._buffer):
            return  # full of frames that the last read left over
        with memoryview(self._buffer) as view, suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not isinstance(self._sock, ssl.SSLSocket):
                self._end += _taken(self._sock.recv_into(view[self._end :]))
                return
            while self._end < len(view):
                self._end += _taken(self._sock.recv_into(view[self._end :]))

    def _make_space(self) -> None:
        """Move what is unread to the front; grow only for a frame that is larger than the buffer, shrink after it."""
        unread = self._end - self._start
        if self._start:
            if not unread and len(self._buffer) > BUFFER:
                self._buffer = bytearray(BUFFER)
            else:
                self._buffer[:unread] = self._buffer[self._start : self._end]
            self._start, self._end = 0, unread
        if self._end == len(self._buffer) and not self._left_over:
            self._buffer.extend(bytes(len(self._buffer)))

    def _parse(self, payloads: list[bytes]) -> None:
        """Cut complete frames out of the buffer; what is left over waits for more bytes, or for the next read."""
        buffer, at, end = self._buffer, self._start, self._end
        most = self.heard + FRAMES_PER_READ
        self._left_over = False
        while end - at >= 2:
            if self.heard >= most:
                self._left_over = True
                break
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
            at = self._start = after
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
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise ValueError(f"a message in more than {MOST_PARTS} parts")
        if len(self._message) + len(data) > LARGEST:
            raise ValueError("a message is too large")
        self._message += data
        if final:
            payloads.append(bytes(self._message))
            self._message, self._parts = bytearray(), 0

    def _control(self, opcode: int, data: bytes) -> None:
        now = time.monotonic()
        if now - self._control_since > CONTROL_SECONDS:
            self._control_since, self._controls = now, 0
        self._controls += 1
        if self._controls > CONTROL_FRAMES:
            raise ValueError(f"more than {CONTROL_FRAMES} control frames in {CONTROL_SECONDS:.0f} s")
        if opcode == ABNF.OPCODE_PING:
            self._outgoing.owe_pong(data)
        elif opcode == ABNF.OPCODE_CLOSE:
            self._ended = close_reason(data)
        elif opcode != ABNF.OPCODE_PONG:
            raise ValueError(f"unknown opcode {opcode}")


def _taken(count: int) -> int:
    if not count:
        raise OSError("the exchange ended the connection")
    return count
