"""Some seeds of the harsh world with a basket across two events; ``bin/faults --family`` runs more of them."""

from __future__ import annotations

import os

import pytest
from django.db import connection
from django.test import override_settings

from tests.faults import account_state, harness
from tests.faults.families import draw_family, shape_of
from trading.models import Fill, Leg

ON_SQLITE = connection.vendor == "sqlite"
SEEDS = int(os.environ.get("KALBOT_FAMILY_SEEDS", "5" if ON_SQLITE else "2"))


@pytest.mark.django_db(transaction=True)
def test_every_invariant_holds_for_a_family_in_a_harsh_world(redis_db: object) -> None:
    filled = 0
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(SEEDS):
            harness.run(seed, family=True)
            filled += Fill.objects.exists()
    assert filled or not ON_SQLITE, "no leg of any seed filled"


def test_a_leg_that_settled_before_another_left_keeps_more_than_its_baskets_need() -> None:
    """Seed 2526: one market of two had settled when somebody else sold six hundredths of the other."""
    assert account_state.holds(Leg(bought_count=100, settled_count=100), 94)
    assert not account_state.holds(Leg(bought_count=100, settled_count=50), 94)
    assert not account_state.holds(Leg(bought_count=90, settled_count=90), 94)
    assert account_state.holds(Leg(bought_count=100, sold_count=6), 94)


def test_the_seeds_draw_every_shape_of_a_family() -> None:
    shapes = [shape_of(draw_family(seed)[0]) for seed in range(60)]
    assert any(shape.ranges and shape.above for shape in shapes)
    assert any(shape.ranges and shape.below for shape in shapes)
    assert any(shape.above and shape.below for shape in shapes)
    assert max(shape.legs for shape in shapes) >= 4
