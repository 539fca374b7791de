"""Instants at which something happens, in order. Equal instants fire in the order they were set."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Timers:
    """A heap of (instant, number, action)."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action]] = []
        self._number = 0

    def at(self, when_ms: int, action: Action) -> None:
        self._number += 1
        heapq.heappush(self._heap, (when_ms, self._number, action))

    def pop_due(self, now_ms: int) -> tuple[int, Action] | None:
        """The earliest action that is due, taken off the heap."""
        if self._heap and self._heap[0][0] <= now_ms:
            when, _, action = heapq.heappop(self._heap)
            return when, action
        return None

    def clear(self) -> None:
        self._heap.clear()
