"""The fault schedules with the simulator's own troubles on top, somebody else on the account among them, by the same seed."""

from __future__ import annotations

import pytest
from django.test import override_settings

from simulator.faults.trouble import KINDS
from tests.faults import harness

GROUPS = [
    ("answers", "jumps", "reads"),
    ("ends", "pauses", "grids"),
    ("restarts", "fees", "terms"),
    ("actor", "jumps"),
    tuple(sorted(KINDS)),
]
SEEDS = 25


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kinds", GROUPS, ids="-".join)
def test_every_invariant_holds_in_a_troubled_world(kinds: tuple[str, ...], redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(SEEDS):
            harness.run(seed, kinds)


def test_the_groups_name_every_kind() -> None:
    assert {kind for group in GROUPS for kind in group} == set(KINDS)
