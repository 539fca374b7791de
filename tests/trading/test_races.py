"""Eight workers at once, on whatever database the run has: one winner, nothing over-reserved."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from strategies.models import Decision
from tests.trading import world
from trading import ledger
from trading.execution import executor
from trading.models import Denial, Order, Position, ProfileBalance

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8
ASKS = [(4_000, 4_400), (4_200, 4_600)]


def _at_once(work: Callable[[int], object]) -> list[BaseException]:
    barrier, errors = threading.Barrier(WORKERS), []

    def run(number: int) -> None:
        try:
            barrier.wait(timeout=20)
            work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return errors


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
    assert _at_once(lambda n: executor.execute(decisions[n].pk)) == []
    profile = decisions[0].profile
    cost = sum(Position.objects.values_list("cost", flat=True))
    won = Position.objects.filter(status="open").count()
    assert won == 20 * world.DOLLAR // (max(d.max_cost for d in decisions) + 100)
    assert set(Denial.objects.values_list("code", flat=True)) == {"capital"}
    assert Denial.objects.count() == WORKERS - won
    balance = ProfileBalance.objects.get(profile=profile)
    assert balance.cash == 20 * world.DOLLAR - cost >= 0
    assert ledger.summary(profile)["difference"] == 0
    assert ledger.audit(profile) == []


def test_workers_racing_for_one_event_have_one_winner() -> None:
    first = _events(1)[0]
    rest = [world.decide(first.profile, first.event, {"KXT-0-0": 4_400, "KXT-0-1": 4_600}, 500) for _ in range(7)]
    decisions = [first, *rest]
    assert _at_once(lambda n: executor.execute(decisions[n].pk)) == []
    assert Position.objects.count() == 1
    assert Order.objects.count() == 2
    assert set(Denial.objects.values_list("code", flat=True)) == {"event_taken"}


def test_workers_racing_with_one_decision_buy_once() -> None:
    decision = _events(1)[0]
    assert _at_once(lambda n: executor.execute(decision.pk)) == []
    assert Position.objects.count() == 1
    assert Order.objects.count() == 2
    assert not Denial.objects.exists()
    assert Position.objects.get().legs.all()[0].held == 500


def test_workers_stepping_one_position_do_its_work_once() -> None:
    decision = _events(1)[0]
    from trading.execution import admission

    position = admission.admit(decision)
    assert position is not None
    assert _at_once(lambda n: executor.step(position.pk)) == []
    position.refresh_from_db()
    assert position.status == "open"
    assert Order.objects.count() == 2
