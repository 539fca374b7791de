"""The database gives up one transaction of a basket's life, whichever: the task runs again, nothing is bought twice, the books tie.

A lost transaction is not a death: the process lives on with what it has in memory, and its connection works.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from simulator.control.internal_state import internal_state
from strategies.models import Decision, Profile
from tests.faults import account_state, rows
from tests.faults.lost import Lost
from tests.trading import live_twin, world
from tests.trading.twin import Twin
from trading import selectors, tasks
from trading.accounting import balance_check
from trading.closing import exits
from trading.execution import handed
from trading.models import Discrepancy, Lock, Position
from trading.reconciliation import reconcile
from trading.safety import live_readiness

pytestmark = pytest.mark.django_db(transaction=True)
LIMITS = (3_000, 3_200, 3_100)


def new_world() -> Twin:
    """An exchange with one event of which every leg can be bought, and nothing else."""
    rows.clear()
    handed.forget()
    world.active()
    return live_twin.listed(Twin(), live_twin.WIDE, 10_000)


def _decision(twin: Twin, sending: str) -> Decision:
    profile = world.add_profile("live", mode="live", sending=sending)
    return world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))


def _carried_on(twin: Twin, task: Callable[[], object]) -> None:
    """The task, and the sweeps of the next seconds."""
    task()
    for seconds in (0, 3, 8):
        with time_machine.travel(clock.now() + timedelta(seconds=seconds)):
            live_readiness.require_reconciliation()
            twin.sync()
            tasks.sweep()


def _holds(twin: Twin, position: Position, lost: Lost) -> None:
    reconcile.run("live", "test")
    said = f"message {lost.at}: {lost.messages[lost.at]}"
    assert list(Discrepancy.objects.values_list("code", "key", "ours", "theirs")) == [], said
    assert not Lock.objects.exists(), said
    orders = internal_state(twin.exchange, {"orders"})["orders"]
    assert account_state.at_any_moment(orders) == [], said
    assert selectors.exchange_difference() == 0, said
    assert balance_check.summary(position.profile)["difference"] == 0, said


def _bought(sending: str, at: int) -> bool:
    """Buy a basket whose message ``at`` is lost. False when there are fewer."""
    twin, lost = new_world(), Lost(at)
    decision = _decision(twin, sending)
    with lost.run():
        _carried_on(twin, lambda: tasks.execute_decision(str(decision.pk)))
    if not lost.happened:
        return False
    position = Position.objects.get(decision=decision)
    assert position.status == "open", (at, lost.messages[at], position.status, position.residual)
    assert twin.held() == dict.fromkeys(twin.markets, position.target_count), (at, lost.messages[at])
    _holds(twin, position, lost)
    return True


def _sold(at: int) -> bool:
    """Sell a basket; the message ``at`` of the exit is lost."""
    twin, lost = new_world(), Lost(at)
    tasks.execute_decision(str(_decision(twin, Profile.Sending.THINNEST).pk))
    position = Position.objects.get()
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="a person said so")
    with lost.run():
        _carried_on(twin, lambda: tasks.exit_position(position.pk))
    if not lost.happened:
        return False
    position.refresh_from_db()
    assert position.status == "closed", (at, lost.messages[at], position.status, position.residual)
    assert twin.held() == {}, (at, lost.messages[at])
    _holds(twin, position, lost)
    return True


@pytest.mark.parametrize("at", [0, 3, 6, 9])
def test_a_basket_whose_transaction_is_given_up_is_bought_once(settings: Any, at: int) -> None:
    settings.KALBOT_LIVE = True
    assert _bought(Profile.Sending.THINNEST, at)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("sending", [Profile.Sending.THINNEST, Profile.Sending.TOGETHER])
def test_whichever_transaction_of_a_purchase_is_given_up_it_is_bought_once(settings: Any, sending: str) -> None:
    settings.KALBOT_LIVE = True
    at = 0
    while _bought(sending, at):
        at += 1
    assert at > 10


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whichever_transaction_of_an_exit_is_given_up_it_is_sold_once(settings: Any) -> None:
    settings.KALBOT_LIVE = True
    at = 0
    while _sold(at):
        at += 1
    assert at > 5
