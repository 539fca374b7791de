"""What is on its way out of a connection. Sending never waits: a peer that does not read must not hold whoever sends."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Final

from websocket import ABNF

STALL_SECONDS: Final = 10.0
"""A peer that takes nothing for so long does not read."""
MOST_BYTES: Final = 4 << 20
"""More than any row of commands takes."""


class Outgoing:
    """Frames that wait for the socket, in order, and the one pong that is owed. The socket must not block.

    Of many pings only the latest is answered, as RFC 6455 (5.5.3) allows: a flood of them costs one pong.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = bytearray()
        self._pong: bytes | None = None
        self._stuck_since: float | None = None

    @property
    def waiting(self) -> bool:
        return bool(self._bytes) or self._pong is not None

    def add(self, payload: bytes, opcode: int = ABNF.OPCODE_TEXT) -> None:
        """One more frame. OSError if too much waits already."""
        if len(self._bytes) + len(payload) > MOST_BYTES:
            raise OSError("the exchange does not read: too much waits to be sent")
        self._bytes += ABNF.create_frame(payload, opcode).format()

    def owe_pong(self, data: bytes) -> None:
        self._pong = data

    def flush(self) -> None:
        """Hand over what the socket takes now. OSError if it has taken nothing for ``STALL_SECONDS``, or is gone."""
        while self.waiting:
            if not self._bytes and self._pong is not None:
                self._bytes += ABNF.create_frame(self._pong, ABNF.OPCODE_PONG).format()
                self._pong = None
            try:
                sent = self._sock.send(self._bytes)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._note_stall()
                return
            self._stuck_since = None
            del self._bytes[:sent]
        self._stuck_since = None

    def _note_stall(self) -> None:
        now = time.monotonic()
        if self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since > STALL_SECONDS:
            raise OSError(f"the exchange has not read for {STALL_SECONDS:.0f} s")
