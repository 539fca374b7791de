"""How far our clock is from the exchange's, measured from the ``Date`` header of its answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

Clock = Callable[[], int]
"""Unix time in whole milliseconds."""


def now_ms() -> int:
    """The wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class SkewMeter:
    """Narrows the difference between two clocks from many coarse observations.

    ``Date`` has whole seconds, so one answer only says that the exchange's clock stood somewhere in
    ``[date, date + 1 s)`` at some moment between sending and receiving. Each answer gives such an interval;
    their intersection soon is a few tens of milliseconds wide. An empty intersection means that a clock was
    set: start over.
    """

    __slots__ = ("_high", "_low", "_observed")

    def __init__(self) -> None:
        self._low: int | None = None
        self._high: int | None = None
        self._observed = 0.0

    def observe(self, date_header: str | None, sent_ms: int, received_ms: int) -> None:
        """Take one answer into account. An absent or unreadable header is no observation."""
        if not date_header:
            return
        try:
            date_ms = int(parsedate_to_datetime(date_header).timestamp()) * 1000
        except (TypeError, ValueError):
            return
        self._observed = time.monotonic()
        low, high = date_ms - received_ms, date_ms + 1000 - sent_ms
        if self._low is None or self._high is None or low > self._high or high < self._low:
            self._low, self._high = low, high
        else:
            self._low, self._high = max(low, self._low), min(high, self._high)

    @property
    def skew_ms(self) -> int | None:
        """Exchange clock minus ours in ms (positive: we are behind); None before the first answer."""
        return None if self._low is None or self._high is None else (self._low + self._high) // 2

    def measured_within(self, seconds: float) -> int | None:
        """``skew_ms`` if an answer of the last ``seconds`` confirms it, else None: a clock may have been set since."""
        return self.skew_ms if time.monotonic() - self._observed <= seconds else None

    @property
    def uncertainty_ms(self) -> int | None:
        """Half the width of what is still possible."""
        return None if self._low is None or self._high is None else (self._high - self._low + 1) // 2
