"""Public trades of a tape, counted for whoever chooses by what is traded (``markets.traded``), when the product would have counted them."""

from __future__ import annotations

from kalbot.common import clock
from markets import traded
from markets.kalshi.schemas.trades import Trade
from trading.venues import prints


class Counted:
    """Trades wait until a task may read their numbers (``before_task``)."""

    def __init__(self) -> None:
        self.is_wanted = False
        """Somebody chooses by what is traded."""
        self._waiting: list[Trade] = []
        self._due_ms: int | None = None
        """When trades are counted next, none later than this; None before the first. What was read from the exchange's list is counted at
        once, as it was by whoever read it."""
        self._known_until_ms = 0
        """Until when the counting goes on without a word: rates are of the time since it began."""

    def add(self, trade: Trade) -> None:
        """A trade that came now."""
        if not self.is_wanted:
            return
        if clock.now_ms() >= self._known_until_ms:
            self._count([])  # it begins with the first that is read, not when a task next wants to know
        self._waiting.append(trade)
        self._due_ms = self._due_ms or 0

    def was_listed(self) -> None:
        """What waits was read from the exchange's list."""
        if self._waiting:
            self._due_ms = 0

    def before_task(self) -> None:
        """Count what waits, as often as the product reads it."""
        now = clock.now_ms()
        if self._due_ms is not None and now >= self._due_ms:
            self._due_ms = now + prints.EVERY * 1000
            self._count(self._waiting)
            self._waiting.clear()

    def _count(self, trades: list[Trade]) -> None:
        traded.count(trades)
        self._known_until_ms = clock.now_ms() + traded.BUCKET_SECONDS * 1000
