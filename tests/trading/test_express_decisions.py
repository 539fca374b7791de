"""Decisions that threads of a worker take past Celery's queue: carried out once, and by whoever is free."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import time_machine
import yaml

import trading
from kalbot.common import cache, clock, idle_receivers, messages, receivers
from kalbot.common import express as lane
from markets.kalshi.rest.transport import ANSWER_SECONDS
from strategies.cycle import handover
from strategies.models import Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading import express, sweeper, tasks
from trading.execution import executor, handed
from trading.models import Denial, Position
from trading.reconciliation import reconcile

PACKAGE = str(Path(trading.__file__).parent)
SLOW = pytest.mark.slow
LIMITS = (3_000, 3_200, 3_100)


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def _waiting() -> int:
    return int(cache.prices().zcard(cache.key(idle_receivers.WAITING)))


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """What the threads were to carry out."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(executor, "execute", lambda decision, handed: found.append((decision, handed)))
    monkeypatch.setattr(express.crew, "rehearse", lambda: None)
    monkeypatch.setattr(receivers, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(lane, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(messages, "_silent_until", 0.0)
    monkeypatch.setattr("kalbot.console.ops.records.task_runs._write", lambda *args: None)
    yield found
    express.crew.end()


def test_a_decision_is_carried_out_past_the_queue_with_what_it_was_handed(carried_out: list[Any]) -> None:
    express.crew.start(1, "execution@here")
    _until(_waiting)
    messages.send(messages.EXECUTE_DECISION, "D1", "{}")
    _until(lambda: carried_out == [("D1", "{}")])
    assert cache.queue_depths(["execution"])["execution"] == 0


def test_a_worker_that_ends_carries_out_what_it_was_given(
    carried_out: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = idle_receivers.Receiver.take

    def take(self: idle_receivers.Receiver) -> list[Any] | None:
        found = taken(self)
        express.crew.end_soon()  # the worker ends while this one says that it waits, and it is given one more
        cache.prices().rpush(self._given, '["D2", ""]')
        return found

    monkeypatch.setattr(idle_receivers.Receiver, "take", take)
    express.crew.start(1, "execution@here")
    thread = express.crew.receivers[0].thread
    _until(lambda: not thread.is_alive())
    assert carried_out == [("D2", "")]
    assert _waiting() == 0


def test_it_is_carried_out_where_purchases_are_and_as_long_as_any_task_may_take(settings: Any) -> None:
    assert express.crew.task == tasks.execute_decision.name
    assert express.crew.queue == "execution"
    assert express.crew.limit_seconds == settings.CELERY_TASK_TIME_LIMIT


def test_a_worker_that_ends_waits_longer_than_the_exchange_may_take_and_less_than_it_is_given() -> None:
    grace = yaml.safe_load((Path(__file__).resolve().parents[2] / "docker-compose.yml").read_text())["x-kalbot"]
    given = int(grace["stop_grace_period"].removesuffix("s"))
    assert 2 * ANSWER_SECONDS < receivers.ENDS_SECONDS < given


def test_nobody_takes_the_place_of_one_that_is_over_its_limit_in_a_worker_that_ends(
    carried_out: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(executor, "execute", lambda decision, handed: may_end.wait(30))
    monkeypatch.setattr(express.crew, "limit_seconds", 0.05)
    monkeypatch.setattr(receivers, "WATCH_SECONDS", 600)
    express.crew.start(1, "execution@here")
    (receiver,) = express.crew.receivers
    _until(_waiting)
    assert idle_receivers.give(["D1", ""])
    _until(receiver.is_over)
    express.crew._ended.set()
    express.crew.watch()
    assert (express.crew.receivers, express.crew.stuck) == ([], [receiver])
    may_end.set()
    receiver.thread.join(30)


@pytest.mark.parametrize(
    "columns", [{"is_active": False}, {"capital": 1_000_000}, {"max_open_positions": 0}, {"kinds": ["coverage"]}]
)
def test_a_profile_that_was_edited_after_a_decision_was_handed_over_buys_by_its_new_limits(
    twin: Twin, columns: dict[str, Any]
) -> None:
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    handed.remember(profile)
    message = handover.packed(decision)
    Profile.objects.filter(pk=profile.pk).update(**columns)
    assert executor.execute(decision.pk, message) is None
    assert Denial.objects.get().decision == decision
    assert [one for one in twin.session.sent if one[0] == "POST"] == []


class _Ends:
    """Raises what ends a thread that is over its limit, at one line of the package."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise receivers.Overran
        return self._line


@pytest.mark.parametrize(
    "line", [*range(3_900, 7_400, 250), *(pytest.param(n, marks=SLOW) for n in range(40, 7_400, 90))]
)
def test_a_purchase_that_is_ended_at_any_line_is_brought_to_its_end(twin: Twin, line: int) -> None:
    """Its row and the exchange agree, nothing is sent twice, and what was bought is whole or was never begun."""
    decision = world.decide(
        world.add_profile("live", mode="live"), twin.row, dict(zip(twin.markets, LIMITS, strict=True))
    )
    before = sys.gettrace()
    sys.settrace(_Ends(line))
    try:
        with suppress(receivers.Overran):
            executor.execute(decision.pk)
    finally:
        sys.settrace(before)
    with time_machine.travel(clock.now(), tick=False) as now:
        for _ in range(25):
            now.shift(3)
            twin.sync()
            sweeper.sweep()
    position = Position.objects.get()
    held = {leg.held for leg in position.legs.all()}
    assert (position.status, held) in [("open", {1_000}), ("aborted", {0})]
    sent = [body["client_order_id"] for method, _, body in twin.session.sent if method == "POST"]
    assert len(sent) == len(set(sent)) == (3 if position.status == "open" else 0)
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
