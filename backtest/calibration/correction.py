"""The favourite-longshot correction: each probability to a power, then scaled to one. Fitted by the log score, walk-forward, and judged.

A power above one moves probability from long shots to favourites. It is fitted on events that had settled before the one it is applied to,
and drawn towards one (no correction) as if ``PRIOR`` events had said so. Whether it is better than the plain probabilities is for an
e-value to say, as of triage's sources: it may be used from ``NEEDED`` on, which luck alone reaches once in twenty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, stdev
from typing import Final

from backtest.calibration.observe import Observed
from kalbot.common import clock
from strategies.dutch.coverage import SMALLEST, corrected
from strategies.models.corrections import NEEDED
from triage.scoring.scoring import Scored, brier, evidence, probability_of

PRIOR: Final = 20.0
"""Events' worth of belief that prices are right."""
RANGE: Final = (0.5, 2.0)
STEPS: Final = 15
_GOLDEN: Final = (sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Judged:
    """Walk-forward over one group of events: how the corrected probabilities did against the plain ones.

    ``power``: fitted on all of them, for use from now on. Differences are corrected less plain, negative is better, each with the half
    width of its 95 % interval over days.
    """

    events: int
    days: int
    power: float
    log_difference: float
    log_interval: float
    brier_difference: float
    brier_interval: float
    e_value: float
    days_counted: int

    @property
    def is_used(self) -> bool:
        """Whether the correction has earned its use."""
        return _is_enough(self.e_value, self.log_difference)


def fitted(past: Sequence[Observed]) -> float:
    """The power with the best log score on ``past``, drawn towards one."""
    if not past:
        return 1.0
    logs = [[(log(max(p, SMALLEST)), ticker == one.winner) for ticker, p in one.said.items()] for one in past]

    def loss(power: float) -> float:
        total = PRIOR * log(power) ** 2
        for one in logs:
            largest = max(value for value, _ in one)
            summed = sum(exp(power * (value - largest)) for value, _ in one)
            won = next((value for value, is_winner in one if is_winner), largest)
            total -= power * (won - largest) - log(summed)
        return total

    low, high = RANGE
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return (low + high) / 2


def judge(observed: Sequence[Observed]) -> Judged:
    """Walk forward over the days on which prices were read: fit on what had settled, apply, score."""
    ordered = sorted(observed, key=lambda one: (one.at_ns, one.event))
    by_day: dict[object, list[Observed]] = {}
    for one in ordered:
        by_day.setdefault(clock.from_ms(one.at_ns // 10**6).date(), []).append(one)
    scored: list[Scored] = []
    logs: dict[object, list[float]] = {}
    briers: dict[object, list[float]] = {}
    for day, ones in by_day.items():
        first = ones[0].at_ns
        power = fitted([one for one in ordered if one.settled_ns < first])
        for one in ones:
            new = corrected(one.said, power)
            after, before = probability_of(new, one.winner), probability_of(one.said, one.winner)
            moments = (clock.from_ms(one.at_ns // 10**6), clock.from_ms(one.settled_ns // 10**6))
            scored.append(Scored(*moments, after, before))
            logs.setdefault(day, []).append(log(before) - log(after))
            briers.setdefault(day, []).append(brier(new, one.winner) - brier(one.said, one.winner))
    value, counted = evidence(scored)
    power = fitted(ordered)
    return Judged(len(ordered), len(by_day), power, *_mean(logs), *_mean(briers), value, counted)


@dataclass(frozen=True, slots=True)
class Across:
    """The probabilities of whole families against those of each event's own quotes: nothing is fitted. The difference of the log score is
    family less own, negative is better, with the half width of its 95 % interval over days."""

    events: int
    days: int
    log_difference: float
    log_interval: float
    e_value: float

    @property
    def has_earned(self) -> bool:
        """Whether the evidence is enough to use them."""
        return _is_enough(self.e_value, self.log_difference)


def judge_across(observed: Sequence[Observed]) -> Across:
    """Over the days on which prices were read, of the observations that have a family."""
    ordered = sorted((one for one in observed if one.across), key=lambda one: (one.at_ns, one.event))
    scored: list[Scored] = []
    logs: dict[object, list[float]] = {}
    for one in ordered:
        formed, settled = clock.from_ms(one.at_ns // 10**6), clock.from_ms(one.settled_ns // 10**6)
        after, before = probability_of(one.across, one.winner), probability_of(one.said, one.winner)
        scored.append(Scored(formed, settled, after, before))
        logs.setdefault(formed.date(), []).append(log(before) - log(after))
    return Across(len(ordered), len(logs), *_mean(logs), evidence(scored)[0])


def _is_enough(e_value: float, log_difference: float) -> bool:
    return e_value >= NEEDED and log_difference < 0


def _mean(by_day: Mapping[object, Sequence[float]]) -> tuple[float, float]:
    """Mean over events and the half width of its 95 % interval, days being what is independent."""
    counts, sums = [len(day) for day in by_day.values()], [sum(day) for day in by_day.values()]
    if not sums:
        return 0.0, 0.0
    mean = sum(sums) / sum(counts)
    if len(sums) < 2:
        return mean, float("inf")
    spread = stdev(total - mean * count for total, count in zip(sums, counts, strict=True))
    return mean, 1.96 * spread * sqrt(len(sums)) / (fmean(counts) * len(counts))
