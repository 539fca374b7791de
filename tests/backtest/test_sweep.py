"""Sweeps: chosen on one part, judged on the next, with luck counted."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import pytest

from backtest import sweep
from backtest.sweep import Found, Try
from tests.backtest.tapes import options, planted


def test_luck_is_what_the_best_of_many_tries_without_merit_shows() -> None:
    numbers = random.Random(3)
    for tries in (5, 50):
        best = statistics.fmean(max(numbers.gauss(0, 1) for _ in range(tries)) for _ in range(4000))
        assert sweep.luck(tries) == pytest.approx(best, abs=0.08)


def test_a_best_that_is_only_lucky_is_not_praised() -> None:
    numbers = random.Random(4)
    tries = [Try({}, round(numbers.gauss(0, 1e6)), 100, 0, 100) for _ in range(40)]
    found = Found(tuple(sorted(tries, key=lambda one: -one.chosen_profit)))
    assert found.deflated is not None
    assert found.deflated < 1
    outstanding = Try({}, 20_000_000, 100, 0, 100)
    assert "above luck" in Found((outstanding, *found.tries)).sentence


def test_few_baskets_are_called_too_few() -> None:
    assert "too few" in Found((Try({}, 5_000_000, 100, 4_000_000, 3),)).sentence


@pytest.mark.usefixtures("own_database")
def test_settings_are_chosen_before_and_judged_after_the_cut(tmp_path: Path) -> None:
    """The edge lies in the first part: what finds it there finds nothing on the rest, and the rest says so."""
    tape = planted(tmp_path)
    settings = list(sweep.grid({"min_profit": [0, 10**9]}))
    found = sweep.run(options(tape), settings)
    assert found.tries[0].changes == {"min_profit": 0}
    assert found.tries[0].chosen_baskets == 1
    assert found.tries[0].judged_baskets == 0
    assert found.tries[1].chosen_baskets == 0
