"""When to write: at once while the stream keeps up, in larger batches while it is behind."""

from __future__ import annotations

import time
from typing import Final

POLL: Final = 0.05
LEAST_PAUSE: Final = 0.0005
RENEW: Final = 0.5
"""The lease is renewed so often at least, changes or none."""
ANSWER_POLL: Final = 0.0002
OVERDUE: Final = 1.0
"""A flush without an answer for so long is waited for, which ends in an answer or in an error."""
BUSY_FRAMES: Final = 400
"""So many frames in one read are a backlog: then messages a second count, otherwise the age of each."""
CALM_SHARE: Final = 0.5
BUSY_SHARE: Final = 3.0
"""Pause after a flush in lengths of it. Behind a backlog writing takes a quarter of the time at most, and what changes meanwhile is
written once. Without one a longer pause would only feed itself: more has changed, so the next flush is longer."""


class Pace:
    """Seconds on the monotonic clock."""

    def __init__(self) -> None:
        self.flushed = 0.0
        self.frames = 0
        """How many came with the last read."""
        self._pause = LEAST_PAUSE

    def patience(self, in_flight: bool, is_dirty: bool) -> float:
        """How long to wait for frames: until an answer may be there, or until the next flush is due."""
        if in_flight:
            return ANSWER_POLL
        if not is_dirty:
            return POLL
        return max(0.0, self.flushed + self._pause - time.monotonic())

    def is_due(self, is_dirty: bool) -> bool:
        """Whether to write now: what changed, or only the lease."""
        since = time.monotonic() - self.flushed
        return (is_dirty and since >= self._pause) or since >= RENEW

    @property
    def is_overdue(self) -> bool:
        """Whether the answer to the last flush ought to have come."""
        return time.monotonic() - self.flushed > OVERDUE

    def wrote(self, began: float) -> None:
        """A flush that began at ``began`` has been sent."""
        self.flushed = time.monotonic()
        share = BUSY_SHARE if self.frames > BUSY_FRAMES else CALM_SHARE
        self._pause = max(LEAST_PAUSE, share * (self.flushed - began))
