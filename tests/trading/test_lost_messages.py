"""The connection is lost with one message of a basket's life, whichever, before it arrives or before its answer: nothing happens twice.

A lost connection is not a death: the process lives on with what it has in memory. What the message did is known by nobody but the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError
from django.db import connection as database

from kalbot.common import clock
from kalbot.common.db import connections
from simulator.control.internal_state import internal_state
from strategies.models import Decision, Profile
from tests.faults import account_state
from tests.faults.lost import Lost, Trouble
from tests.trading import world
from tests.trading.test_lost_races import new_world
from tests.trading.twin import Twin
from trading import selectors, tasks
from trading.accounting import balance_check
from trading.closing import exits
from trading.models import Denial, Discrepancy, Position
from trading.reconciliation import reconcile
from trading.safety import live_readiness

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(database.vendor != "postgresql", reason="SQLite has no connection to lose"),
]
LIMITS = (3_000, 3_200, 3_100)
LATER = (1, 4, 10, 50, 60, 110)
"""Seconds after which a sweep comes: within a decision's life, and when the lease of the worker that lost its connection is over."""
TROUBLES: tuple[Trouble, ...] = ("unsent", "unanswered")


def _as_a_worker(task: Callable[[], object]) -> None:
    """The task, as a worker that goes on runs it: an error of the database ends the task and nothing else."""
    connections.before_task()
    try:
        task()
    except DatabaseError:
        pass
    finally:
        connections.after_task()


def _carried_on(twin: Twin, task: Callable[[], object]) -> None:
    _as_a_worker(task)
    began = clock.now()
    for seconds in LATER:
        with time_machine.travel(began + timedelta(seconds=seconds)):
            _as_a_worker(live_readiness.require_reconciliation)
            twin.sync()
            _as_a_worker(tasks.sweep)


def _holds(twin: Twin, decision: Decision, lost: Lost) -> None:
    said = f"message {lost.at} ({lost.trouble}): {lost.messages[lost.at]}"
    with time_machine.travel(clock.now() + timedelta(seconds=LATER[-1])):
        reconcile.run("live", "test")
    assert list(Discrepancy.objects.values_list("code", "key", "ours", "theirs")) == [], said
    orders = internal_state(twin.exchange, {"orders"})["orders"]
    assert account_state.at_any_moment(orders) == [], said
    assert selectors.exchange_difference() == 0, said
    assert balance_check.summary(decision.profile)["difference"] == 0, said
    ours = {leg.market_id: leg.held for one in Position.objects.all() for leg in one.legs.all() if leg.held}
    assert ours == twin.held(), said
    assert not Position.objects.filter(status__in=account_state.MOVING).exists(), said
    most = max((position.target_count for position in Position.objects.all()), default=0)
    assert all(fill.post_position <= most for fill in twin.exchange.ledger.fills), said


def _bought(sending: str, at: int, trouble: Trouble) -> bool:
    """Buy a basket whose message ``at`` is lost. False when there are fewer messages."""
    twin, lost = new_world(), Lost(at, trouble)
    profile = world.add_profile("live", mode="live", sending=sending)
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    with lost.run():
        _carried_on(twin, lambda: tasks.execute_decision(str(decision.pk)))
    if not lost.happened:
        return False
    positions, denials = Position.objects.filter(decision=decision), Denial.objects.filter(decision=decision)
    assert positions.count() + denials.count() == 1, (at, trouble, lost.messages[at])
    for position in positions:
        assert position.status in ("open", "aborted", "closed"), (at, trouble, lost.messages[at], position.status)
        if position.status == "open":
            assert twin.held() == dict.fromkeys(twin.markets, position.target_count), (at, lost.messages[at])
    _holds(twin, decision, lost)
    return True


def _sold(at: int, trouble: Trouble) -> bool:
    """Sell a basket; the message ``at`` of the exit is lost."""
    twin, lost = new_world(), Lost(at, trouble)
    profile = world.add_profile("live", mode="live", sending=Profile.Sending.THINNEST)
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    tasks.execute_decision(str(decision.pk))
    position = Position.objects.get()
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="a person said so")
    with lost.run():
        _carried_on(twin, lambda: tasks.exit_position(position.pk))
    if not lost.happened:
        return False
    position.refresh_from_db()
    assert (position.status, twin.held()) == ("closed", {}), (at, trouble, lost.messages[at], position.residual)
    _holds(twin, decision, lost)
    return True


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("at", [0, 1, 2, 4])
def test_a_basket_whose_connection_is_lost_is_bought_once_or_not_at_all(
    settings: Any, at: int, trouble: Trouble
) -> None:
    settings.KALBOT_LIVE = True
    assert _bought(Profile.Sending.TOGETHER, at, trouble)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("sending", [Profile.Sending.THINNEST, Profile.Sending.TOGETHER])
def test_whichever_message_of_a_purchase_is_lost_nothing_is_bought_twice(
    settings: Any, sending: str, trouble: Trouble
) -> None:
    settings.KALBOT_LIVE = True
    at = 0
    while _bought(sending, at, trouble):
        at += 1
    assert at > 5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_whichever_message_of_an_exit_is_lost_it_is_sold_once(settings: Any, trouble: Trouble) -> None:
    settings.KALBOT_LIVE = True
    at = 0
    while _sold(at, trouble):
        at += 1
    assert at > 5
