"""Seeded fault schedules in the normal run; ``bin/faults`` runs more of them.

On SQLite the first 50 seeds (the harsh world has its own), among the long tests 250; on Postgres, where a schedule takes several
times as long, a few that come after those.
"""

from __future__ import annotations

import os

import pytest
from django.db import connection
from django.test import override_settings

from strategies.models import Profile
from tests.faults import harness
from tests.faults.death import Mortal
from trading import sweeper

pytestmark = pytest.mark.alike

ON_SQLITE = connection.vendor == "sqlite"
FIRST = 0 if ON_SQLITE else 500
SEEDS = int(os.environ.get("KALBOT_FAULT_SEEDS", "20" if ON_SQLITE else "10"))
LONG = 250
GROUP = 10
"""Seeds a test: emptying the whole database afterwards costs as much as one of them. Many tests in a file start it early."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, GROUP))
def test_every_invariant_holds_after_every_schedule(first: int, redis_db: object) -> None:
    _run(range(first, min(first + GROUP, FIRST + SEEDS)))


@pytest.mark.slow
@pytest.mark.skipif(not ON_SQLITE, reason="the seeds of SQLite")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", range(SEEDS, LONG, GROUP))
def test_every_invariant_holds_after_the_schedules_that_come_next(first: int, redis_db: object) -> None:
    _run(range(first, first + GROUP))


def _run(seeds: range) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in seeds:
            harness.run(seed)


@pytest.mark.django_db(transaction=True)
def test_a_seed_runs_the_same_way_twice(redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in (3, 20, 29):
            first, second = _on_a_new_connection(seed), _on_a_new_connection(seed)
            assert first.story == second.story
            assert first.mortal.died_at == second.mortal.died_at


@pytest.mark.django_db(transaction=True)
def test_a_worker_dies_around_what_it_writes_and_not_around_what_it_reads() -> None:
    """Kept statements too: else most deaths would strike where a sweep only reads, of which nothing is left half done."""
    mortal = Mortal([])
    with mortal.life():
        assert [sweeper.due_positions(), sweeper.due_positions()] == [[], []]
        assert not Profile.objects.exists()
    assert mortal.passed == 0
    with mortal.life():
        Profile.objects.update(name="another")
    assert mortal.passed == 2


def _on_a_new_connection(seed: int) -> harness.Run:
    connection.close()  # what one has prepared it does not prepare again
    return harness.run(seed)
