"""Reading a WebSocket connection: as many payloads as are there, in one call."""

from __future__ import annotations

import select
import socket
import ssl
from typing import Final, Protocol

import websocket
from websocket import ABNF

from ..errors import Disconnected

BATCH: Final = 512
STALL_SECONDS: Final = 10.0


class FrameReader(Protocol):
    """A connection after its handshake. ``heard`` counts every frame, pings included."""

    heard: int

    def read(self, timeout: float) -> list[bytes]:
        """Payloads of the data messages that have come, waiting up to ``timeout`` seconds for the first.

        Answers pings. Raises Disconnected when the connection has ended.
        """

    def send(self, payload: bytes) -> None:
        """Send one text message. Raises Disconnected."""

    def close(self) -> None:
        """End the connection; never raises."""


class SocketReader:
    """What every FrameReader shares: waiting, sending, ending. Subclasses collect payloads."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._connection.settimeout(STALL_SECONDS)
        self._ended: str | None = None
        self.heard = 0

    def read(self, timeout: float) -> list[bytes]:
        """See FrameReader. What came before the end, or before a protocol error, is handed out first."""
        if self._ended is not None:
            raise Disconnected(self._ended)
        payloads: list[bytes] = []
        try:
            self._collect(timeout, payloads)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            self._ended = self._ended or f"{type(error).__name__}: {error}"
        if self._ended is not None and not payloads:
            raise Disconnected(self._ended)
        return payloads

    def _collect(self, timeout: float, payloads: list[bytes]) -> None:
        """Append the payloads that have come; a close frame or an error ends the connection."""
        raise NotImplementedError

    def send(self, payload: bytes) -> None:
        """See FrameReader."""
        try:
            self._connection.send(payload, ABNF.OPCODE_TEXT)
        except (OSError, websocket.WebSocketException) as error:
            raise Disconnected(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """See FrameReader. No closing handshake on a connection that has already ended."""
        ended, self._ended = self._ended, self._ended or "closed here"
        if ended is not None:
            self._shut_down()
            return
        try:
            self._connection.close(timeout=1)
        except (OSError, websocket.WebSocketException):
            self._shut_down()

    def _shut_down(self) -> None:
        self._connection.shutdown()  # type: ignore[no-untyped-call]  # the library left this method untyped

    def _socket(self) -> socket.socket:
        if self._connection.sock is None:
            raise OSError("the connection is closed")
        return self._connection.sock

    def _ready(self, wait: float) -> bool:
        """Whether bytes are there within ``wait`` seconds. TLS may have some that the system does not know of."""
        sock = self._socket()
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        return bool(select.select([sock], [], [], wait)[0])


class LibraryReader(SocketReader):
    """The library's own receiver, called until nothing more is there."""

    def _collect(self, timeout: float, payloads: list[bytes]) -> None:
        wait = timeout
        while len(payloads) < BATCH and self._ready(wait):
            opcode, data = self._connection.recv_data(control_frame=True)
            self.heard += 1
            wait = 0.0
            if opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY):
                payloads.append(data)
            elif opcode == ABNF.OPCODE_CLOSE:
                self._ended = close_reason(data)
                return


def close_reason(data: bytes) -> str:
    """The sentence of a close frame's payload: a code of two bytes and words, or nothing."""
    text = f"{int.from_bytes(data[:2], 'big')} {data[2:].decode('utf-8', 'replace')}".strip() if len(data) > 1 else ""
    return f"closed by the exchange: {text or 'no reason given'}"
