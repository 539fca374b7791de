"""A resting order's place in the queue at its price, advanced by prints and by what is displayed. Pure; counts 1/100 contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FALLS_KEPT_MS: Final = 120_000
"""A trade that is heard of later than this is nobody's explanation any more."""
MOST_FALLS: Final = 100


class QueueModel(StrEnum):
    """How a resting order advances. The truth lies between the first and the last."""

    OPTIMISTIC = "optimistic"
    """In front of everybody: the first print at its price is its own."""
    REALISTIC = "realistic"
    """Behind what was displayed; prints come off the front, cancels off the queue in proportion."""
    PESSIMISTIC = "pessimistic"
    """Behind what was displayed; only prints bring it forward, as if every cancel had come from behind."""


@dataclass(slots=True)
class Queue:
    """One resting order's place: ``ahead`` contracts (1/100) before it of ``level`` displayed."""

    model: QueueModel
    ahead: int
    level: int
    printed: int = 0
    """Printed since the level was last seen: that much of its next fall is no cancel."""
    falls: list[list[int]] = field(default_factory=list)
    """Falls of the level that were taken for cancels lately: when it was seen (ms), how much, and by how much ``ahead`` went down."""

    def on_print(self, count: int, at_ms: int) -> int:
        """Contracts of a print at our price, made at ``at_ms``, that reach us. The exchange sends most changes of a level before the trade
        that made them, and its list of trades comes seconds later: what the level had fallen by then was this trade and no cancel."""
        if self.model is QueueModel.OPTIMISTIC:
            return count
        seen = self._was_no_cancel(count, at_ms)
        reached = max(0, count - self.ahead)
        self.ahead = max(0, self.ahead - count)
        self.printed += count - seen
        return reached

    def on_level(self, displayed: int, at_ms: int) -> None:
        """The recorded size of the level changed; it was this at ``at_ms``."""
        fallen, before = self.level - displayed, self.ahead
        cancelled = max(0, fallen - self.printed)
        self.printed = max(0, self.printed - max(0, fallen))
        if self.model is QueueModel.REALISTIC and cancelled and self.level:
            self.ahead -= self.ahead * cancelled // self.level
        self.level = displayed
        if self.model is QueueModel.REALISTIC:
            self.ahead = min(self.ahead, displayed)
        if cancelled:
            known = [fall for fall in self.falls if fall[0] > at_ms - FALLS_KEPT_MS]
            self.falls = [*known, [at_ms, cancelled, before - self.ahead]][-MOST_FALLS:]

    def _was_no_cancel(self, count: int, at_ms: int) -> int:
        """How much of a trade the level had shown before it was heard of: what went down by it goes up again. A level that was seen before
        the trade was made knows nothing of it."""
        left = count
        for fall in self.falls:
            if fall[0] >= at_ms and left:
                part = min(left, fall[1])
                again = fall[2] * part // fall[1]
                fall[1] -= part
                fall[2] -= again
                self.ahead += again
                left -= part
        if left < count:
            self.falls = [fall for fall in self.falls if fall[1]]
        return count - left
