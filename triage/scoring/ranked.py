"""Ranked scores: how far what was said lies from what came, where outcomes have an order. Less is better. Pure.

The continuous ranked probability score (CRPS) is the integral over x of (F(x) - [x >= came])**2, with F the distribution that was said, in
the unit of the number forecast; of a forecast that is one number it is the distance. The ranked probability score is the same over an
event's outcomes in their order, one apiece, so that it can be taken of prices as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import erf, exp, inf, isfinite, pi, sqrt

from triage.weather.mapping import Bounds


def crps(chances: Mapping[float, float], came: float) -> float | None:
    """Of a distribution over single values; chances that do not add up to one are scaled. None where nothing was said."""
    total = sum(chances.values())
    if not total:
        return None
    steps = sorted({*chances, came})
    below, found = 0.0, 0.0
    for x, after in pairwise(steps):
        below += chances.get(x, 0.0) / total
        found += (below - float(x >= came)) ** 2 * (after - x)
    return found


def crps_normal(center: float, spread: float, came: float) -> float | None:
    """Of a normal distribution, in closed form (Gneiting and Raftery 2007). None without a spread."""
    if not (isfinite(spread) and spread > 0):
        return None
    z = (came - center) / spread
    return spread * (z * (2 * normal_cdf(z) - 1) + sqrt(2 / pi) * exp(-z * z / 2) - 1 / sqrt(pi))


def normal_cdf(z: float) -> float:
    """Of the standard normal distribution."""
    return 0.5 * (1 + erf(z / sqrt(2)))


def ranked(probabilities: Mapping[str, float], order: Sequence[str], winner: str) -> float | None:
    """Of outcomes in their order, 0 to one less than their number. None where none of them came, or one is missing."""
    if winner not in order or set(order) != set(probabilities):
        return None
    total = sum(probabilities.values())
    if not total:
        return None
    below, found, won = 0.0, 0.0, False
    for ticker in order[:-1]:
        below += probabilities[ticker] / total
        won = won or ticker == winner
        found += (below - float(won)) ** 2
    return found


def order_of(bounds: Mapping[str, Bounds]) -> list[str]:
    """Outcomes from the lowest to the highest."""
    return sorted(bounds, key=lambda ticker: -inf if (low := bounds[ticker].low) is None else low)


def order_by_strikes(markets: Iterable[tuple[str, str, str]]) -> list[str]:
    """(ticker, floor, cap) of an event's outcomes from the lowest to the highest; empty where their strikes give them no order."""
    spans = []
    for ticker, floor, cap in markets:
        try:
            low, high = float(floor) if floor else -inf, float(cap) if cap else inf
        except ValueError:
            return []
        spans.append((low, high, ticker))
    spans.sort()
    apart = all(one[1] <= other[0] and one[:2] != other[:2] for one, other in pairwise(spans))
    whole = len(spans) > 1 and all(low <= high for low, high, _ in spans)  # no comparison holds of what is no number
    return [ticker for *_, ticker in spans] if apart and whole else []
