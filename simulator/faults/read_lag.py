"""Reads that lag behind writes: a write is acknowledged at once, a list may not show it for half a second (PROTOCOL 9.7)."""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING

from simulator.accounts.accounts import Ledger
from simulator.accounts.records import Changes

if TYPE_CHECKING:
    from ..exchange import Exchange


class ReadSide:
    """The live ledger, or a copy of it that is ``read_delay_ms`` behind."""

    def __init__(self) -> None:
        self._copy: Ledger | None = None
        self._late: deque[Changes] = deque()

    def note(self, changes: Changes) -> None:
        """Remember what changed for the copy."""
        if self._copy is not None:
            self._late.append(changes)

    def ledger(self, exchange: Exchange) -> Ledger:
        """The ledger as a read sees it now."""
        delay = exchange.config.read_delay_ms
        if delay <= 0:
            self._copy = None
            self._late.clear()
            return exchange.ledger
        if self._copy is None:
            exchange.commit()
            self._copy = Ledger()
            self._copy.apply(copy.deepcopy(exchange.ledger.whole(exchange.now())))
        while self._late and self._late[0].at_ms <= exchange.now() - delay:
            self._copy.apply(self._late.popleft())
        self._copy.reserved = exchange.ledger.reserved
        return self._copy
