"""For how long a run knew no books because its tape has holes: what was not traded then says nothing of what could have been."""

from __future__ import annotations

from collections.abc import Iterable


class Holes:
    """Times are Unix milliseconds. ``lost``: event -> since when its books are not known after a hole."""

    def __init__(self) -> None:
        self.count = 0
        """Holes that took any book that was known."""
        self.lost: dict[str, int] = {}
        self._spans: list[tuple[int, int]] = []

    def took(self, events: Iterable[str], at: int) -> None:
        """A hole begins, and nothing of these events is known any more."""
        before = len(self.lost)
        for event in events:
            self.lost.setdefault(event, at)
        self.count += len(self.lost) > before

    def known(self, event: str, at: int) -> None:
        """A book of the event is known, again or for the first time."""
        since = self.lost.pop(event, None)
        if since is not None:
            self._spans.append((since, at))

    def unknown_ms(self, start: int, end: int) -> int:
        """For how long, between ``start`` and ``end``, books were unknown that came back, or all of those that a hole took."""
        returned = {since for since, _ in self._spans}
        rest = {(since, end) for since in self.lost.values() if since not in returned}
        total, covered = 0, start
        for since, until in sorted([*self._spans, *rest]):
            since, until = max(since, covered), min(until, end)
            if until > since:
                total, covered = total + until - since, until
        return total
