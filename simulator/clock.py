"""The exchange's clock: the real one, or one that a test moves by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Milliseconds since the epoch."""

    manual: bool

    def now_ms(self) -> int: ...

    def move_to(self, now_ms: int) -> None:
        """Move a manual clock forward, never back; the machine's clock moves by itself."""
        ...


class RealClock:
    """The machine's clock; never steps back."""

    manual = False

    def __init__(self) -> None:
        self._last = 0

    def now_ms(self) -> int:
        self._last = max(self._last, time.time_ns() // 1_000_000)
        return self._last

    def move_to(self, now_ms: int) -> None:
        """The machine's clock moves by itself."""


class ManualClock:
    """Stands still until it is set; every run with the same requests is then identical."""

    manual = True

    def __init__(self, start_ms: int) -> None:
        self._now = start_ms

    def now_ms(self) -> int:
        return self._now

    def move_to(self, now_ms: int) -> None:
        """Move forward to ``now_ms``; an instant that has passed changes nothing."""
        self._now = max(self._now, now_ms)

    def set(self, now_ms: int) -> None:
        """Move forward to ``now_ms``; moving back is refused with ValueError."""
        if now_ms < self._now:
            raise ValueError("the exchange clock does not run backwards")
        self._now = now_ms


def iso(ms: int) -> str:
    """RFC 3339 with milliseconds, as the exchange writes times."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def iso_seconds(ms: int) -> str:
    """RFC 3339 with whole seconds, for scheduled instants."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso_ms(text: str) -> int:
    """RFC 3339 to milliseconds; ValueError if it is not one."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)
