"""A worker's threads are ready before the first price: statements compiled, nothing found, nothing written."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from celery import signals
from django.db import connection
from django.test.utils import CaptureQueriesContext

from strategies import tasks
from strategies.cycle import cycle, rehearsal
from strategies.models import Cycle, Decision, Profile, Verdict
from strategies.screening import screening
from tests.strategies.world import add_event, add_profile, add_scan, books_of, publish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_db")]
PAYING = [(2_000, 2_700)] * 3


def _begun(statements: list[dict[str, str]]) -> set[str]:
    """The statements without their values; on Postgres those that it keeps, by their names."""
    if connection.vendor == "postgresql":
        return {name for each in statements for name in re.findall(r"EXECUTE (\w+)", each["sql"])}
    return {each["sql"].split(" WHERE ")[0][:120] for each in statements}


@pytest.mark.parametrize("mode", ["sim", "live"])
def test_a_rehearsal_runs_the_statements_that_lead_to_a_decision_and_leaves_nothing(mode: str) -> None:
    # what the hurdle is learnt from is read every ten minutes by the first that needs it
    add_profile(mode=mode, kinds=["all_yes"], allocation=Profile.Allocation.FIRST_COME)
    for ticker in ("E1", "E2"):
        add_event(ticker, PAYING, certified=True)
        publish(ticker, books_of(ticker, PAYING))
    screening.screen(add_scan().pk)
    before = list(Verdict.objects.values())
    with CaptureQueriesContext(connection) as rehearsed:
        rehearsal.run()
    assert not Decision.objects.exists()
    assert not Cycle.objects.exists()
    assert list(Verdict.objects.values()) == before
    assert cycle.run(cycle.NUDGE, ["E2"]).decisions == 1
    with CaptureQueriesContext(connection) as ran:  # nothing is read of what E2's basket blocks beside itself
        assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 1
    queries = ran.captured_queries
    until = next(n for n, each in enumerate(queries) if 'INSERT INTO "strategies_decision"' in each["sql"])
    assert len(_begun(queries[:until])) > 10
    assert _begun(queries[:until]) - _begun(rehearsed.captured_queries) == set()


def test_a_rehearsal_that_fails_keeps_no_worker_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise RuntimeError

    monkeypatch.setattr(rehearsal, "_run", fails)
    rehearsal.run()
    assert "could not make itself ready" in caplog.text


@pytest.mark.parametrize(("queues", "ready"), [(["strategy", "scan"], 3), (["trading"], 0)])
def test_each_thread_of_a_worker_that_evaluates_events_rehearses_once(
    queues: list[str], ready: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tasks.be_ready in [receiver() for _, receiver in signals.worker_ready.receivers]
    threads: list[int] = []
    monkeypatch.setattr(rehearsal, "run", lambda: threads.append(threading.get_ident()))
    with ThreadPoolExecutor(3) as executor:
        sender: Any = SimpleNamespace(
            pool=SimpleNamespace(executor=executor, limit=3),
            app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues))),
        )
        tasks.be_ready(sender)
    assert len(threads) == len(set(threads)) == ready


def test_a_pool_without_threads_starts_as_ever() -> None:
    tasks.be_ready(SimpleNamespace(pool=SimpleNamespace()))
