"""Some seeds of the harsh world with a basket whose legs rest; ``bin/faults --quoted`` runs more of them."""

from __future__ import annotations

import os

import pytest
from django.db import connection
from django.test import override_settings

from tests.faults import harness
from trading.models import Fill, Order

ON_SQLITE = connection.vendor == "sqlite"
SEEDS = int(os.environ.get("KALBOT_QUOTED_SEEDS", "5" if ON_SQLITE else "2"))


@pytest.mark.django_db(transaction=True)
def test_every_invariant_holds_while_quotes_rest_in_a_harsh_world(redis_db: object) -> None:
    filled = 0
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(SEEDS):
            harness.run(seed, quoted=True)
            filled += Fill.objects.filter(order__purpose=Order.Purpose.QUOTE).exists()
    assert filled or not ON_SQLITE, "no quote of any seed filled"


@pytest.mark.django_db(transaction=True)
def test_every_invariant_holds_while_one_leg_of_a_family_rests_in_a_harsh_world(redis_db: object) -> None:
    filled = 0
    with override_settings(KALBOT_LIVE=True, PAPER_LATENCY_MS=30):
        for seed in range(SEEDS):
            harness.run(seed, quoted=True, family=True)
            filled += Fill.objects.filter(order__purpose=Order.Purpose.QUOTE).exists()
    assert filled or not ON_SQLITE, "no quote of any seed filled"
