"""Seeded fault schedules in the normal run; ``bin/faults`` runs more of them."""

from __future__ import annotations

import os

import pytest
from django.test import override_settings

from tests.faults import harness

SEEDS = int(os.environ.get("KALBOT_FAULT_SEEDS", "500"))
GROUPS = 25


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("group", range(GROUPS))
def test_every_invariant_holds_after_every_schedule(group: int, redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(group, SEEDS, GROUPS):
            harness.run(seed)


@pytest.mark.django_db(transaction=True)
def test_a_seed_runs_the_same_way_twice(redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in (3, 20, 29):
            first, second = harness.run(seed), harness.run(seed)
            assert first.log == second.log
            assert first.mortal.died_at == second.mortal.died_at
