"""Schedules are made once, lapse before the next run, and leave an operator's edits alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from kalbot.celery import app
from kalbot.common.messages import QUEUES
from kalbot.console.ops import schedules
from strategies.models import Profile
from trading.models import TradingState

pytestmark = pytest.mark.django_db


def test_every_entry_is_made_once_and_lapses_below_its_interval() -> None:
    assert len(schedules.seed()) == len(schedules.PLAN)
    assert schedules.seed() == []
    for row in PeriodicTask.objects.exclude(task="celery.backend_cleanup"):
        interval = row.interval.schedule.run_every.total_seconds()
        assert row.expire_seconds >= 60 if row.task in schedules.MAY_WAIT else row.expire_seconds < interval
        assert row.queue in QUEUES


def test_every_planned_task_is_one_that_workers_know() -> None:
    app.autodiscover_tasks(force=True)
    assert {entry.task for entry in schedules.PLAN} <= set(app.tasks)


def test_an_operators_interval_and_switch_stay_and_code_owned_columns_come_back() -> None:
    schedules.seed()
    slow, _ = IntervalSchedule.objects.get_or_create(every=17, period="seconds")
    PeriodicTask.objects.filter(name="scan catalogue").update(
        interval=slow, enabled=False, task="somebody.elses", queue="nowhere"
    )
    schedules.seed()
    row = PeriodicTask.objects.get(name="scan catalogue")
    assert (row.interval.every, row.enabled) == (17, False)
    assert (row.task, row.queue) == ("markets.tasks.scan_catalogue", "scan")


@pytest.mark.parametrize(("name", "every"), [("sweep", 2), ("heartbeat execution", 5)])
def test_what_waits_for_busy_workers_does_so_where_an_earlier_version_made_it(name: str, every: int) -> None:
    """While purchases kept workers busy for longer than they lasted, no sweep was run, and workers that worked were called stuck."""
    schedules.seed()
    rows = PeriodicTask.objects.filter(name=name)
    for before, after in ((1, 60), (90, 90)):
        rows.update(expire_seconds=before)
        schedules.seed()
        assert [(row.expire_seconds, row.interval.every) for row in rows] == [(after, every)]


def test_an_interval_of_the_environment_holds_at_every_start(settings: Any) -> None:
    schedules.seed()
    settings.SCHEDULE_SECONDS = {**settings.SCHEDULE_SECONDS, "KALBOT_SCAN_SECONDS": 20}
    schedules.seed()
    row = PeriodicTask.objects.get(name="scan catalogue")
    assert (row.interval.every, row.expire_seconds) == (20, 18)


def test_seeding_twice_leaves_everything_as_people_left_it() -> None:
    call_command("seed", verbosity=0)
    TradingState.objects.filter(scope="global").update(state="halted", reason="by a person")
    Profile.objects.filter(name="careful").update(capital=5)
    call_command("seed", verbosity=0)
    assert TradingState.objects.get(scope="global").state == "halted"
    assert Profile.objects.get(name="careful").capital == 5


def test_what_beat_sent_last_is_known_at_once(redis_db: object) -> None:
    from kalbot.console.ops.health import heartbeats

    heartbeats._beat_published(sender="trading.tasks.sweep", routing_key="trading")
    assert ("trading.tasks.sweep", "trading") in heartbeats.last_sent()
    assert heartbeats.signs()["beat"]["age_ms"] < 5_000
