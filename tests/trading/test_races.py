"""Eight workers at once, on whatever database the run has: one winner, nothing over-reserved."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from kalbot.common import clock
from markets import exchange_hours
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.at_once import at_once
from tests.trading.twin import Twin
from trading import states
from trading.accounting import audit, balance_check, ledger, shard_cash
from trading.denials import Denied
from trading.execution import admission, executor
from trading.models import Denial, ExchangeAccount, Order, Position, ProfileBalance
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8
ASKS = [(4_000, 4_400), (4_200, 4_600)]


def _by_all(work: Callable[[int], object]) -> list[BaseException]:
    return at_once([partial(work, number) for number in range(WORKERS)])


def _events(number: int) -> list[Decision]:
    profile = world.add_profile(capital=20 * world.DOLLAR)
    decisions = []
    for n in range(number):
        event = world.add_event(f"KXT-{n}", outcomes=2)
        world.publish(event.ticker, world.quoted(event, ASKS))
        decisions.append(world.decide(profile, event, {f"KXT-{n}-0": 4_400, f"KXT-{n}-1": 4_600}, 500))
    return decisions


def test_workers_racing_for_one_profiles_capital_never_over_reserve() -> None:
    decisions = _events(WORKERS)
    assert _by_all(lambda n: executor.execute(decisions[n].pk)) == []
    profile = decisions[0].profile
    cost = sum(Position.objects.values_list("cost", flat=True))
    won = Position.objects.filter(status="open").count()
    assert won == 20 * world.DOLLAR // (max(d.max_cost for d in decisions) + 100)
    assert set(Denial.objects.values_list("code", flat=True)) == {"capital"}
    assert Denial.objects.count() == WORKERS - won
    balance = ProfileBalance.objects.get(profile=profile)
    assert balance.cash == 20 * world.DOLLAR - cost >= 0
    assert balance_check.summary(profile)["difference"] == 0
    assert audit.totals(profile) == []


def test_workers_racing_for_one_event_have_one_winner() -> None:
    first = _events(1)[0]
    rest = [world.decide(first.profile, first.event, {"KXT-0-0": 4_400, "KXT-0-1": 4_600}, 500) for _ in range(7)]
    decisions = [first, *rest]
    assert _by_all(lambda n: executor.execute(decisions[n].pk)) == []
    assert Position.objects.count() == 1
    assert Order.objects.count() == 2
    assert set(Denial.objects.values_list("code", flat=True)) == {"event_taken"}


def test_workers_racing_with_one_decision_buy_once() -> None:
    decision = _events(1)[0]
    assert _by_all(lambda n: executor.execute(decision.pk)) == []
    assert Position.objects.count() == 1
    assert Order.objects.count() == 2
    assert not Denial.objects.exists()
    assert Position.objects.get().legs.all()[0].held == 500


def test_workers_stepping_one_position_do_its_work_once() -> None:
    decision = _events(1)[0]
    position = admission.admit(decision)
    assert position is not None
    assert _by_all(lambda n: executor.step(position.pk)) == []
    position.refresh_from_db()
    assert position.status == "open"
    assert Order.objects.count() == 2


PLENTY = 100_000


def _live_decisions(settings: Any, cash: int, together: bool = False) -> tuple[Twin, list[Decision]]:
    """One decision each of eight live profiles that share a subaccount, on eight events of one shard."""
    settings.KALBOT_LIVE = True
    twins = [Twin(f"KXT-{n}", shard=1) for n in range(WORKERS)]
    decisions = []
    for number, twin in enumerate(twins):
        for bid, ask in ASKS:
            twin.add_market([(bid, PLENTY)], [(ask, PLENTY)])
        sending = Profile.Sending.TOGETHER if together else Profile.Sending.THINNEST
        profile = world.add_profile(f"live {number}", mode="live", sending=sending)
        twin.sync()
        limits = {f"KXT-{number}-0": 4_400, f"KXT-{number}-1": 4_600}
        decisions.append(world.decide(profile, twin.row, limits, 1_000))
    twins[0].exchange.ledger.cash[0, 1] = cash
    connection.use(twins[0].client())
    live_readiness.require_reconciliation()
    assert reconcile.ensure_reconciled()
    exchange_hours.refresh(connection.client())
    return twins[0], decisions


@pytest.mark.parametrize("together", [False, True])
def test_live_profiles_racing_for_the_cash_of_one_shard_never_promise_it_twice(settings: Any, together: bool) -> None:
    twin, decisions = _live_decisions(settings, 30 * world.DOLLAR, together)

    def admit(number: int) -> None:
        connection.use(twin.client())
        admission.admit(decisions[number])

    assert _by_all(admit) == []
    reserved = list(Position.objects.values_list("reserved", flat=True))
    assert len(reserved) == 30 * world.DOLLAR // max(reserved) == 3
    assert set(Denial.objects.values_list("code", flat=True)) == {"shard_cash"}
    assert shard_cash.free(0, 1) == 30 * world.DOLLAR - sum(reserved) >= 0


def test_purchases_that_complete_baskets_do_not_promise_a_shards_cash_twice_either(settings: Any) -> None:
    _, decisions = _live_decisions(settings, 10_000 * world.DOLLAR)
    positions = [found for one in decisions if (found := admission.admit(one)) is not None]
    assert len(positions) == WORKERS
    for position in positions:  # as when an unwind had released it
        with transaction.atomic():
            ledger.release(position, states.note(position, "test").pk)
    ExchangeAccount.objects.update(shards={"0": 0, "1": 30 * world.DOLLAR}, seen_at=clock.now())
    refused: list[str] = []

    def reserve(number: int) -> None:
        try:
            ledger.reserve_up_to(positions[number], 9 * world.DOLLAR)
        except Denied as denied:
            refused.append(denied.code)

    assert _by_all(reserve) == []
    assert sum(Position.objects.values_list("reserved", flat=True)) == 27 * world.DOLLAR
    assert refused == ["shard_cash"] * (WORKERS - 3)
