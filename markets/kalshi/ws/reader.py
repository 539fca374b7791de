"""Reading a WebSocket connection: what every reader promises, and the reason of a close frame."""

from __future__ import annotations

from typing import Protocol


class FrameReader(Protocol):
    """A connection after its handshake. ``heard`` counts every frame, pings included."""

    heard: int

    def read(self, timeout: float) -> list[bytes]:
        """Payloads of the data messages that have come, waiting up to ``timeout`` seconds for the first.

        Answers pings. Raises Disconnected when the connection has ended, or when the peer does what no exchange does:
        floods control frames, sends endless fragments, or does not read.
        """

    def send(self, payload: bytes) -> None:
        """Send one text message. Never waits: what the socket does not take goes out with the next reads. Raises
        Disconnected."""

    def close(self) -> None:
        """End the connection; never raises, never waits."""


def close_reason(data: bytes) -> str:
    """The sentence of a close frame's payload: a code of two bytes and words, or nothing."""
    text = f"{int.from_bytes(data[:2], 'big')} {data[2:].decode('utf-8', 'replace')}".strip() if len(data) > 1 else ""
    return f"closed by the exchange: {text or 'no reason given'}"
