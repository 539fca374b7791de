"""When a cycle read prices, when each profile's turn came in it and when what it might buy was read again: what a replay needs to judge
at the same moments, because a busy machine judges seconds after it began."""

from __future__ import annotations

from kalbot.common import clock
from strategies.models import Cycle, Profile


class Turns:
    """Writes them into the cycle's row (not saved here): milliseconds from its beginning."""

    def __init__(self, row: Cycle) -> None:
        self._row, self._began_ms = row, clock.now_ms()

    def prices(self) -> None:
        """The prices of every event are read now."""
        self._row.prices_after_ms = self._now()

    def turn(self, profile: Profile) -> None:
        """``profile``, which has candidates, is decided for now."""
        self._row.turns[str(profile.pk)] = {"after_ms": self._now(), "events": {}}

    def event(self, profile: Profile, event: str) -> None:
        """One of its events pays and is read again now."""
        self._row.turns[str(profile.pk)]["events"][event] = self._now()

    def _now(self) -> int:
        return clock.now_ms() - self._began_ms
