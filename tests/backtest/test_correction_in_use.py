"""The favourite-longshot correction where it has earned its use, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from backtest.calibration.in_force import use
from backtest.calibration.report import report
from backtest.replay.session import run
from markets.book import Depth
from strategies.catalogue.corrections import HOUR_MS, LEADS, power_of, powers
from strategies.dutch.coverage import corrected, probabilities
from strategies.models import ProbabilityCorrection
from tests.backtest.made_events import made
from tests.backtest.tapes import options, planted

BOOKS = {
    "A": Depth(((7000, 5000),), ((2800, 5000),)),
    "B": Depth(((2000, 5000),), ((7800, 5000),)),
    "C": Depth(((500, 5000),), ((9300, 5000),)),
}


def test_a_power_above_one_moves_probability_from_long_shots_to_favourites_and_one_changes_nothing() -> None:
    plain = probabilities(BOOKS, certified=True)
    assert plain is not None
    assert probabilities(BOOKS, certified=True, power=1.0) == plain
    steeper = probabilities(BOOKS, certified=True, power=1.4)
    assert steeper == corrected(plain, 1.4)
    assert steeper["A"] > plain["A"]
    assert steeper["C"] < plain["C"]
    assert sum(steeper.values()) == pytest.approx(1.0)
    unlisted = probabilities(BOOKS, certified=False, power=1.4)
    assert unlisted is not None
    assert sum(unlisted.values()) == pytest.approx(0.98), "what is not listed keeps its share"


@pytest.mark.django_db
def test_only_what_has_earned_its_use_is_used_and_a_new_report_takes_the_place_of_the_old() -> None:
    biased, fair = report(made(1.6, 1200, 3)), report(made(1.0, 300, 4))
    assert use(biased) == sum(one["is_used"] for one in biased["groups"]) > 0
    table = powers()
    ((category, lead),) = table
    assert power_of(table, category, (lead + 1) * HOUR_MS, 0) == table[category, lead] > 1.0
    assert power_of(table, "another", (lead + 1) * HOUR_MS, 0) == 1.0
    assert use(fair) == 0
    assert not powers()


@pytest.mark.django_db
def test_a_correction_without_evidence_cannot_be_stored() -> None:
    for power, value in ((1.1, 19.9), (2.5, 30.0)):
        with pytest.raises(IntegrityError), transaction.atomic():
            ProbabilityCorrection.objects.create(
                category="Sports", lead_hours=24, power=power, e_value=value, events=99
            )


@pytest.mark.parametrize("hours", [0.5, -3.0, 96.0, 500.0])
def test_outside_of_the_judged_hours_there_is_no_correction(hours: float) -> None:
    table = {("Sports", lead): 1.5 for lead in LEADS}
    assert power_of(table, "Sports", round(hours * HOUR_MS), 0) == 1.0
    assert power_of(table, "Sports", None, 0) == 1.0
    assert power_of(table, "Sports", 95 * HOUR_MS, 0) == 1.5


@pytest.mark.django_db
def test_a_replay_uses_none_because_it_was_learned_from_what_comes_later(tmp_path: Path) -> None:
    ProbabilityCorrection.objects.create(category="Sports", lead_hours=24, power=2.0, e_value=30.0, events=99)
    with_row = run(options(planted(tmp_path)))
    ProbabilityCorrection.objects.all().delete()
    assert run(options(planted(tmp_path / "again"))).fingerprint == with_row.fingerprint
