"""A fill is acted on whenever it comes: an order answered with nothing may have filled all the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection as database
from django.db.models import F

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import live_twin, world
from tests.trading.twin import Twin
from trading import sweeper
from trading.accounting.booking import book_fill
from trading.accounting.fill_reports import FillReport
from trading.closing import exits
from trading.execution import executor
from trading.models import Discrepancy, Lock, Order, Position
from trading.reconciliation import inbox, late_fills, overdue
from trading.safety import live_readiness, lock_causes
from trading.venues.live import LiveVenue
from trading.venues.protocol import Ack

LIMITS = (3_000, 3_200, 3_100)


@pytest.fixture
def twin(settings: Any) -> Twin:
    return live_twin.connect(settings, Twin())


def _execute(twin: Twin, **columns: Any) -> Position:
    profile = world.add_profile("live", mode="live", **columns)
    position = executor.execute(world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), 1_000).pk)
    assert position is not None
    return position


def _answer_nothing(monkeypatch: pytest.MonkeyPatch, *, reads_too: bool) -> None:
    """The first order is answered with nothing although it fills; ``reads_too``: so does the read that follows."""
    state: dict[str, Any] = {}
    create: Callable[..., Ack] = LiveVenue.create
    fetch = LiveVenue.fetch

    def created(self: LiveVenue, order: Order, *args: Any, **kwargs: Any) -> Ack:
        answer = create(self, order, *args, **kwargs)
        if state.setdefault("order", order.pk) == order.pk:
            return Ack(answer.exchange_order_id, 0, 0)
        return answer

    def fetched(self: LiveVenue, order: Order) -> Ack:
        if reads_too and state.get("order") == order.pk:
            return Ack(order.exchange_order_id, 0, 0)
        return fetch(self, order)

    monkeypatch.setattr(LiveVenue, "create", created)
    monkeypatch.setattr(LiveVenue, "fetch", fetched)


def test_an_order_answered_with_nothing_is_read_once_more_before_the_basket_is_abandoned(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer_nothing(monkeypatch, reads_too=False)
    position = _execute(twin)
    assert position.status == "open"
    assert set(twin.held().values()) == {1_000}


def test_a_leg_answered_with_nothing_is_not_bought_a_second_time(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    create_many = LiveVenue.create_many

    def created(self: LiveVenue, orders: Any, *args: Any, **kwargs: Any) -> list[Any]:
        first, *rest = create_many(self, orders, *args, **kwargs)
        assert isinstance(first, Ack)
        return [Ack(first.exchange_order_id, 0, 0), *rest]

    monkeypatch.setattr(LiveVenue, "create_many", created)
    position = _execute(twin, sending="all_at_once")
    assert position.sends_together
    assert position.status == "open"
    assert [leg.orders.count() for leg in position.legs.all()] == [1, 1, 1]
    assert set(twin.held().values()) == {1_000}


def test_a_fill_of_an_aborted_position_reopens_and_unwinds_it(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    _answer_nothing(monkeypatch, reads_too=True)
    position = _execute(twin)
    assert position.status == "aborted"
    assert sum(twin.held().values()) == 1_000
    twin.send_fills()
    inbox.apply_waiting()
    assert late_fills.reopen_all() == 1
    position.refresh_from_db()
    assert (position.status, position.ended_at) == ("unwinding", None)
    assert exits.why_not(position) is None
    assert Lock.objects.filter(profile=position.profile, code="difference").exists()
    named = Discrepancy.objects.filter(code=Discrepancy.Code.LATE_FILL, key=str(position.pk))
    assert named.get().resolved_at is None
    with time_machine.travel(clock.now() + timedelta(seconds=5)):
        live_readiness.require_reconciliation()
        twin.sync()
        sweeper.sweep()
        twin.sync()
        position = executor.step(position.pk)
        sweeper.sweep()
    assert named.get().resolved_at is not None
    assert position.status in ("open", "aborted")
    assert set(twin.held().values()) in (set(), {position.matched_count})


def test_a_row_that_a_sweep_cannot_deal_with_keeps_no_position_waiting(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = _execute(twin)
    Position.objects.filter(pk=closed.pk).update(status="closed")  # and holds contracts: to be reopened
    waits = world.add_order(7).position
    Position.objects.filter(pk=waits.pk).update(status="executing", next_step_at=None)

    def fails(*arguments: Any) -> int:
        raise ValueError("a row as nobody has seen it")

    stepped: list[int] = []
    monkeypatch.setattr(executor, "step", stepped.append)
    for module, part in (
        (sweeper, "take_future_for_now"),
        (late_fills, "withdraw_left"),
        (late_fills, "reopen_all"),
        (late_fills, "_reopen"),
        (overdue, "act"),
        (lock_causes, "end"),
        (late_fills, "take_back_names"),
    ):
        stepped.clear()
        with monkeypatch.context() as patch:
            patch.setattr(module, part, fails)
            sweeper.sweep()
        assert waits.pk in stepped, part


def test_a_fill_of_an_open_position_reopens_it_and_what_is_whole_stays_open(twin: Twin) -> None:
    position = _execute(twin)
    assert late_fills.reopen_all() == 0
    order = position.orders.order_by("created_at").first()
    assert order is not None
    Order.objects.filter(pk=order.pk).update(count=1_500)
    book_fill(order.pk, FillReport("late", order.price, 500, 0, True, clock.now_ms()), "websocket")
    assert late_fills.reopen_all() == 1
    position.refresh_from_db()
    assert position.status == "unwinding"
    assert late_fills.reopen_all() == 0


@pytest.mark.parametrize("becomes", ["settled", "exiting", "unwinding"])
def test_what_ends_or_is_taken_up_between_two_reads_is_not_reopened_and_rings_no_alarm(
    twin: Twin, becomes: str
) -> None:
    position = _execute(twin)
    Position.objects.filter(pk=position.pk).update(
        opened_at=clock.now() - timedelta(seconds=1)
    )  # its fills are late by that
    seen: list[str] = []

    def then(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Another worker, right after the legs were read."""
        answer = execute(sql, params, many, context)
        if "trading_leg" in sql and not seen:
            seen.append(sql)
            if becomes == "settled":
                position.legs.update(settled_count=F("bought_count"))
            Position.objects.filter(pk=position.pk).update(status=becomes)
        return answer

    with database.execute_wrapper(then):
        assert late_fills.reopen_all() == 0
    assert seen
    position.refresh_from_db()
    assert position.status == becomes
    assert not Discrepancy.objects.exists()
    assert not Lock.objects.exists()


def test_contracts_that_cannot_be_acted_on_are_named_until_they_can(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer_nothing(monkeypatch, reads_too=True)
    first = _execute(twin)
    assert first.status == "aborted"
    limits = dict(zip(twin.markets, LIMITS, strict=True))
    Profile.objects.update(cooldown_seconds=0)
    second = executor.execute(world.decide(first.profile, twin.row, limits, 500).pk)
    assert second is not None
    assert second.status == "open"
    twin.send_fills()
    inbox.apply_waiting()
    assert late_fills.reopen_all() == 0
    named = Discrepancy.objects.get(code=Discrepancy.Code.ENDED_HOLDS)
    assert (named.key, named.resolved_at) == (str(first.pk), None)
    exits.request_exit(position_id=second.pk, actor="ann", reason="out", below_floor="test")
    assert executor.step(second.pk).status == "closed"
    assert late_fills.reopen_all() == 1
    first.refresh_from_db()
    named.refresh_from_db()
    assert first.status == "unwinding"
    assert named.resolved_at is None, "it is at work again, and has not dealt with it yet"


def test_a_sale_that_filled_late_reopens_the_baskets_that_it_broke(twin: Twin) -> None:
    position = _execute(twin)
    leg = position.legs.get(sequence=0)
    sale = Order.objects.create(
        profile=position.profile,
        mode="live",
        position=position,
        leg=leg,
        action="sell",
        purpose="unwind",
        side="yes",
        price=2_900,
        count=300,
        status="done",
        reported_fill_count=0,
    )
    book_fill(sale.pk, FillReport("late-sale", 2_900, 300, 0, True, clock.now_ms()), "websocket")
    assert late_fills.reopen_all() == 1
    position.refresh_from_db()
    assert position.status == "unwinding"
