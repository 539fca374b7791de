"""The walk-forward's scores as tables, with intervals and the calibration behind them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, median, stdev
from typing import Final

from triage.evidence.cases import Recorded
from triage.evidence.walk_forward import COMBINED, MARKET, Score, by_place, record
from triage.learning.calibration import BINS, coverage, pit_histogram
from triage.scoring.scoring import evidence

ORDER: Final = (
    "openmeteo",
    "openmeteo, learned",
    "persistence",
    "persistence, learned",
    "climatology",
    "climatology, learned",
    MARKET,
    COMBINED,
    "uniform",
)


LEAST_DAYS: Final = 10
"""A month with fewer days says nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean score of one forecaster less another's on the same cases, with a 95 % interval over days: the stations of one day count
    as one day."""

    mean: float
    half_width: float
    days: int

    def words(self) -> str:
        """``-0.061 ± 0.012``."""
        return f"{self.mean:+.3f} ± {self.half_width:.3f}"


def difference(one: Sequence[Score], other: Sequence[Score], what: str = "brier") -> Difference | None:
    """``one`` less ``other``, paired by case; None with fewer than two days."""
    against = {id(score.case): getattr(score, what) for score in other if getattr(score, what) is not None}
    days: dict[object, list[float]] = defaultdict(list)
    for score in one:
        if id(score.case) in against and getattr(score, what) is not None:
            days[score.case.day].append(getattr(score, what) - against[id(score.case)])
    if len(days) < 2:
        return None
    means = [mean(values) for values in days.values()]
    return Difference(mean(means), 1.96 * stdev(means) / sqrt(len(means)), len(means))


def markdown(scores: Sequence[Score], recorded: Recorded) -> str:
    """Everything as one page part."""
    parts = [
        *_scores(scores),
        "",
        *_learned(scores),
        "",
        *_by_month(scores),
        "",
        *_combined(scores),
        "",
        *_calibration(scores),
        "",
        *_stations(recorded),
    ]
    return "\n".join(parts) + "\n"


def _scores(scores: Iterable[Score]) -> Iterator[str]:
    yield "| days | station | lead, h | cases | " + " | ".join(ORDER) + " |"
    yield "|---" * (4 + len(ORDER)) + "|"
    for (group, station, lead), names in by_place(scores).items():
        cells = [_cell(names.get(name)) for name in ORDER]
        yield f"| {group} | {station} | {lead} | {len(names['uniform'])} | " + " | ".join(cells) + " |"


def _cell(scores: Sequence[Score] | None) -> str:
    if not scores:
        return ""
    ranks = [s.ranked for s in scores if s.ranked is not None]
    last = f"{mean(ranks):.3f}" if ranks else "–"
    return f"{mean(s.brier for s in scores):.3f} / {mean(s.log_score for s in scores):.2f} / {last}"


def _groups(scores: Iterable[Score]) -> Iterator[tuple[str, dict[str, list[Score]]]]:
    """(group and lead, forecaster -> scores) over all stations."""
    found: dict[str, dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for (group, _, lead), names in by_place(scores).items():
        for name, some in names.items():
            found[f"{group}, {lead} h"][name] += some
    yield from sorted(found.items())


def _learned(scores: Iterable[Score]) -> Iterator[str]:
    yield "| learned less unlearned | days | Brier | log score | ranked score | CRPS, °F | CRPS unlearned, learned, °F |"
    yield "|---|---|---|---|---|---|---|"
    for where, names in _groups(scores):
        for name in ("openmeteo", "persistence", "climatology"):
            if name in names:
                one, other = names[f"{name}, learned"], names[name]
                yield _row(f"{name}, {where}", one, other, "crps") + f" {_crps(other)}, {_crps(one)} |"


def _crps(scores: Iterable[Score]) -> str:
    return f"{mean(s.crps for s in scores if s.crps is not None):.2f}"


def _by_month(scores: Iterable[Score]) -> Iterator[str]:
    """Learned less unlearned month by month: what helps on the whole has to help on days that had nothing to do with each other."""
    yield "| learned less unlearned, Brier, by month | better in | least | median | most |"
    yield "|---|---|---|---|---|"
    for where, names in _groups(scores):
        for name in ("openmeteo", "persistence", "climatology"):
            months = months_of(names[f"{name}, learned"], names[name]) if name in names else []
            if months:
                better = f"{sum(one < 0 for one in months)} of {len(months)}"
                yield f"| {name}, {where} | {better} | {months[0]:+.3f} | {median(months):+.3f} | {months[-1]:+.3f} |"


def months_of(one: Sequence[Score], other: Sequence[Score]) -> list[float]:
    """Mean Brier of ``one`` less ``other``'s in each month of ``LEAST_DAYS`` or more, least first."""
    against = {id(score.case): score.brier for score in other}
    months: dict[tuple[int, int], dict[object, list[float]]] = defaultdict(lambda: defaultdict(list))
    for score in one:
        if id(score.case) in against:
            day = score.case.day
            months[(day.year, day.month)][day].append(score.brier - against[id(score.case)])
    return sorted(mean(mean(values) for values in days.values()) for days in months.values() if len(days) >= LEAST_DAYS)


def _combined(scores: Sequence[Score]) -> Iterator[str]:
    yield "| less the market | days | Brier | log score | ranked score |"
    yield "|---|---|---|---|---|"
    for where, names in _groups(scores):
        for name in (COMBINED, "openmeteo", "openmeteo, learned", "persistence, learned", "climatology, learned"):
            if MARKET in names and name in names:
                yield _row(f"{name}, {where}", names[name], names[MARKET])
    value, days = evidence(record(scores, COMBINED))
    yield ""
    yield f"E-value of the combination against the market: {value:.3f} over {days} days; 20 would let it act."


def _row(what: str, one: Sequence[Score], other: Sequence[Score], *more: str) -> str:
    """One line of differences; an empty cell where fewer than two days have the score."""
    found = [difference(one, other, score) for score in ("brier", "log_score", "ranked", *more)]
    days = 1 if found[0] is None else found[0].days
    return f"| {what} | {days} | " + " | ".join("" if d is None else d.words() for d in found) + " |"


def _calibration(scores: Iterable[Score]) -> Iterator[str]:
    yield (
        "| said against came, in tenths of what was said (10 % each if calibrated) | n | "
        + " | ".join(f"{i * 10}-{i * 10 + 10}" for i in range(BINS))
        + " | inside 50 / 80 / 95 % |"
    )
    yield "|---" * (BINS + 3) + "|"
    for (group, station, lead), names in by_place(scores).items():
        for name in ("openmeteo", "openmeteo, learned"):
            values = [score.pit for score in names.get(name, ()) if score.pit is not None]
            if values:
                shares = " | ".join(f"{share:.0%}" for share in pit_histogram(values))
                inside = " / ".join(f"{share:.0%}" for share in coverage(values).values())
                yield f"| {name}, {group}, {station}, {lead} h | {len(values)} | {shares} | {inside} |"


def _stations(recorded: Recorded) -> Iterator[str]:
    yield "| station's own values against the exchange's | common days | equal | counts |"
    yield "|---|---|---|---|"
    for one in recorded.agreements:
        if one.days:
            yield f"| {one.station} | {one.days} | {one.agreed} | {'yes' if one.counts else '**no**'} |"
    yield ""
    yield "Left out: " + "; ".join(f"{number} {reason}" for reason, number in sorted(recorded.left_out.items())) + "."
