"""Runs of tasks: rare ones as rows, frequent ones as counts, failures always with their traceback and never with a secret."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from kalbot.common import messages
from kalbot.console.models import TaskRecord
from kalbot.console.ops.records import task_runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(redis_db: object) -> Any:
    """Runs a function as a task of a name, through Celery's own signals."""
    app = Celery("ledger-test", set_as_current=False, broker="memory://")

    def make(name: str, body: Any) -> Any:
        def work() -> Any:
            return body()

        return app.task(name=name, shared=False)(work).apply()

    return make


def test_a_rare_task_leaves_a_row_from_start_to_end(run: Any) -> None:
    seen = []
    run(messages.RECONCILE, lambda: seen.append(TaskRecord.objects.get().status))
    row = TaskRecord.objects.get()
    assert seen == ["started"]
    assert (row.name, row.status) == (messages.RECONCILE, "done")
    assert row.duration_ms is not None


def test_a_frequent_task_is_counted_and_leaves_no_row(run: Any) -> None:
    for _ in range(3):
        run(messages.RUN_CYCLE, lambda: None)
    assert TaskRecord.objects.count() == 0
    assert task_runs.counts()[messages.RUN_CYCLE]["done"] == 3


def test_a_failure_of_a_frequent_task_leaves_its_traceback_without_the_secret(run: Any, settings: Any) -> None:
    def fail() -> None:
        raise RuntimeError("redis://user:hunter2222@host went away")

    run(messages.RUN_CYCLE, fail)
    row = TaskRecord.objects.get()
    assert row.status == "failed"
    assert "went away" in row.error
    assert "Traceback" in row.error
    assert "hunter2222" not in row.error
    assert task_runs.counts()[messages.RUN_CYCLE]["failed"] == 1


def test_a_slow_run_of_a_frequent_task_leaves_a_row(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_runs, "SLOW_MS", -1)
    run(messages.RUN_CYCLE, lambda: None)
    assert TaskRecord.objects.get().status == "done"
