"""One version of everything learned: source, kind, lead, station, season and issue hour -> bias and spread. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from triage.learning import cells
from triage.learning.estimator import DAY_MS, VERSION, Level, Miss, estimate, pooled, predictive

FORGOTTEN_MS: Final = 540 * DAY_MS
Cells = dict[str, dict[str, list[float]]]
"""``source/kind/lead`` -> place -> [bias, spread, days] in published spreads. A place is ``all``, ``KNYC``, ``KNYC/2`` (season) or
``KNYC/2/0`` (season, issue hour)."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What to add to a forecast and how wide it then is, both in published spreads; ``days`` of the station behind it."""

    bias: float
    spread: float
    days: float
    place: str


@dataclass(frozen=True, slots=True)
class LearnedTable:
    """``version`` 0: nothing has been learned."""

    version: int = 0
    cells: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)

    def find(self, source: str, subject: str, lead_hours: float, issued_ms: int) -> Learned | None:
        """The most particular estimate that there is for a forecast; None if nothing of this source and lead has settled."""
        kind, station = cells.kind_of(subject)
        places = self.cells.get(f"{source}/{kind}/{cells.lead_bucket(lead_hours)}")
        if places is None:
            return None
        season = cells.season(datetime.fromtimestamp(issued_ms / 1000, UTC).month)
        for place in (f"{station}/{season}/{cells.issue_hour(issued_ms)}", f"{station}/{season}", station, "all"):
            if place in places:
                bias, spread, days = places[place]
                return Learned(bias, spread, days, place)
        return None


@dataclass(frozen=True, slots=True)
class Settled:
    """One settled forecast, as learning wants it. ``known_ms``: when the value was known here."""

    source: str
    subject: str
    day: str
    issued_ms: int
    lead_hours: float
    forecast: float
    value: float
    published_spread: float
    known_ms: int

    @property
    def is_usable(self) -> bool:
        """Whether it says anything: one figure that is none would make everything learned none."""
        figures = (self.forecast, self.value, self.published_spread, self.lead_hours)
        return all(map(isfinite, figures)) and self.published_spread > 0

    def miss(self) -> Miss:
        """In units of the published spread."""
        at = datetime.fromtimestamp(self.issued_ms / 1000, UTC)
        station = cells.kind_of(self.subject)[1]
        z = (self.value - self.forecast) / self.published_spread
        return Miss(station, cells.season(at.month), cells.issue_hour(self.issued_ms), self.day, self.known_ms, z)


def learn(settled: Iterable[Settled], now_ms: int) -> Cells:
    """All cells from what was known by ``now_ms``, of the last year and a half: older days weigh nothing."""
    groups: dict[str, list[Miss]] = defaultdict(list)
    for one in settled:
        if now_ms - FORGOTTEN_MS < one.known_ms <= now_ms and one.is_usable:
            kind = cells.kind_of(one.subject)[0]
            groups[f"{one.source}/{kind}/{cells.lead_bucket(one.lead_hours)}"].append(one.miss())
    return {name: _places(misses, now_ms) for name, misses in groups.items()}


def _places(misses: list[Miss], now_ms: int) -> dict[str, list[float]]:
    together = pooled(misses, now_ms)
    found = {"all": _row(Level(together.bias, together.spread, 0.0))}
    stations: dict[str, list[Miss]] = defaultdict(list)
    for miss in misses:
        stations[miss.station].append(miss)
    nowhere = -1  # a season and an hour of which there is no miss: the estimate stays on the level above
    for station, own in sorted(stations.items()):
        found[station] = _row(estimate(own, station, nowhere, nowhere, now_ms, together))
        for season, hour in sorted({(m.season, m.hour) for m in own}):
            found[f"{station}/{season}"] = _row(estimate(own, station, season, nowhere, now_ms, together))
            found[f"{station}/{season}/{hour}"] = _row(estimate(own, station, season, hour, now_ms, together))
    return found


def _row(level: Level) -> list[float]:
    bias, spread = predictive(level)
    return [round(bias, 4), round(spread, 4), round(level.days, 1)]


def document(found: Cells) -> dict[str, Any]:
    """The form in which a version is stored."""
    return {"estimator": VERSION, "cells": found}
