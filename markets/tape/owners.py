"""Which connection the books of each event are of, where a tape has several at once: the newest that has said one of them.

A standby that takes over says every book again, while the leader may live on for a while. What the one before says of the event's books
from then on changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from itertools import count
from typing import Final

_NONE: Final[frozenset[str]] = frozenset()


class Owners:
    """``owner``: event -> epoch of its books. ``forget(event)`` makes them unknown and takes the event out of ``owner``."""

    def __init__(self, owner: dict[str, str], forget: Callable[[str], None]) -> None:
        self._owner, self._forget = owner, forget
        self._numbers = count()
        self._opened: dict[str, int] = {}
        self._lost: dict[str, set[str]] = {}

    def opened(self, epoch: str, number: int | None = None) -> None:
        """A connection begins. ``number``: what ``closed`` said of it, where it is the same one, said again after a hole."""
        self._opened[epoch] = next(self._numbers) if number is None else number
        self._lost[epoch] = set()

    def closed(self, epoch: str) -> int | None:
        """It has ended, or is said again: the books that were its own are unknown. Its place in the order; None if it was not open."""
        number = self._opened.pop(epoch, None)
        self._lost.pop(epoch, None)
        for event in [event for event, of in self._owner.items() if of == epoch]:
            self._forget(event)
        return number

    def lost(self, epoch: str) -> Set[str]:
        """Markets whose books are another connection's by now; kept up to date."""
        return self._lost.get(epoch, _NONE)

    def takes(self, event: str, markets: Collection[str], epoch: str) -> bool:
        """``epoch`` says a whole book of ``event``. False where that is a newer connection's, and nothing changes."""
        before = self._owner.get(event)
        if before == epoch:
            return True
        if before is not None:
            if self._opened.get(before, -1) > self._opened[epoch]:
                self._lost[epoch].update(markets)
                return False
            self._forget(event)
            self._lost.get(before, set()).update(markets)
        self._lost[epoch].difference_update(markets)
        self._owner[event] = epoch
        return True
