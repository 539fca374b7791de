"""The cycles of a recorded run, each judged again when it was judged then: begun, its prices read, its turn taken and what it would buy
read once more at the recorded moments, which on a busy machine lie seconds apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from backtest.replay.clock import SECOND
from strategies.cycle.turns import Turns
from strategies.models import Cycle, Profile

SAME_NS: Final = 15 * SECOND
"""Decisions of one event further apart are two."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One profile's part of one recorded cycle, Unix nanoseconds. ``events``: those that paid -> when each was read again; ``nudged``: the
    events that the cycle was about, none of beat's; ``began_ns``: when it listed its candidates (0: when it read prices)."""

    prices_ns: int
    turn_ns: int
    events: Mapping[str, int] = field(default_factory=dict)
    nudged: tuple[str, ...] = ()
    began_ns: int = 0

    @property
    def begins_ns(self) -> int:
        """When the cycle began, as far as is known."""
        return self.began_ns or self.prices_ns


@dataclass(frozen=True, slots=True)
class Recorded:
    """When a recorded run did what, Unix nanoseconds: its cycles, when each screening wrote what it found, and per event when a decision
    was taken and when a worker took it up. ``usual_ns``: how long that takes where it is not known."""

    cycles: Sequence[Judged]
    screenings: Sequence[int] = ()
    taken_up: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    usual_ns: int = 0

    def takes_up(self, event: str, decided_ns: int) -> int:
        """When a decision on ``event`` of ``decided_ns`` is taken up: when the recorded one of about then was."""
        known = self.taken_up.get(event, ())
        near = [(abs(decided - decided_ns), at) for decided, at in known if abs(decided - decided_ns) <= SAME_NS]
        return max(decided_ns, min(near)[1]) if near else decided_ns + self.usual_ns


class RecordedTurns(Turns):
    """Lets the tape run on (``wait``, Unix nanoseconds) to each moment of ``judged``."""

    def __init__(self, row: Cycle, judged: Judged, wait: Callable[[int], None]) -> None:
        super().__init__(row)
        self._judged, self._wait = judged, wait

    def prices(self) -> None:
        """See Turns."""
        self._wait(self._judged.prices_ns)
        super().prices()

    def turn(self, profile: Profile) -> None:
        """See Turns."""
        self._wait(self._judged.turn_ns)
        super().turn(profile)

    def event(self, profile: Profile, event: str) -> None:
        """See Turns. One that did not pay then is read at once."""
        self._wait(self._judged.events.get(event, 0))
        super().event(profile, event)
