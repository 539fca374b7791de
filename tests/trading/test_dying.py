"""Workers that die in the middle of a comparison: nothing stays booked by half."""

from __future__ import annotations

from random import Random

import pytest

from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import world
from tests.trading.dying import at_every_write
from tests.trading.twin import Twin
from trading.accounting import audit, balance_check
from trading.execution import executor
from trading.models import Discrepancy, Leg, Reconciliation
from trading.reconciliation import reconcile

DEPTH = 10_000
LIMITS = (3_000, 3_200, 3_100)
DOLLAR = 1_000_000


def _buy(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    assert executor.execute(world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True))).pk)


def _person(twin: Twin, what: str, number: int = 0, **terms: object) -> None:
    did = second_actor.act(twin.exchange, what, {"tickers": [twin.markets[number]], **terms}, Random(1))
    assert did["did"] == what, did


def _compare() -> Reconciliation:
    return reconcile.run("live", "test")


def _agrees(twin: Twin, number: int) -> None:
    row = _compare()
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0), number
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    (profile,) = Profile.objects.all()
    assert balance_check.summary(profile)["difference"] == 0
    assert audit.positions("live") == []
    assert audit.totals(profile) == []


@pytest.mark.alike
def test_what_a_person_did_is_booked_whole_wherever_a_comparison_died(twin: Twin) -> None:
    _buy(twin)
    _compare()
    _person(twin, "sell", count=400)
    _person(twin, "buy", 1, side="ask", count=1_200, rest=False)
    _person(twin, "deposit", amount=30 * DOLLAR)
    for number in at_every_write(_compare):
        _agrees(twin, number)
        assert sorted(leg.held for leg in Leg.objects.all()) == [0, 600, 1_000]
    assert number > 10


def test_an_account_that_is_first_seen_by_a_comparison_that_dies_counts_nothing_twice(twin: Twin) -> None:
    world.add_profile("live", mode="live")
    _person(twin, "buy", side="bid", count=300, rest=False)
    _person(twin, "deposit", amount=30 * DOLLAR)
    for number in at_every_write(_compare):
        _agrees(twin, number)
    assert number > 3


@pytest.mark.alike
def test_a_settlement_is_booked_whole_wherever_its_comparison_died(twin: Twin) -> None:
    _buy(twin)
    _person(twin, "buy", side="bid", count=300, rest=False)
    _compare()
    twin.finish(twin.markets[0])
    for number in at_every_write(_compare):
        _agrees(twin, number)
        assert not any(leg.held for leg in Leg.objects.all())
    assert number > 10
