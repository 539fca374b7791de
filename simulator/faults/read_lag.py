"""Reads that lag behind writes: an accepted write may be missing from a list for half a second (docs/kalshi-protocol.md 9.7)."""

from __future__ import annotations

import copy
from collections import deque

from simulator.accounts.ledger import Ledger
from simulator.accounts.records import Changes


class ReadSide:
    """The live ledger, or a copy of it that is some milliseconds behind."""

    def __init__(self) -> None:
        self._copy: Ledger | None = None
        self._late: deque[Changes] = deque()

    def note(self, changes: Changes) -> None:
        """Remember what changed for the copy."""
        if self._copy is not None:
            self._late.append(changes)

    def needs_copy(self, delay_ms: int) -> bool:
        """Whether the next read starts a copy; the live ledger must have no changes pending by then."""
        return delay_ms > 0 and self._copy is None

    def ledger(self, live: Ledger, now_ms: int, delay_ms: int) -> Ledger:
        """The ledger as a read sees it at ``now_ms``."""
        if delay_ms <= 0:
            self._copy = None
            self._late.clear()
            return live
        if self._copy is None:
            self._copy = Ledger()
            self._copy.apply(copy.deepcopy(live.whole(now_ms)))
        while self._late and self._late[0].at_ms <= now_ms - delay_ms:
            self._copy.apply(self._late.popleft())
        self._copy.reserved = live.reserved
        return self._copy
