"""The time, in one place so that a replay and a test can set it.

Everything that decides anything asks here; only measurements of our own speed use ``time.monotonic`` directly. ``use`` puts another
clock in place for the whole process: the backtest's stands where the tape stands.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def time_ns(self) -> int:
        """Unix time in nanoseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, from any beginning."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...


class SystemClock:
    """The machine's own."""

    def time_ns(self) -> int:
        """See Clock."""
        return time.time_ns()

    def monotonic(self) -> float:
        """See Clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(seconds)


_clock: Clock = SystemClock()


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Go by ``clock`` until the block ends, in every thread of this process."""
    global _clock
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before


def now() -> datetime:
    """Aware UTC time."""
    return from_us(_clock.time_ns() // 1_000)


def now_ms() -> int:
    """Unix time in milliseconds."""
    return _clock.time_ns() // 1_000_000


def now_us() -> int:
    """Unix microseconds."""
    return _clock.time_ns() // 1000


def monotonic() -> float:
    """Seconds for measuring how long ago something was."""
    return _clock.monotonic()


def from_ms(ms: int) -> datetime:
    """Unix milliseconds as aware UTC time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def from_us(us: int) -> datetime:
    """Unix microseconds as aware UTC time, exactly."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000)


def sleep(seconds: float) -> None:
    """Block this thread; nothing for zero or less."""
    if seconds > 0:
        _clock.sleep(seconds)
