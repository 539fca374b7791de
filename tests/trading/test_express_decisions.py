"""Decisions that threads of a worker take past Celery's queue: carried out once, and by whoever is free."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kalbot.common import cache, idle_receivers, messages, receivers
from kalbot.common import express as lane
from trading import express, tasks
from trading.execution import executor


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
