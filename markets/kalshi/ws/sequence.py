"""Sequence numbers of one connection (docs/kalshi-protocol.md 12.4).

They count per subscription, over all of its markets and acknowledgements.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

RESTART_RUN: Final = 16
"""So many old numbers in rising order are a counter that was set back, not duplicates."""
RECENT: Final = 1_000
"""So many numbers after a gap, what it skipped may still come; a further gap until then widens it."""
LARGEST_JUMP: Final = 10_000
"""A number further ahead than this is not the count of what was lost: the subscription has to be made again."""


MOST_SUBSCRIPTIONS: Final = 1_000
"""Of one connection; ours has five. Numbers of further ones are not believed."""


class Arrival(Enum):
    NEXT = "next"
    DUPLICATE = "duplicate"
    GAP = "gap"
    JUMP = "jump"
    """Too far ahead to be believed, or no number at all (they begin at 1): the frame is not applied, and the count stays where it was."""


_NEXT: Final = Arrival.NEXT


class SequenceTracker:
    """Knows for every ``sid`` which number comes next. The first is 1; another first one is a gap, however large.

    Only a number that was seen before is a duplicate. After a gap the numbers that were skipped have not been seen: one of
    them shows that the number before was wrong, and the count goes back to it, with a gap of its own. Several gaps one after the other
    skip all that lies between the first and the last: many small jumps lead away from the true count no better than a large one.
    """

    __slots__ = ("_last", "_old", "_skipped", "duplicates", "gaps", "missing_from")

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._old: dict[int, tuple[int, int]] = {}
        self._skipped: dict[int, tuple[int, int]] = {}
        """The numbers that the latest gaps skipped: from, up to (exclusive)."""
        self.duplicates = 0
        self.gaps = 0
        self.missing_from = 0

    def arrive(self, sid: int, seq: int) -> Arrival:
        """Take ``seq`` into account.

        After GAP the count goes on from it; after GAP and JUMP ``missing_from`` is the number that should have come.
        """
        last = self._last.get(sid, 0)
        expected = last + 1
        if not last and len(self._last) >= MOST_SUBSCRIPTIONS and sid not in self._last:
            return self._jump(expected)
        if seq == expected:
            self._last[sid] = seq
            if self._old:
                self._old.pop(sid, None)
            return _NEXT
        if seq < 1 or (seq > expected + LARGEST_JUMP and sid in self._last):
            return self._jump(expected)
        if seq < expected and not self._was_skipped(sid, seq) and not self._restarted(sid, seq):
            self.duplicates += 1
            return Arrival.DUPLICATE
        self._last[sid] = seq
        self._old.pop(sid, None)
        if seq > expected:
            first, after = self._skipped.get(sid, (expected, expected))
            self._skipped[sid] = (min(first, expected) if expected - after < RECENT else expected, seq)
        self.gaps += 1
        self.missing_from = expected
        return Arrival.GAP

    def _jump(self, expected: int) -> Arrival:
        self.gaps += 1
        self.missing_from = expected
        return Arrival.JUMP

    def expected(self, sid: int) -> int:
        """The number that should come next."""
        return self._last.get(sid, 0) + 1

    def last(self) -> dict[int, int]:
        """The last number of each subscription."""
        return dict(self._last)

    def resume(self, sid: int, last: int) -> None:
        """Begin in the middle: ``last`` was the number before what comes next."""
        self._last[sid] = last

    def forget(self, sid: int) -> None:
        """The subscription has ended."""
        self._last.pop(sid, None)
        self._old.pop(sid, None)
        self._skipped.pop(sid, None)

    def _was_skipped(self, sid: int, seq: int) -> bool:
        """Whether an old number is one that the latest gap skipped; what it skips in turn is no longer known."""
        first, after = self._skipped.get(sid, (0, 0))
        if not first <= seq < after:
            return False
        self._skipped[sid] = (first, seq)
        return True

    def _restarted(self, sid: int, seq: int) -> bool:
        """A long rising row of old numbers. Taking duplicates for it only costs a repair; the other way round would
        silence the subscription for ever."""
        last, run = self._old.get(sid, (0, 0))
        run = run + 1 if seq > last else 1
        self._old[sid] = (seq, run)
        return run >= RESTART_RUN
