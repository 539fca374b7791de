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
