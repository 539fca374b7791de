"""Tasks: registered under the names that other packages send, and each calls its service."""

from __future__ import annotations

import pytest

from kalbot.celery import app
from kalbot.common import clock, messages, trace
from strategies import tasks
from strategies.models import Cycle, Decision, Screening
from tests.strategies.world import add_event, add_profile, add_scan, books_of, publish

PAYING = [(5200, 5300), (5300, 5400)]


@pytest.mark.django_db
def test_scan_screen_cycle_and_nudge_lead_to_decisions() -> None:
    add_profile()
    add_event("E1", PAYING)
    tasks.screen()
    assert not Screening.objects.exists()  # no scan yet
    tasks.screen(add_scan().pk)
    assert Screening.objects.get().candidates == 1
    tasks.run_cycle()
    assert Cycle.objects.get().refused == {"no_book": 1}
    publish("E1", books_of("E1", PAYING))
    now = clock.now_us()
    tasks.evaluate_event("E1", now + 10, 1)
    decision = Decision.objects.get()
    stages = [stage for stage, _, _ in trace.steps(decision.trace)]
    assert stages == [
        "received",
        "written",
        "started",
        "decided",
    ]  # what is older than the newest frame is about another one
    tasks.evaluate_event("UNKNOWN")


def test_tasks_are_registered_under_the_names_that_others_send() -> None:
    for name in (messages.SCREEN, messages.RUN_CYCLE, messages.EVALUATE_EVENT):
        assert name in app.tasks
