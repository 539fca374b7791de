"""Sweeps: chosen on one part, judged on the next, with luck counted."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import pytest

from backtest.options import BadOption, Options
from backtest.studies import sweep
from backtest.studies.sweep import Found, Try
from tests.backtest.tapes import options, planted


def test_luck_is_what_the_best_of_many_tries_without_merit_shows() -> None:
    numbers = random.Random(3)
    for tries in (5, 50):
        best = statistics.fmean(max(numbers.gauss(0, 1) for _ in range(tries)) for _ in range(4000))
        assert sweep.luck(tries) == pytest.approx(best, abs=0.08)


def test_a_best_that_is_only_lucky_is_not_praised() -> None:
    numbers = random.Random(4)
    tries = [Try({}, ((round(numbers.gauss(0, 1e6)), 100), (0, 100))) for _ in range(40)]
    found = Found(tuple(sorted(tries, key=lambda one: -one.chosen[0])))
    assert found.deflated is not None
    assert found.deflated < 1
    outstanding = Try({}, ((20_000_000, 100), (0, 100)))
    assert "above luck" in Found((outstanding, *found.tries)).sentence


def test_few_baskets_are_called_too_few() -> None:
    assert "too few" in Found((Try({}, ((5_000_000, 100), (4_000_000, 3))),)).sentence


@pytest.mark.usefixtures("own_database")
def test_settings_are_chosen_before_and_judged_after_the_cut(tmp_path: Path) -> None:
    """The edge lies in the first part: what finds it there finds nothing on the rest, and the rest says so."""
    tape = planted(tmp_path)
    settings = list(sweep.grid({"min_profit": [0, 10**9]}))
    found = sweep.run(options(tape), settings)
    assert found.tries[0].changes == {"min_profit": 0}
    assert found.tries[0].chosen[1] == 1
    assert found.tries[0].judged[1] == 0
    assert found.tries[1].chosen[1] == 0
    folded = sweep.run(options(tape), settings, folds=2)
    baskets = [[count for _, count in one.outcomes] for one in folded.tries]
    assert [len(one) for one in baskets] == [3, 3]
    assert sum(baskets[0]) > 0 == sum(baskets[1])
    assert [fold.changes for fold in folded.folds][-1] == {"min_profit": 0}


def test_folds_are_chosen_from_what_came_before_them_alone() -> None:
    """A is best by the first part, B by the first two; the last part, on which A is best by far, chooses nothing."""
    a, b = Try({"n": "a"}, ((5, 1), (-9, 20), (90, 20))), Try({"n": "b"}, ((4, 1), (3, 20), (1, 20)))
    found = Found((b, a))
    assert [(fold.changes["n"], fold.chosen[0], fold.judged) for fold in found.folds] == [
        ("a", 5, (-9, 20)),
        ("b", 7, (1, 20)),
    ]
    assert "2 folds; what was best before each earned -$0.00" in found.sentence
    assert (a.chosen, a.judged) == ((-4, 21), (90, 20))


@pytest.mark.parametrize("folds", [0, -1, sweep.MOST_FOLDS + 1])
def test_a_number_of_folds_that_is_none_is_refused(folds: int) -> None:
    with pytest.raises(BadOption, match="folds"):
        sweep.parts(Options(Path("nowhere"), {}), [{}], folds)
