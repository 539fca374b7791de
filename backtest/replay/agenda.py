"""What a replay still has to do, in the order of its times; what was scheduled first comes first where they are the same."""

from __future__ import annotations

import heapq
from itertools import count
from typing import Any

from backtest.replay.clock import SECOND

Job = tuple[int, int, str, tuple[Any, ...]]
"""Time (Unix nanoseconds), number, task, arguments."""


class Agenda:
    """``jobs`` is a heap: the first is the next."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self._waiting: set[tuple[str, tuple[Any, ...]]] = set()
        self._numbers = count()

    def add(self, at: int, name: str, args: tuple[Any, ...] = ()) -> bool:
        """False where the same waits already: it will see what has happened since."""
        if (name, args) in self._waiting:
            return False
        self._waiting.add((name, args))
        heapq.heappush(self.jobs, (at, next(self._numbers), name, args))
        return True

    def every(self, at: int, seconds: int, name: str) -> None:
        """At the first multiple of ``seconds`` after ``at``."""
        if (name, ()) not in self._waiting:
            period = seconds * SECOND
            self.add((at // period + 1) * period, name)

    def has(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether this waits."""
        return (name, args) in self._waiting

    def pop(self) -> tuple[int, str, tuple[Any, ...]]:
        """The next: time, task, arguments."""
        at, _, name, args = heapq.heappop(self.jobs)
        self._waiting.discard((name, args))
        return at, name, args
