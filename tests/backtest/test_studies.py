"""Runs that belong together: what size, latency and fees would have changed, and sweeps by workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backtest import runs, stored
from backtest.models import BacktestRun, Study
from backtest.options import BadOption, Options, from_document
from backtest.replay import session
from backtest.studies import by_workers, sweep
from markets.tape.coverage import coverage
from markets.tape.reader import Tape
from tests.backtest.tapes import options, planted
from trading.venues.queues import QueueModel
from trading.venues.replay import Latency

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


def _done(*rows: BacktestRun) -> None:
    """What a worker does with these rows."""
    for row in rows:
        BacktestRun.objects.filter(pk=row.pk).update(status="running")
        stored.perform(row.pk)


def _kept(tape: Path, **profile: int) -> BacktestRun:
    wanted = options(tape, profile=profile)
    return runs.save(session.run(wanted), coverage(Tape.open(tape)))


def test_options_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    wanted = replace(
        options(planted(tmp_path), latency=Latency(1, 2, 3)),
        start_ns=5, end_ns=7, seed=9, queue=QueueModel.PESSIMISTIC, touch_size=100, fees="quadratic", fee_ppm=5,
        cycle_seconds=60, rules=(tmp_path / "rules.jsonl",),
    )  # fmt: skip
    assert from_document(wanted.document()).document() == wanted.document()
    kept = wanted.document()
    del kept["folder"]
    with pytest.raises(BadOption):
        from_document(kept)


def test_a_run_varied_in_size_and_fees_shows_its_capacity_and_what_fees_cost(tmp_path: Path) -> None:
    """A basket costs 36.00 dollars and a fee of 1.008; the depth of the tape is 20 of them."""
    run = _kept(planted(tmp_path), max_per_position=10 * DOLLAR, max_per_event=10 * DOLLAR)
    study = by_workers.sensitivity(run, actor="somebody")
    rows = {(row.varied, row.value): row for row in study.runs.all()}
    assert [one.value for one in by_workers.lines(run) if one.varied == "latency"] == [
        "0 ms",
        "30 ms",
        "120 ms",
        "480 ms",
    ]
    size, fees = [("size", "x 0.25"), ("size", "x 4"), ("size", "x 16")], [("fees", "x 1"), ("fees", "x 2")]
    _done(*(rows[key] for key in size + fees))
    by = {(one.varied, one.value): one.run for one in by_workers.lines(run)}
    spent = [by[key].spent for key in size]
    assert spent[0] < run.spent < spent[1] == spent[2], "the depth of the tape is the capacity"
    assert by["fees", "x 1"].profit == run.profit
    less = by["fees", "x 2"]
    assert less.spent <= 10 * DOLLAR
    baskets = [row.result["positions"][0]["count"] for row in (by["fees", "x 1"], less)]
    assert less.fees * baskets[0] == 2 * by["fees", "x 1"].fees * baskets[1]
    assert by_workers.progress(study).left == len(rows) - 5


def test_a_sweep_by_workers_finds_what_one_process_finds(tmp_path: Path) -> None:
    settings = list(sweep.grid({"min_profit": [0, 10**9]}))
    base = options(planted(tmp_path))
    study = by_workers.over_workers(base, settings, actor="somebody")
    queued = list(study.runs.order_by("pk"))
    assert [row.varied for row in queued] == ["chosen", "chosen", "judged", "judged"]
    _done(*queued[:3])
    assert by_workers.swept(study) is None, "a try that was not made counts too"
    _done(queued[3])
    assert by_workers.swept(study) == sweep.run(base, settings)
    study = by_workers.over_workers(base, settings, actor="somebody", folds=2)
    assert [row.varied for row in study.runs.order_by("pk")] == ["chosen"] * 2 + ["both"] * 2 + ["judged"] * 2
    _done(*study.runs.all())
    assert by_workers.swept(study) == sweep.run(base, settings, folds=2)


def test_a_failed_run_leaves_a_sweep_without_result_and_says_why(tmp_path: Path) -> None:
    study = by_workers.over_workers(options(planted(tmp_path)), [{"min_profit": 0}], actor="somebody")
    study.runs.update(status="failed", failure="disk full")
    assert by_workers.swept(study) is None
    assert by_workers.progress(study) == by_workers.Progress(0, ("disk full",), 0)


def test_a_setting_that_is_none_queues_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadOption):
        by_workers.over_workers(options(planted(tmp_path)), [{"min_profit": 0}, {"nonsense": 1}], actor="somebody")
    assert not Study.objects.exists()


def test_profit_is_listed_by_the_reason_of_entry(tmp_path: Path) -> None:
    found = session.run(options(planted(tmp_path)))
    (entry,) = found.by["entry"]
    assert entry == "guaranteed if determined"
    assert found.by["entry"][entry]["profit"] == found.profit


def test_options_name_every_setting_of_a_run() -> None:
    named = {"tape": "folder", "start_ns": "from_ns", "end_ns": "to_ns", "latency": "latency_ms"}
    fields = {named.get(name, name) for name in Options.__dataclass_fields__}
    assert fields | {"tape"} == set(Options(Path("x"), {}).document())
