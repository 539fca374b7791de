"""Seeded fault schedules in the normal run; ``bin/faults`` runs more of them.

On SQLite the first 150 seeds (the harsh world has its own); on Postgres, where a schedule takes several times as long, a few that come
after those.
"""

from __future__ import annotations

import os

import pytest
from django.conf import settings
from django.test import override_settings

from tests.faults import harness

ON_SQLITE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
FIRST = 0 if ON_SQLITE else 500
SEEDS = int(os.environ.get("KALBOT_FAULT_SEEDS", "150" if ON_SQLITE else "30"))
GROUP = 25
"""Seeds a test: emptying the whole database afterwards costs as much as one of them. Many tests in a file start it early."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, GROUP))
def test_every_invariant_holds_after_every_schedule(first: int, redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(first, min(first + GROUP, FIRST + SEEDS)):
            harness.run(seed)


@pytest.mark.django_db(transaction=True)
def test_a_seed_runs_the_same_way_twice(redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in (3, 20, 29):
            first, second = harness.run(seed), harness.run(seed)
            assert first.story == second.story
            assert first.mortal.died_at == second.mortal.died_at
