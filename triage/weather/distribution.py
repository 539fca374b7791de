"""A forecast and what was measured so far, as probabilities of whole degrees and of outcomes. Pure.

The settled high is the larger of what has been measured and what is still to come; the low the smaller. What is to come
is the forecast plus its error: a normal distribution with a few heavy-tailed misses. What was measured is known to a
degree or so, because a station reports at minutes that need not be the extreme's: ``OVERSHOOT`` says how often the
climate report is above the highest (below the lowest) reading, by how many degrees. Both are naive and scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Final

from triage.scoring.ranked import normal_cdf
from triage.weather.mapping import Bounds, Extreme

COLDEST: Final = -80
HOTTEST: Final = 145
"""Degrees Fahrenheit beyond which a reading or a forecast is an error."""
OVERSHOOT: Final = ((0, 0.65), (1, 0.28), (2, 0.07))
HEAVY_SHARE: Final = 0.07
HEAVY_WIDTH: Final = 2.5


@dataclass(frozen=True, slots=True)
class ToCome:
    """The extreme still to come: expected value and spread, degrees Fahrenheit."""

    center: float
    spread: float


def degrees_pmf(extreme: Extreme, to_come: ToCome | None, measured: int | None) -> dict[int, float]:
    """Whole degree -> probability of the settled extreme. ``measured``: the extreme so far; None = the day has not begun.

    ValueError if neither is given: then nothing is known.
    """
    if to_come is None and measured is None:
        raise ValueError("neither a forecast nor a measurement")
    if extreme == "low":
        mirrored = degrees_pmf(
            "high",
            None if to_come is None else ToCome(-to_come.center, to_come.spread),
            None if measured is None else -measured,
        )
        return {-degrees: p for degrees, p in mirrored.items()}
    if to_come is None:
        return {(measured or 0) + extra: share for extra, share in OVERSHOOT}
    first, last = _span(to_come, measured)
    below = [_normal_cdf(k + 0.5, to_come) for k in range(first - 1, last + 1)]
    found: dict[int, float] = {}
    for extra, share in OVERSHOOT if measured is not None else ((0, 1.0),):
        least = first if measured is None else measured + extra
        for k in range(max(first, least), last + 1):
            p = below[k - first + 1] - (0.0 if k == least else below[k - first])
            if p > 0.0:
                found[k] = found.get(k, 0.0) + share * p
    total = sum(found.values())
    return {k: p / total for k, p in sorted(found.items())}


def _span(to_come: ToCome, measured: int | None) -> tuple[int, int]:
    """The whole degrees that matter: eight spreads around what is expected, and what was measured."""
    reach = 8 * to_come.spread + 1
    first, last = floor(to_come.center - reach), floor(to_come.center + reach) + 1
    if measured is None:
        return first, last
    return min(first, measured), max(last, measured + OVERSHOOT[-1][0])


def outcome_probabilities(pmf: Mapping[int, float], bounds: Mapping[str, Bounds]) -> dict[str, float]:
    """Probability of each outcome; with bounds that tile the degrees they add up to 1."""
    return {ticker: sum(p for degrees, p in pmf.items() if b.has(degrees)) for ticker, b in bounds.items()}


def celsius_reading(value: float) -> tuple[int, int]:
    """(least, most) whole degrees Fahrenheit that a reading in Celsius may stand for.

    Stations report whole degrees Celsius between the hours and tenths on the hour; a whole value may be a rounded one,
    so it stands for half a degree either way.

    >>> celsius_reading(25.6), celsius_reading(26.0)
    ((78, 78), (78, 80))
    """
    half = 0.5 if value == int(value) else 0.05
    return nearest(_fahrenheit(value - half)), nearest(_fahrenheit(value + half) - 1e-9)


def fahrenheit(celsius: float) -> float:
    """Degrees Celsius in Fahrenheit."""
    return _fahrenheit(celsius)


def _fahrenheit(celsius: float) -> float:
    return celsius * 9 / 5 + 32


def nearest(value: float) -> int:
    """The nearest whole degree, halves upward, as the climate report rounds."""
    return floor(value + 0.5)


def _normal_cdf(x: float, of: ToCome) -> float:
    z = (x - of.center) / of.spread
    return (1 - HEAVY_SHARE) * normal_cdf(z) + HEAVY_SHARE * normal_cdf(z / HEAVY_WIDTH)
