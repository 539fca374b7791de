"""A resting order's place in the queue at its price, advanced by prints and by what is displayed. Pure; counts 1/100 contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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

    def on_print(self, count: int) -> int:
        """Contracts of a print at our price that reach us."""
        if self.model is QueueModel.OPTIMISTIC:
            return count
        reached = max(0, count - self.ahead)
        self.ahead = max(0, self.ahead - count)
        self.printed += count
        return reached

    def on_level(self, displayed: int) -> None:
        """The recorded size of the level changed."""
        fallen = self.level - displayed
        cancelled = max(0, fallen - self.printed)
        self.printed = max(0, self.printed - max(0, fallen))
        if self.model is QueueModel.REALISTIC and cancelled and self.level:
            self.ahead -= self.ahead * cancelled // self.level
        self.level = displayed
        if self.model is QueueModel.REALISTIC:
            self.ahead = min(self.ahead, displayed)
