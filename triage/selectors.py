"""What pages read from triage: the card of a position, the history of its value, the scoreboard."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Avg, Count

from triage.learning.calibration import coverage, pit_histogram
from triage.models import Assessment, PointForecast, Recommendation, SourceForecast
from triage.scoring import scoring
from triage.scoring.forecasts import scored_forecasts


@dataclass(frozen=True, slots=True)
class Card:
    """One position on a page: the latest assessment, its open recommendations, the history of its value."""

    position_id: int
    latest: Assessment | None
    recommendations: list[Recommendation]
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One line of the scoreboard. Scores are means over settled forecasts; lower is better, ``skill`` above 0 means better than the
    market. ``log``: log score in nats; ``ranked``: over outcomes that have an order. ``evidence`` is the e-value, ``days`` how many days
    it counts."""

    source: str
    forecasts: int
    settled: int
    brier: float | None
    brier_market: float | None
    log: float | None
    log_market: float | None
    ranked: float | None
    ranked_market: float | None
    evidence: float
    days: int
    calibration: list[scoring.Bin]

    @property
    def skill(self) -> float | None:
        """1 - Brier of the source / Brier of the market."""
        if self.brier is None or not self.brier_market:
            return None
        return 1 - self.brier / self.brier_market


@dataclass(frozen=True, slots=True)
class ReasonRecord:
    """One line of the scoreboard: what following (or not following) one reason's advice would have made, micro-dollars."""

    reason: str
    source: str
    advice: str
    scored: int
    right: int
    difference: int
    brier: float | None
    brier_market: float | None


@dataclass(frozen=True, slots=True)
class StationRecord:
    """Numbers of one source for one subject and lead against what the exchange settled on. ``missed``: mean of value less forecast as
    issued, ``after``: the same after what was learned, both in the subject's unit. ``histogram``: of the probability integral
    transform in tenths; ``inside``: central interval -> share of values in it; ``crps``: mean continuous ranked probability score in the
    subject's unit, ``unit``. ``problems``: values disputed or not readable."""

    source: str
    subject: str
    lead: str
    settled: int
    problems: int
    missed: float | None
    after: float | None
    histogram: list[float]
    inside: dict[float, float]
    crps: float | None
    unit: str


Row = tuple[float, float, float | None, float | None, float | None, str]
"""Value as issued, bias applied, what it settled on, where that fell, score, unit."""


def station_records() -> list[StationRecord]:
    """The scoreboard's stations: source, subject and lead with at least one settled forecast."""
    columns = ("source", "subject", "lead", "value", "bias", "settled_on", "pit", "crps", "unit")
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    rows = PointForecast.objects.exclude(settled_at=None).order_by("source", "subject", "lead", "pk")
    for source, subject, lead, *figures in rows.values_list(*columns):
        groups[(source, subject, lead)].append(tuple(figures))
    return [_station_record(key, found) for key, found in groups.items()]


def _station_record(key: tuple[str, str, str], rows: list[Row]) -> StationRecord:
    misses = [(settled - value, settled - value - bias) for value, bias, settled, *_ in rows if settled is not None]
    pits = [pit for *_, pit, _, _ in rows if pit is not None]
    scores = [crps for *_, crps, _ in rows if crps is not None]
    return StationRecord(
        *key,
        settled=len(misses),
        problems=len(rows) - len(misses),
        missed=sum(before for before, _ in misses) / len(misses) if misses else None,
        after=sum(after for _, after in misses) / len(misses) if misses else None,
        histogram=pit_histogram(pits),
        inside=dict(coverage(pits)),
        crps=sum(scores) / len(scores) if scores else None,
        unit=rows[0][-1],
    )


def card(position_id: int, points: int = 200) -> Card:
    """Everything that the card of one position shows."""
    assessments = Assessment.objects.filter(position_id=position_id).order_by("-pk")
    columns = ("at", "sell_now", "hold_expected", "floor", "coverage_ppm", "advice")
    history = list(assessments.values(*columns)[:points])
    recommendations = list(Recommendation.objects.filter(position_id=position_id, status="open").order_by("opened_at"))
    return Card(position_id, assessments.first(), recommendations, history[::-1])


def source_records() -> list[SourceRecord]:
    """The scoreboard's sources, by name."""
    counts = SourceForecast.objects.values("source").annotate(
        n=Count("pk"),
        settled=Count("settled_at"),
        brier=Avg("brier"),
        market=Avg("brier_market"),
        ranked=Avg("ranked"),
        ranked_market=Avg("ranked_market"),
    )
    found = []
    for row in counts.order_by("source"):
        scored = scored_forecasts(row["source"])
        value, days = scoring.evidence(scored)
        found.append(
            SourceRecord(
                row["source"],
                row["n"],
                row["settled"],
                row["brier"],
                row["market"],
                scoring.log_score(one.source for one in scored),
                scoring.log_score(one.market for one in scored),
                row["ranked"],
                row["ranked_market"],
                value,
                days,
                scoring.calibration(_said_and_came(row["source"])),
            )
        )
    return found


def _said_and_came(source: str) -> list[tuple[float, bool]]:
    rows = SourceForecast.objects.filter(source=source).exclude(settled_at=None).values_list("probabilities", "outcome")
    return [(p, ticker == outcome) for said, outcome in rows for ticker, p in said.items()]


def reason_records() -> list[ReasonRecord]:
    """The scoreboard's reasons: what advice made, by reason and advice."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    rows = Recommendation.objects.exclude(scored_at=None).values_list("reason", "source", "advice", "score")
    for reason, source, advice, score in rows:
        if score.get("difference") is not None:
            groups[(reason, source, advice)].append(score)
    return [_reason_record(key, scores) for key, scores in sorted(groups.items())]


def _reason_record(key: tuple[str, str, str], scores: list[dict[str, Any]]) -> ReasonRecord:
    leaving = key[2] == "exit"
    right = sum((s["difference"] > 0) == leaving for s in scores)
    own = "brier_market" if key[1] == "market" else "brier_source"
    return ReasonRecord(
        *key,
        len(scores),
        right,
        sum(s["difference"] for s in scores),
        _mean(scores, own),
        _mean(scores, "brier_market"),
    )


def _mean(scores: list[dict[str, Any]], name: str) -> float | None:
    values = [s[name] for s in scores if name in s]
    return sum(values) / len(values) if values else None
