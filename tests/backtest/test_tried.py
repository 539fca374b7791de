"""Who tries ten times finds as much by luck as who tries once at ten times as many: earlier sweeps count."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backtest.models import TriedSetting
from backtest.options import profile_columns
from backtest.studies import sweep, tried
from backtest.studies.sweep import Found, Try
from tests.backtest.tapes import options, planted


def _settings(*least: int) -> list[dict[str, int]]:
    return [{"min_profit": one} for one in least]


@pytest.mark.django_db
def test_other_settings_of_earlier_sweeps_are_counted_and_the_same_ones_once(tmp_path: Path) -> None:
    base = replace(options(tmp_path / "one"), profile=profile_columns("careful", []))
    assert tried.note(base, _settings(1, 2, 3)) == 0
    assert tried.note(base, _settings(1, 2, 3)) == 0, "nothing new was tried"
    assert tried.note(base, _settings(3, 4)) == 2
    assert tried.note(base, _settings(5)) == 4
    assert tried.note(replace(base, tape=tmp_path / "other"), _settings(6)) == 0
    assert tried.note(base.changed(name="mine"), _settings(6)) == 0
    assert tried.note(base.changed(min_depth=7), _settings(1)) == 5, "the same value in another profile of that name"
    long = replace(base, tape=tmp_path / "/".join(["deep" * 10] * 20))
    assert [tried.note(long, _settings(one)) for one in (1, 2)] == [0, 1]


def test_they_raise_what_the_best_has_to_stand_out_by() -> None:
    tries = tuple(Try({"n": n}, ((profit, 40), (profit, 40))) for n, profit in enumerate((900, 300, 200, 100)))
    alone, after = Found(tries), Found(tries, earlier=96)
    assert alone.deflated is not None
    assert after.deflated == pytest.approx(alone.deflated + sweep.luck(4) - sweep.luck(100))
    assert "above luck" in alone.sentence
    assert after.sentence == (
        "4 tries after 96 others on this tape; the best is no better than the best of so many tries without merit."
    )


@pytest.mark.django_db
def test_the_command_counts_them_and_what_it_refuses_is_no_try(tmp_path: Path) -> None:
    tape = planted(tmp_path)

    def earlier(values: str) -> tuple[int, str]:
        out = io.StringIO()
        call_command("sweep", "--tape", tape, "--try", f"min_profit=[{values}]", "--json", stdout=out)
        found = json.loads(out.getvalue())
        return found["earlier"], found["sentence"]

    assert earlier("0") == (0, "1 try; 0 baskets to judge the best by: too few.")
    with pytest.raises(CommandError, match="no_such"):
        call_command("sweep", "--tape", tape, "--try", "no_such=[1]")
    assert TriedSetting.objects.count() == 1
    assert earlier("1, 2") == (1, "2 tries after 1 other on this tape; 0 baskets to judge the best by: too few.")


@pytest.mark.usefixtures("own_database")
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    wanted, settings = options(planted(tmp_path)), list(sweep.grid({"min_profit": [0, 10_000, 10**9]}))
    one = sweep.run(wanted, settings, jobs=1, folds=2)
    assert one.tries[0].before(2)[1] > 0
    assert sweep.run(wanted, settings, jobs=2, folds=2) == one
