"""Days of which a tape has nothing are named and are part of no figure: they are not days without profit."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from backtest.models import BacktestRun
from backtest.report import html, terminal
from backtest.studies import same_day, sweep
from markets.tape.coverage import State, coverage, in_words
from markets.tape.reader import Tape
from tests.backtest.tapes import SECOND, START, Recorder, options

DAY, HOUR = 86_400, 3_600
FIRST = datetime.fromtimestamp(START / SECOND, UTC).date()


def _tape(folder: Path) -> Path:
    """Twenty minutes of the first hour of two days with two days between them."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-FAIR", 3)
    for leg in range(3):
        tape.book(1, f"GAME-FAIR-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for day in (0, 3):
        for second in range(0, 1_200, 4):
            tape.alive(day * DAY + 2 + second)
    return tape.write(folder)


def _days(*numbers: int) -> list[date]:
    return [FIRST + timedelta(days=number) for number in numbers]


def test_days_between_and_wanted_ones_before_and_after_are_missing(tmp_path: Path) -> None:
    tape = Tape.open(_tape(tmp_path))
    assert coverage(tape).missing_days == _days(1, 2)
    assert coverage(tape, START, START + 3 * DAY * SECOND).missing_days == _days(1, 2)
    wide = coverage(tape, START - DAY * SECOND, START + 5 * DAY * SECOND)
    assert wide.missing_days == _days(-1, 1, 2, 4)
    assert wide.count(State.PRESENT) == 2
    assert wide.count(State.MISSING) == 6 * 24 - 2
    hours = [(begins - START) // (HOUR * SECOND) for part in wide.missing for begins in part]
    assert hours == [-24, 0, 1, 72, 73, 120]


def test_days_that_follow_each_other_are_one_span() -> None:
    days = [date(2026, 8, 30), date(2026, 8, 31), date(2026, 9, 1), date(2026, 9, 5)]
    assert in_words(days) == "2026-08-30 to 2026-09-01, 2026-09-05"
    assert in_words([]) == ""


def test_every_report_names_them(tmp_path: Path) -> None:
    covered = coverage(Tape.open(_tape(tmp_path)))
    sentence = f"Nothing is known of 2 days, which count for nothing: {_days(1)[0]} to {_days(2)[0]}."
    assert sentence in terminal.coverage_line(covered)
    assert sentence in html.page([], covered)
    assert covered.document()["missing_days"] == [str(day) for day in _days(1, 2)]


@pytest.mark.django_db
def test_a_backtest_of_a_longer_time_says_what_the_tape_lacks_of_it(tmp_path: Path) -> None:
    tape, out = _tape(tmp_path), io.StringIO()
    ends = FIRST + timedelta(days=6)
    with redirect_stdout(out):
        call_command(
            "backtest", "--tape", tape, "--from", f"{FIRST}T00:00", "--to", f"{ends}T00:00", "--json", stdout=out
        )
    assert json.loads(out.getvalue())["coverage"]["missing_days"] == [str(day) for day in _days(1, 2, 4, 5)]


def test_hours_that_the_tape_lacks_were_not_replayed() -> None:
    """A run from the first day to the last covers nothing of those between them."""

    def at(hours: int) -> datetime:
        return datetime.fromtimestamp(START / SECOND, UTC) + timedelta(hours=hours)

    lacks = [[START + HOUR * SECOND, START + 72 * HOUR * SECOND]]
    run = BacktestRun(first_at=at(0), last_at=at(73), coverage={"missing": lacks})
    assert same_day._overlap(run, at(0), at(24)) == timedelta(hours=1)
    assert same_day._overlap(run, at(24), at(48)) == timedelta()
    assert same_day._overlap(run, at(0), at(96)) == timedelta(hours=2)
    assert same_day._overlap(BacktestRun(first_at=at(0), last_at=at(73)), at(0), at(24)) == timedelta(hours=24)


def test_a_sweep_is_cut_by_the_time_that_the_tape_has(tmp_path: Path) -> None:
    """Else most of what settings are chosen on, or a whole fold, is a time of which nothing is known."""
    wanted = options(_tape(tmp_path))
    spans = Tape.open(wanted.tape).spans()
    assert [round((end - begin) / SECOND) for begin, end in spans] == [3_600, 1_198]
    one = sweep.parts(wanted, [{}])
    assert (one[0].end_ns - START) / SECOND == pytest.approx(0.6 * (3_600 + 1_198), abs=2)
    cuts = [(part.end_ns - START) / SECOND for part in sweep.parts(wanted, [{}], folds=9)[:-1]]
    assert sum(cut < 3_600 for cut in cuts) == 7
    assert all(3 * DAY <= cut < 3 * DAY + 1_198 for cut in cuts[7:])


def test_nothing_in_the_time_is_no_span(tmp_path: Path) -> None:
    tape = Tape.open(_tape(tmp_path))
    for begin, end in ((START + DAY * SECOND, START + 2 * DAY * SECOND), (START + 9 * DAY * SECOND, 2**63)):
        with pytest.raises(FileNotFoundError):
            tape.spans(begin, end)
