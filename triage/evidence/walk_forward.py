"""Scores day by day: before each moment everything is learned from what was known by then, and from nothing else. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from math import log
from typing import Final

from kalbot.common import clock
from triage.evidence.cases import RecordedCase
from triage.learning import cells
from triage.learning.estimator import DAY_MS
from triage.learning.table import LearnedTable, Settled, learn
from triage.scoring.combination import Pair, learn_weights, pool
from triage.scoring.ranked import crps, order_of, ranked
from triage.scoring.scoring import Scored, brier, probability_of
from triage.weather.distribution import ToCome, degrees_pmf, outcome_probabilities

COMBINED: Final = "combined"
MARKET: Final = "market"
UNIFORM: Final = "uniform"


@dataclass(frozen=True, slots=True)
class Score:
    """One forecaster on one case. ``ranked``: ranked probability score over the outcomes, None where none of them came; ``pit`` and
    ``crps`` (degrees): where the value fell in what was said and how far from it, None for prices."""

    name: str
    case: RecordedCase
    brier: float
    log_score: float
    given: float
    chances: dict[str, float] = field(repr=False)
    ranked: float | None = None
    pit: float | None = None
    crps: float | None = None


@dataclass(slots=True)
class History:
    """What has happened so far; ``table`` and ``weights`` are made of what was known at a moment."""

    settled: list[Settled] = field(default_factory=list)
    pairs: list[tuple[int, Pair]] = field(default_factory=list)

    def table(self, at_ms: int) -> LearnedTable:
        """Errors learned from what was known by then."""
        return LearnedTable(1, learn(self.settled, at_ms))

    def weights(self, at_ms: int) -> dict[str, float]:
        """Weights learned from what was known by then."""
        return learn_weights(pair for known, pair in self.pairs if known <= at_ms)


def run(cases: Iterable[RecordedCase]) -> list[Score]:
    """Scores of every forecaster on every case, in order of time. What one case teaches is known only from its ``known_ms`` on."""
    found: list[Score] = []
    past = History()
    for day, together in groupby(sorted(cases, key=lambda c: c.at_ms), key=lambda c: c.at_ms // DAY_MS):
        begin = day * DAY_MS
        table, weights = past.table(begin), past.weights(begin)
        for case in together:
            scores, pair = _case(case, table, weights)
            found += scores
            past.settled += _lessons(case)
            if pair is not None:
                past.pairs.append((case.known_ms, pair))
    return found


def _case(case: RecordedCase, table: LearnedTable, weights: dict[str, float]) -> tuple[list[Score], Pair | None]:
    scores = [_score(UNIFORM, case, dict.fromkeys(case.bounds, 1 / len(case.bounds)))]
    learned: dict[str, dict[str, float]] = {}
    for name, said in case.forecasts.items():
        scores.append(_forecast(name, case, ToCome(said.value, said.published_spread)))
        error = table.find(name, f"high/{case.station}", case.lead_hours, case.at_ms)
        unit = said.published_spread
        to_come = ToCome(said.value + error.bias * unit, error.spread * unit) if error else ToCome(said.value, unit)
        scores.append(_forecast(f"{name}, learned", case, to_come))
        learned[name] = scores[-1].chances
    if case.market is None:
        return scores, None
    scores.append(_score(MARKET, case, dict(case.market)))
    scores.append(_score(COMBINED, case, pool(case.market, learned, weights)))
    return scores, Pair(learned, case.market, case.winner)


def _forecast(name: str, case: RecordedCase, to_come: ToCome) -> Score:
    pmf = degrees_pmf("high", to_come, None)
    value = round(case.value)
    pit = sum(p for k, p in pmf.items() if k < value) + pmf.get(value, 0.0) / 2
    return _score(
        name, case, outcome_probabilities(pmf, case.bounds), pit, crps({float(k): p for k, p in pmf.items()}, value)
    )


def _score(
    name: str, case: RecordedCase, chances: dict[str, float], pit: float | None = None, far: float | None = None
) -> Score:
    given, order = probability_of(chances, case.winner), ranked(chances, order_of(case.bounds), case.winner)
    return Score(name, case, brier(chances, case.winner), -log(given), given, chances, order, pit, far)


def _lessons(case: RecordedCase) -> Iterator[Settled]:
    for name, said in case.forecasts.items():
        yield Settled(
            source=name,
            subject=f"high/{case.station}",
            day=case.day.isoformat(),
            issued_ms=case.at_ms,
            lead_hours=case.lead_hours,
            forecast=said.value,
            value=case.value,
            published_spread=said.published_spread,
            known_ms=case.known_ms,
        )


def by_place(scores: Iterable[Score]) -> dict[tuple[str, str, str], dict[str, list[Score]]]:
    """(group, station, lead bucket) -> forecaster -> its scores."""
    found: dict[tuple[str, str, str], dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for one in scores:
        found[(one.case.group, one.case.station, cells.lead_bucket(one.case.lead_hours))][one.name].append(one)
    return {place: dict(names) for place, names in sorted(found.items())}


def record(scores: Iterable[Score], name: str) -> list[Scored]:
    """A forecaster beside the market on the cases that both have, for the e-value."""
    market = {id(one.case): one.given for one in scores if one.name == MARKET}
    return [
        Scored(clock.from_ms(one.case.at_ms), clock.from_ms(one.case.known_ms), one.given, market[id(one.case)])
        for one in scores
        if one.name == name and id(one.case) in market
    ]
