"""Some seeds of the harsher world in the normal run; ``bin/faults --harsh`` runs more of them."""

from __future__ import annotations

import os

import pytest
from django.db import connection
from django.test import override_settings

from tests.faults import harness
from tests.faults.harsh import draw_harsh
from tests.faults.lived import ACTS
from trading.models import Position

ON_SQLITE = connection.vendor == "sqlite"
SEEDS = int(os.environ.get("KALBOT_HARSH_SEEDS", "20" if ON_SQLITE else "5"))
GROUP = 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_every_invariant_holds_in_a_harsh_world(first: int, redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(first, min(first + GROUP, SEEDS)):
            harness.run(seed, harsh=True)


@pytest.mark.django_db(transaction=True)
def test_every_invariant_holds_with_collateral_returned(redis_db: object) -> None:
    """Cash tied by the exchange's word to the micro-dollar, whatever it does about what is not documented."""
    seeds = [seed for seed in range(400) if draw_harsh(seed)[1].collateral is not None][: SEEDS // 3]
    netted = set()
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in seeds:
            harness.run(seed, harsh=True)
            netted |= {seed for position in Position.objects.all() if position.collateral is not None}
    assert netted or not ON_SQLITE


@pytest.mark.django_db(transaction=True)
def test_every_invariant_holds_while_people_and_results_do_something_too(redis_db: object) -> None:
    acts = set()
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(SEEDS // 2):
            run = harness.run(seed, harsh=seed % 2 == 0, quoted=seed % 2 == 1, lived=True)
            acts |= {what for number in run.harsh.acts for what in run.harsh.acts[number]}
    assert acts == set(ACTS) or not ON_SQLITE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [43, 45, 57, 66] if ON_SQLITE else [43])
def test_every_invariant_holds_when_nobody_was_there_for_longer_than_the_exchange_lists(
    seed: int, redis_db: object
) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        harness.run(seed, harsh=True, lived=True, archived=True)


@pytest.mark.django_db(transaction=True)
def test_every_invariant_holds_with_odd_lots_two_subaccounts_and_others_at_work_in_the_midst_of_a_step(
    redis_db: object,
) -> None:
    done = 0
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(SEEDS // 5):
            run = harness.run(
                seed, harsh=seed % 2 == 0, quoted=seed % 2 == 1, odd=True, beside=True, apart=seed % 2 == 0
            )
            done += sum("beside it" in line for line in run.log)
    assert done or not ON_SQLITE


@pytest.mark.django_db(transaction=True)
def test_a_harsh_seed_runs_the_same_way_twice(redis_db: object) -> None:
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        first, second = harness.run(2, harsh=True), harness.run(2, harsh=True)
    assert first.story == second.story


def test_the_seeds_draw_every_part_of_the_harsh_world() -> None:
    drawn = [draw_harsh(seed) for seed in range(60)]
    worlds = [harsh for _, harsh in drawn]
    assert any(one.has_actor for one in worlds)
    assert any(one.freezes for one in worlds)
    assert any(one.steps for one in worlds)
    assert any(one.fine for one in worlds)
    assert any(len(set(one.shares)) > 1 for one in worlds)
    assert any(one.second_round is not None and one.cash is not None for one in worlds)
    prices = {price for plan, _ in drawn for bids, asks in plan.books for price, _ in bids + asks}
    assert {10, 100, 9_900} <= prices
