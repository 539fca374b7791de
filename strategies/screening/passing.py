"""Filters that need not be gone through again: while the catalogue is known to be the same, what passed them passes until its end is near.

Only a process that knows of every change of the catalogue (``kept_whole``) has such a memory: a replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from strategies.catalogue import kept_whole
from strategies.catalogue.universe import EventView
from strategies.models import Profile
from strategies.profiles import alike
from strategies.screening import filters
from strategies.screening.filters import Miss, Rules


@dataclass(slots=True)
class Passing:
    """``until_ms``: event -> until when it passes every filter."""

    version: int
    until_ms: dict[str, int] = field(default_factory=dict)

    def misses(self, event: EventView, rules: Rules, now_ms: int) -> Sequence[Miss]:
        """The same as ``filters.misses``. No filter goes by prices; only those of the time to the end depend on the time, and an event
        does not become too far away."""
        if now_ms < self.until_ms.get(event.ticker, 0):
            return ()
        found = filters.misses(event, rules, now_ms)
        if not found and event.ends_ms is not None:
            self.until_ms[event.ticker] = event.ends_ms - rules.profile.min_seconds_to_close * 1000
        return found


_known: dict[str, Passing] = {}


def of(profile: Profile) -> Passing | None:
    """What is known for profiles that judge like this one, after the whole catalogue was read; None where it may change unnoticed."""
    version = kept_whole.unchanged_since()
    if version is None:
        return None
    key = alike.key_of(profile)
    known = _known.get(key)
    if known is None or known.version != version:
        known = _known[key] = Passing(version)
    return known


def forget() -> None:
    """Empty the memory."""
    _known.clear()
