"""The stale answers of a CDN: public quotes up to 15 s old, of different ages (docs/kalshi-protocol.md 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_CAPACITY = 2_000


class StaleCache:
    """Answers (status, body) by path and query."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[int, tuple[int, Any]]] = {}

    def clear(self) -> None:
        self._kept.clear()

    def answer(
        self,
        path: str,
        pairs: list[tuple[str, str]],
        fresh: Callable[[], tuple[int, Any]],
        *,
        now_ms: int,
        max_age_ms: int,
    ) -> tuple[int, Any]:
        """The cached answer while it is younger than ``max_age_ms``, else a fresh one."""
        key = (path, tuple(pairs))
        kept = self._kept.get(key)
        if kept is not None and now_ms - kept[0] < max_age_ms:
            return kept[1]
        answer = fresh()
        if len(self._kept) >= _CAPACITY:
            self._kept.clear()
        self._kept[key] = (now_ms, answer)
        return answer
