"""Bias and spread of a source from its past misses: robust, shrunk level by level, older days for less. Pure.

A miss is settled value less forecast, in units of the published spread for its lead (``z``), so that hours ahead are comparable.

- **Levels.** All stations together, then the station, its season, its issue hour. Each level starts from the one above, which
  counts as ``DAYS`` of its own days: a week moves it little, a season decides it.
- **Robust.** A miss counts as at most ``CLIPPED`` spreads away from the estimate for the bias and ``CLIPPED_SQUARE`` for the spread
  (Huber's psi): one broken sensor moves nothing by more than an ordinary bad day.
- **Forgetting.** A day counts half after ``HALF_LIFE_DAYS``. Stations of one day share their weather: pooled, they are one day.
- **Honest.** The spread is widened by what the bias is not known by.

The constants are round numbers; scores on recorded days hardly change when each is halved or doubled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

VERSION: Final = "shrunk-huber-1"
DAYS: Final = {"all": 10.0, "station": 10.0, "season": 30.0, "hour": 30.0}
"""Level -> how many days of its own the level above is worth."""
SPREAD_DAYS: Final = 20.0
CLIPPED: Final = 2.0
CLIPPED_SQUARE: Final = 3.0
HALF_LIFE_DAYS: Final = 90.0
ROUNDS: Final = 4
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Miss:
    """One settled forecast. ``z``: (value - forecast) / published spread at its lead. ``known_ms``: when the value was known."""

    station: str
    season: int
    hour: int
    day: str
    known_ms: int
    z: float


@dataclass(frozen=True, slots=True)
class Level:
    """Bias and spread in published spreads, and the (faded) number of days behind them."""

    bias: float = 0.0
    spread: float = 1.0
    days: float = 0.0


def estimate(
    misses: Iterable[Miss], station: str, season: int, hour: int, now_ms: int, start: Level | None = None
) -> Level:
    """The estimate for one station, season and issue hour from what was known by ``now_ms``.

    ``start``: a published record of the station, in place of the pooled level.
    """
    known = [miss for miss in misses if miss.known_ms <= now_ms]
    above = pooled(known, now_ms) if start is None else start
    own = [m for m in known if m.station == station]
    found = _step(above, _weighed(own, now_ms), DAYS["station"])
    seasonal = [m for m in own if m.season == season]
    for name, wanted in (("season", seasonal), ("hour", [m for m in seasonal if m.hour == hour])):
        finer = _step(found, _weighed(wanted, now_ms), DAYS[name])
        found = Level(finer.bias, finer.spread, found.days)
    return found


def pooled(known: Sequence[Miss], now_ms: int) -> Level:
    """All stations together; the stations of one day share one day's weight."""
    together = Counter(miss.day for miss in known)
    return _step(Level(), [(m.z, _weight(m, now_ms) / together[m.day]) for m in known], DAYS["all"])


def predictive(level: Level) -> tuple[float, float]:
    """(bias, spread) to forecast with: the spread includes what the bias is not known by."""
    return level.bias, level.spread * sqrt(1 + 1 / (level.days + DAYS["station"]))


def _weighed(misses: Iterable[Miss], now_ms: int) -> list[tuple[float, float]]:
    return [(miss.z, _weight(miss, now_ms)) for miss in misses]


def _weight(miss: Miss, now_ms: int) -> float:
    return float(0.5 ** (max(0, now_ms - miss.known_ms) / DAY_MS / HALF_LIFE_DAYS))


def _step(above: Level, weighed: Sequence[tuple[float, float]], days: float) -> Level:
    """One level down: the level above, moved by this level's own misses, of which it counts the days."""
    seen = sum(weight for _, weight in weighed)
    bias = above.bias
    for _ in range(ROUNDS if seen else 0):
        clipped = sum(w * (bias + _clip(z - bias, CLIPPED * above.spread)) for z, w in weighed)
        bias = (days * above.bias + clipped) / (days + seen)
    squares = sum(w * _clip(z - bias, CLIPPED_SQUARE * above.spread) ** 2 for z, w in weighed)
    return Level(bias, sqrt((SPREAD_DAYS * above.spread**2 + squares) / (SPREAD_DAYS + seen)), seen)


def _clip(value: float, most: float) -> float:
    return max(-most, min(most, value))
