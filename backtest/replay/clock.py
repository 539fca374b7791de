"""The clock of a replay: it stands where the tape stands, and to sleep means to let the tape run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.utils import timezone

from kalbot.common import clock

SECOND: int = 10**9


class SimulatedClock:
    """``advance(until_ns)`` is called to sleep; it applies what the tape holds until then and moves the clock with ``set``."""

    def __init__(self, start_ns: int) -> None:
        self._began = self._now = start_ns
        self.advance: Callable[[int], None] = self.set

    def set(self, now_ns: int) -> None:
        """Move forward to ``now_ns``; the clock never runs backwards."""
        if now_ns > self._now:
            self._now = now_ns

    def time_ns(self) -> int:
        """See kalbot.common.clock.Clock."""
        return self._now

    def monotonic(self) -> float:
        """See kalbot.common.clock.Clock."""
        return (self._now - self._began) / SECOND

    def sleep(self, seconds: float) -> None:
        """See kalbot.common.clock.Clock."""
        self.advance(self._now + int(seconds * SECOND))


@contextmanager
def in_place(simulated: clock.Clock) -> Iterator[None]:
    """Go by ``simulated`` until the block ends, the times included that Django writes into rows by itself."""
    before = timezone.now
    with clock.use(simulated):
        timezone.now = clock.now
        try:
            yield
        finally:
            timezone.now = before
