"""What a worker of Celery does before its first task."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

import pytest
from celery import signals
from celery.app.task import Context
from celery.fixups.django import DjangoWorkerFixup  # type: ignore[attr-defined]  # not in the stubs
from celery.utils.dispatch import Signal
from django.db import DatabaseError, connection

from kalbot import celery
from kalbot.common.db import connections


@pytest.mark.parametrize("signal", [signals.worker_ready, signals.worker_process_init], ids=["threads", "processes"])
def test_the_collector_is_not_to_visit_what_a_worker_has_loaded(signal: Signal) -> None:
    assert celery.collect_less in [receiver() for _, receiver in signal.receivers]
    before = gc.get_threshold()
    try:
        celery.collect_less()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == celery.COLLECTS_AFTER
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


class _Task:
    """A task that a worker runs, as its signals show it."""

    request = Context(is_eager=False)


def _run(work: Callable[[], None]) -> None:
    """One task of a worker, with what Celery's own support for Django does before and after it."""
    own = DjangoWorkerFixup(celery.app)
    own.on_task_prerun(_Task)
    celery.check_connections(sender=_Task)
    try:
        work()
    finally:
        own.on_task_postrun(_Task)
        celery.leave_connections(sender=_Task)


def _select() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.django_db(transaction=True)
def test_a_connection_lives_on_from_task_to_task_until_it_breaks_or_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    for signal, receiver in ((signals.task_prerun, "check_connections"), (signals.task_postrun, "leave_connections")):
        assert getattr(celery, receiver) in [known() for _, known in signal.receivers]
    connection.close()
    _run(_select)
    first = connection.connection
    for _ in range(3):
        _run(_select)
    assert first is not None
    assert connection.connection is first
    if connection.vendor == "postgresql":  # a file cannot go away

        def breaks() -> None:
            connection.connection.close()
            with pytest.raises(DatabaseError):
                _select()

        _run(breaks)
        _run(_select)
        assert connection.connection is not first
    second = connection.connection
    monkeypatch.setattr(connection, "close_at", time.monotonic() - 1)
    _run(_select)
    assert connection.connection is not second


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("idle", "is_checked"), [(0, False), (7_200, True)])
def test_a_connection_that_was_idle_for_a_while_is_checked_before_it_is_used(
    idle: int, is_checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 60)
    monkeypatch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", True)
    monkeypatch.setattr(connections, "RECENT_SECONDS", 3_600.0)
    _run(_select)
    connections._last.ended -= idle
    checked: list[bool] = []

    def usable() -> bool:
        checked.append(True)
        return True

    monkeypatch.setattr(connection, "is_usable", usable)
    _run(_select)
    assert bool(checked) == is_checked


@pytest.mark.parametrize("signal", [signals.worker_ready, signals.worker_process_init], ids=["threads", "processes"])
def test_a_thread_of_a_worker_holds_up_no_other_for_long(signal: Signal) -> None:
    assert celery.switch_sooner in [receiver() for _, receiver in signal.receivers]
    before = sys.getswitchinterval()
    try:
        celery.switch_sooner()
        assert sys.getswitchinterval() == pytest.approx(celery.SWITCH_SECONDS)
    finally:
        sys.setswitchinterval(before)
