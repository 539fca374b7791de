"""How good the advice was, after settlement: in money, in probability, and as evidence that may grow.

**Money.** Following a recommendation at the moment it opened would have brought the sale; holding brought the payout.
The difference is its score, positive when leaving was right.

**Probability.** Brier score: for a covered outcome or not (a recommendation), or summed over all outcomes (a forecast of
a source), of the source and of the market's de-vigged prices at the same moment; beside it the log score and, where outcomes have an
order, the ranked score (``ranked``).

**Evidence.** The hypothesis to beat is that the market's probabilities are right. One forecast then has the e-value
``1 - STAKE + STAKE x q/p``, with ``q`` and ``p`` what source and market gave to the outcome that came: its expectation under
the hypothesis is 1 whatever the source says, and it is never 0. Forecasts that were open at the same time share their
weather, so they are no independent bets: those formed on one day are averaged (the mean of e-values is one, however
dependent), and a next day counts only if it was formed after all of the last counted day had settled. The product over
counted days is an e-process: it exceeds 1/a with probability at most a, at whatever moment it is read (Ville).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import log
from typing import Final

STAKE: Final = 0.5
SMALLEST: Final = 0.001
"""No outcome is given less than this: a market's zero is a missing bid, not a certainty."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One settled forecast. ``source`` and ``market``: probability that each gave to what came."""

    formed_at: datetime
    settled_at: datetime
    source: float
    market: float


def brier(probabilities: Mapping[str, float], winner: str) -> float:
    """Sum over outcomes of (probability - what came)**2; ``winner`` empty: none of the listed came."""
    return sum((p - float(ticker == winner)) ** 2 for ticker, p in probabilities.items()) + _unlisted(
        probabilities, winner
    )


def _unlisted(probabilities: Mapping[str, float], winner: str) -> float:
    rest = max(0.0, 1.0 - sum(probabilities.values()))
    return (rest - float(winner not in probabilities)) ** 2


def brier_binary(probability: float, came: bool) -> float:
    """(probability - what came)**2."""
    return (probability - float(came)) ** 2


def probability_of(probabilities: Mapping[str, float], winner: str) -> float:
    """What was given to what came; what is left over belongs to "none of the listed". At least ``SMALLEST``."""
    given = probabilities[winner] if winner in probabilities else 1.0 - sum(probabilities.values())
    return max(SMALLEST, given)


def log_score(given: Iterable[float]) -> float | None:
    """Mean of -log of what was given to what came, nats; None of nothing."""
    losses = [-log(p) for p in given]
    return sum(losses) / len(losses) if losses else None


def e_value(one: Scored) -> float:
    """The e-value of one forecast."""
    return 1 - STAKE + STAKE * one.source / one.market


def evidence(forecasts: Iterable[Scored]) -> tuple[float, int]:
    """(e-value of the record, days counted). 1 = no evidence either way."""
    value, counted, settled_until = 1.0, 0, None
    for day in _days(forecasts):
        if settled_until is not None and min(f.formed_at for f in day) <= settled_until:
            continue
        value *= sum(map(e_value, day)) / len(day)
        counted += 1
        settled_until = max(f.settled_at for f in day)
    return value, counted


def _days(forecasts: Iterable[Scored]) -> list[list[Scored]]:
    """Forecasts by the UTC day on which they were formed, oldest first."""
    by_day: dict[object, list[Scored]] = {}
    for forecast in sorted(forecasts, key=lambda f: f.formed_at):
        by_day.setdefault(forecast.formed_at.date(), []).append(forecast)
    return list(by_day.values())


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts of about one probability: how often what they spoke of came."""

    low: float
    high: float
    forecasts: int
    said: float
    came: float


def calibration(
    pairs: Sequence[tuple[float, bool]], edges: Sequence[float] = (0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1)
) -> list[Bin]:
    """Said against came, by bins of what was said. Empty bins are left out."""
    found = []
    for low, high in pairwise(edges):
        inside = [(p, y) for p, y in pairs if low <= p < high or (high == edges[-1] and p == high)]
        if inside:
            n = len(inside)
            found.append(Bin(low, high, n, sum(p for p, _ in inside) / n, sum(y for _, y in inside) / n))
    return found
