"""The stale answers of a CDN: public quotes up to 15 s old, of different ages (PROTOCOL 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..exchange import Exchange

_MOST = 2_000


class StaleCache:
    """Answers by path and query, kept for ``stale_cache_ms``."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[int, tuple[int, Any]]] = {}

    def answer(
        self, exchange: Exchange, path: str, pairs: list[tuple[str, str]], fresh: Callable[[], tuple[int, Any]]
    ) -> tuple[int, Any]:
        """The kept answer while it is young enough, else a fresh one."""
        key, now = (path, tuple(pairs)), exchange.now()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < exchange.config.stale_cache_ms:
            return kept[1]
        answer = fresh()
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = (now, answer)
        return answer
