"""The tasks: each calls its service once, one worker at a time, and says what came of it; and what a sweep finds to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from kalbot.common import cache, clock
from markets.models import ExchangeMessage
from strategies.models import Decision
from tests.common.test_retry import Lost
from tests.trading import world
from tests.trading.struck import LIMITS, StruckTwin, execute
from tests.trading.twin import Twin
from trading import sweeper, tasks
from trading.execution import executor
from trading.models import Denial, Fill, Lock, MarkOut, Position, Reconciliation

NOW = clock.now().replace(microsecond=0)


def test_an_exit_and_a_decision_are_carried_out_by_their_tasks() -> None:
    event, profile = world.add_event(), world.add_profile()
    world.publish(event.ticker, world.quoted(event, [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]))
    limits = {f"KXT-1-{n}": limit for n, limit in enumerate(LIMITS)}
    position_id = tasks.execute_decision(str(world.decide(profile, event, limits).pk))
    assert position_id is not None
    assert tasks.exit_position(position_id) == "open"
    assert tasks.execute_decision(str(world.decide(profile, event, limits).pk)) is None
    assert Denial.objects.get().code == "event_taken"


def test_only_what_is_quoted_in_the_event_is_priced_again() -> None:
    wanted: list[Position] = []
    for number, status in ((1, "quoting"), (1, "open"), (2, "quoting")):
        event = wanted[0].event if wanted and number == 1 else world.add_event(f"KXT-{number}")
        profile = world.add_profile(f"profile-{len(wanted)}")
        decision = world.decide(profile, event, {f"KXT-{number}-0": 3_000})
        wanted.append(
            Position.objects.create(
                profile=profile,
                mode="sim",
                decision=decision,
                event=event,
                kind="all_yes",
                status=status,
                target_count=1,
            )
        )
        wanted[-1].lease_until, wanted[-1].lease_token = clock.now() + timedelta(seconds=20), "another worker"
        wanted[-1].save()
    assert (tasks.reprice("KXT-1"), tasks.reprice("KXT-2"), tasks.reprice("KXT-3")) == (1, 1, 0)


def test_what_another_worker_does_is_left_to_it(struck: StruckTwin) -> None:
    """Most of them would have something to do."""
    position = execute(struck)
    struck.send_fills()
    struck.finish(struck.markets[0])
    works: dict[str, Any] = {
        "count_quotes": tasks.count_quotes,
        "apply_messages": tasks.apply_messages,
        "reconcile": tasks.reconcile_books,
        "settle": tasks.settle,
        "move_capital": tasks.move_capital,
    }
    for name, work in works.items():
        with cache.lock(name, 60) as mine:
            assert mine
            assert work() == ([] if name == "reconcile" else 0)
    assert not Reconciliation.objects.filter(trigger="schedule").exists()
    assert ExchangeMessage.objects.filter(applied_at=None).count() == 3
    position.refresh_from_db()
    assert position.status == "open"
    assert tasks.apply_messages() == 3
    assert tasks.settle() == 3


def test_live_books_are_compared_where_a_live_profile_is_and_a_reconnect_pauses_new_baskets(twin: Twin) -> None:
    before = Reconciliation.objects.count()
    tasks.reconcile_books()
    assert set(Reconciliation.objects.order_by("id")[before:].values_list("mode", "trigger")) == {("sim", "schedule")}
    assert not Lock.objects.exists()
    world.add_profile("live", mode="live")
    assert tasks.reconcile_books("reconnect") == [0, 0]
    rows = Reconciliation.objects.filter(trigger="reconnect").order_by("id")
    assert list(rows.values_list("mode", flat=True)) == ["sim", "live"]
    assert Lock.objects.exists()


def test_a_sweep_takes_up_messages_positions_and_decisions_that_nobody_took_and_counts_them() -> None:
    event, profile = world.add_event(), world.add_profile()
    limits = {f"KXT-1-{n}": limit for n, limit in enumerate(LIMITS)}
    world.publish(event.ticker, world.quoted(event, [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]))
    assert tasks.sweep() == 0
    decision = world.decide(profile, event, limits)
    for age, count in ((2.9, 0), (3_601, 0), (3.1, 1)):
        with time_machine.travel(clock.now(), tick=False):
            Decision.objects.update(created_at=clock.now() - timedelta(seconds=age))
            world.publish(event.ticker, world.quoted(event, [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]))
            assert tasks.sweep() == count, age
    position = Position.objects.get(decision=decision)
    assert (position.status, tasks.sweep()) == ("open", 0)
    Position.objects.update(status="executing", next_step_at=None)
    for sent_ms, count in ((1, 0), (1 << 50, 1)):
        task: Any = tasks.sweep
        task.push_request(sent_ms=sent_ms)
        assert task.run() == count, "what was sent before the last sweep began is done"
        task.pop_request()


def test_exits_are_swept_without_purchases_and_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of everything does it too, so that no exit waits for ever where no worker reads its queue."""
    statuses = ("executing", "open", "quoting", "unwinding", "completing", "exiting", "open", "pending", "quoting")
    rows = [a_position(number, status) for number, status in enumerate(statuses)]
    for row in (rows[6], rows[8]):
        row.exit_requests.create(actor="ann", reason="out", source="person", least_prices=[])
    monkeypatch.setattr(executor, "step", lambda pk: stepped.append(pk))
    stepped: list[int] = []
    first = [rows[number].pk for number in (3, 4, 5, 6, 8)]
    assert (tasks.sweep_exits(), stepped) == (5, first)
    stepped.clear()
    assert (tasks.sweep(), stepped) == (8, [*first, *(rows[number].pk for number in (0, 2, 7))])
    stepped.clear()
    for sent_ms, count in ((1, 0), (1 << 50, 5)):
        task: Any = tasks.sweep_exits
        task.push_request(sent_ms=sent_ms)
        assert task.run() == count, "what was sent before the last sweep began is done"
        task.pop_request()


def test_a_position_that_another_sweep_has_stepped_meanwhile_is_not_stepped_before_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [a_position(number, "unwinding") for number in range(3)]
    stepped: list[int] = []

    def step(pk: int) -> None:
        stepped.append(pk)
        if len(stepped) == 1:  # while this sweep is at the first one
            other = Position.objects.filter(pk=rows[1].pk)
            other.update(next_step_at=clock.now() + timedelta(seconds=30))

    monkeypatch.setattr(executor, "step", step)
    assert (sweeper.sweep_exits(), stepped) == (2, [rows[0].pk, rows[2].pk])


@pytest.mark.django_db(transaction=True)
def test_a_position_that_lost_a_race_in_the_database_goes_on_at_once_and_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    position = a_position(0, "unwinding")
    steps: list[int] = []

    def step(pk: int) -> None:
        steps.append(pk)
        if len(steps) == 1:
            raise OperationalError("deadlock detected") from Lost("40P01")

    monkeypatch.setattr(executor, "step", step)
    assert (sweeper.sweep_exits(), steps) == (1, [position.pk, position.pk])
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def a_position(number: int, status: str) -> Position:
    event = world.add_event(f"KXT-{number}")
    profile = world.add_profile(f"profile-{number}")
    return Position.objects.create(
        profile=profile,
        mode="sim",
        decision=world.decide(profile, event, {f"KXT-{number}-0": 3_000}),
        event=event,
        kind="all_yes",
        status=status,
        target_count=1,
        next_step_at=NOW - timedelta(seconds=60 - number),
    )


def test_the_next_step_is_the_earliest_of_what_works_or_is_to_be_left() -> None:
    event = world.add_event()
    assert sweeper.next_due() is None
    rows = []
    for number, (status, seconds) in enumerate((("executing", 30), ("open", 5), ("closed", 1), ("unwinding", 20))):
        profile = world.add_profile(f"profile-{number}")
        decision = world.decide(profile, event, {"KXT-1-0": 3_000})
        rows.append(
            Position.objects.create(
                profile=profile,
                mode="sim",
                decision=decision,
                event=event,
                kind="all_yes",
                status=status,
                target_count=1,
                next_step_at=NOW + timedelta(seconds=seconds + number),
            )
        )
    assert sweeper.next_due() == NOW + timedelta(seconds=23)
    rows[1].exit_requests.create(actor="ann", reason="out", source="person", least_prices=[])
    assert sweeper.next_due() == NOW + timedelta(seconds=6)
    with time_machine.travel(NOW, tick=False):
        Position.objects.filter(pk=rows[0].pk).update(next_step_at=None)
        assert sweeper.next_due() == NOW
        Position.objects.all().update(status="closed")
        rows[1].exit_requests.update(status="cancelled")
        assert sweeper.next_due() is None
        _mark_out()
        assert sweeper.next_due() == NOW
        MarkOut.objects.update(is_done=True)
        assert sweeper.next_due() is None


def _mark_out() -> None:
    order = world.add_order(9)
    Position.objects.filter(pk=order.position_id).update(status="closed")
    fill = Fill.objects.create(
        order=order, mode="sim", trade_id="t", price=1, count=1, fee=0, is_taker=False, source="t"
    )
    MarkOut.objects.create(
        fill=fill, profile=order.profile, mode="sim", series="KXT", side="yes", price=1, count=1, at=clock.now()
    )
