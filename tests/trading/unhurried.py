"""A clock at a hundredth of the machine's speed: on a loaded machine a test is not late for the limits of clocks, prices and decisions."""

from __future__ import annotations

import time
from typing import Final

SLOWER: Final = 100


class UnhurriedClock:
    """See ``kalbot.common.clock.Clock``. Who sleeps has slept at once."""

    def __init__(self) -> None:
        self._wall, self._began, self._slept = time.time_ns(), time.monotonic_ns(), 0

    def _passed(self) -> int:
        return (time.monotonic_ns() - self._began) // SLOWER + self._slept

    def time_ns(self) -> int:
        """Unix time in nanoseconds."""
        return self._wall + self._passed()

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed() / 1e9

    def sleep(self, seconds: float) -> None:
        """It is so much later."""
        self._slept += int(seconds * 1e9)
