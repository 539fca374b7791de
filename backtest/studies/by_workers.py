"""Many runs by as many workers as there are: sweeps over settings, and what size, latency and fees would have changed.

A study is rows: its runs are queued like those that somebody requested on a page, and whoever reads it finds what is done so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import transaction

from backtest import stored
from backtest.models import BacktestRun, Study
from backtest.options import Options, checked, from_document
from backtest.studies import sweep
from trading.venues.replay import Latency

CHOSEN: Final = "chosen"
JUDGED: Final = "judged"
BOTH: Final = "both"
"""A part that judges the choice before it and is then chosen on itself."""
SIZES: Final = (0.25, 1.0, 4.0, 16.0)
LATENCIES: Final = (0.0, 1.0, 4.0, 16.0)
FEES: Final = (0.5, 1.0, 1.5, 2.0)
"""Factors to what the run had: its money limits, its latency, the exchange's fees."""
SIZED: Final = (
    *("capital", "max_per_event", "max_per_position", "max_per_leg", "max_daily_loss", "max_drawdown"),
    *("leg_risk_budget", "quote_count", "orphan_budget", "orphan_budget_day"),
)
"""Columns that say how much: all of them grow together, so that the same baskets are wanted larger."""
MOST: Final = 2**62
"""No limit is multiplied beyond what a column holds."""
Status = BacktestRun.Status


@dataclass(frozen=True, slots=True)
class Variation:
    """``varied``: size, latency or fees. ``value``: in words, from the run's own."""

    varied: str
    value: str
    options: Options


def variations(options: Options) -> Iterator[Variation]:
    """What is varied about a run, one thing at a time; each begins with the least."""
    for factor in SIZES:
        profile, *beside = (_sized(columns, factor) for columns in options.profiles)
        cash = {shard: min(MOST, round(amount * factor)) for shard, amount in options.cash.items()}
        sized = replace(options, profile=profile, beside=tuple(beside), cash=cash)
        yield Variation("size", f"x {factor:g}", sized)
    for factor in LATENCIES:
        drawn = options.latency
        latency = Latency(drawn.p10 * factor, drawn.p50 * factor, drawn.p90 * factor)
        yield Variation("latency", f"{latency.p50:g} ms", replace(options, latency=latency))
    for factor in FEES:
        fees = round(options.fee_ppm * factor)
        yield Variation("fees", f"x {factor:g}", replace(options, fee_ppm=fees))


def _sized(columns: dict[str, Any], factor: float) -> dict[str, Any]:
    """The columns of a profile with every limit of money times ``factor``."""
    return checked(columns | {name: min(MOST, round(columns[name] * factor)) for name in SIZED if name in columns})


def sensitivity(run: BacktestRun, *, actor: str) -> Study:
    """Queue what varies a kept run. Raises BadOption, or FileNotFoundError where its tape is gone."""
    wanted = list(variations(from_document(run.options)))
    with transaction.atomic():
        study = Study.objects.create(kind=Study.Kind.SENSITIVITY, of=run, actor=actor[:150])
        for one in wanted:
            stored.queue(one.options, actor=actor, name=run.name, study=study, varied=one.varied, value=one.value)
    return study


def over_workers(options: Options, settings: Sequence[Mapping[str, Any]], *, actor: str, folds: int = 1) -> Study:
    """Queue a sweep. Raises BadOption, FileNotFoundError."""
    wanted = sweep.parts(options, settings, folds)
    with transaction.atomic():
        study = Study.objects.create(kind=Study.Kind.SWEEP, actor=actor[:150])
        for number, one in enumerate(wanted):
            part, changes = divmod(number, len(settings))
            label = CHOSEN if not part else JUDGED if part == folds else BOTH
            stored.queue(one, actor=actor, name="sweep", study=study, varied=label, changes=dict(settings[changes]))
    return study


@dataclass(frozen=True, slots=True)
class Progress:
    """Runs of a study by what became of them."""

    done: int
    failed: tuple[str, ...]
    left: int


def progress(study: Study) -> Progress:
    """How far a study is. ``failed``: why, each reason once."""
    rows = list(study.runs.values_list("status", "failure"))
    failed = sorted({failure for status, failure in rows if status == Status.FAILED})
    done = sum(status == Status.DONE for status, _ in rows)
    return Progress(done, tuple(failed), sum(status in (Status.QUEUED, Status.RUNNING) for status, _ in rows))


def swept(study: Study) -> sweep.Found | None:
    """What a sweep found; None while a run is not done. Every try counts against the best, so a failed run leaves it without result."""
    rows = list(study.runs.order_by("pk").values_list("status", "varied", "changes", "profit", "baskets"))
    if not rows or any(status != Status.DONE for status, *_ in rows):
        return None
    settings: list[Mapping[str, Any]] = [changes for _, part, changes, _, _ in rows if part == CHOSEN]
    return sweep.found(settings, [(profit, baskets) for *_, profit, baskets in rows])


@dataclass(frozen=True, slots=True)
class Varied:
    """One line of a run's sensitivity; money in micro-dollars."""

    varied: str
    value: str
    run: BacktestRun


def lines(run: BacktestRun) -> list[Varied]:
    """The newest study of a run, in the order of its variations; empty without one."""
    study = run.studies.filter(kind=Study.Kind.SENSITIVITY).first()
    if study is None:
        return []
    rows = study.runs.defer("result", "coverage", "options").order_by("pk")
    return [Varied(row.varied, row.value, row) for row in rows]
