"""The time, in one place so that tests can set it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Aware UTC time."""
    return datetime.now(UTC)


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def from_ms(ms: int) -> datetime:
    """Unix milliseconds as aware UTC time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def sleep(seconds: float) -> None:
    """Block this thread; nothing for zero or less."""
    if seconds > 0:
        time.sleep(seconds)
