"""Schedules that the code wants and that do not run as they should: disabled, missing, late, or too rare to do their work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django_celery_beat.models import PeriodicTask

from kalbot.common import clock
from kalbot.console.ops import schedules
from kalbot.console.ops.health import heartbeats
from kalbot.console.ui import formats

GRACE: Final = timedelta(seconds=30)
"""Beat reads its table every few seconds and is a little late now and then; beyond this it is wrong."""


RARE: Final = 10
"""Times the planned interval beyond which a schedule does not do its work, whoever set it."""
OFTEN_ENOUGH: Final = timedelta(minutes=5)
"""An interval up to this is never too rare."""


@dataclass(frozen=True)
class Wrong:
    """One schedule that does not run as planned. ``problem``: disabled, missing, late or too rare; ``pk`` 0 when it is missing."""

    name: str
    task: str
    problem: str
    sentence: str
    pk: int = 0


def wrong(sent: heartbeats.Sent | None = None) -> list[Wrong]:
    """Every schedule of the plan that is disabled, missing, late or too rare. One query, and one Redis read unless ``sent`` is given."""
    rows = {row.name: row for row in PeriodicTask.objects.select_related("interval", "crontab")}
    sent = heartbeats.last_sent() if sent is None else sent
    found = []
    for entry in schedules.PLAN:
        row = rows.get(entry.name)
        if row is None:
            found.append(Wrong(entry.name, entry.task, "missing", "no such schedule; run manage.py seed_schedules"))
            continue
        found += [Wrong(entry.name, entry.task, *problem, row.pk) for problem in problems(row, entry, sent)]
    return found


def problems(row: PeriodicTask, entry: schedules.Entry, sent: heartbeats.Sent) -> Iterator[tuple[str, str]]:
    """(problem, sentence) of one row; at most one."""
    if not row.enabled:
        yield "disabled", f"somebody switched it off; {row.description}"
        return
    last = sent.get((row.task, row.queue or "default"))
    if row.interval is None:
        return
    every, age = row.interval.schedule.run_every, timedelta() if last is None else clock.now() - last
    planned = timedelta(seconds=schedules.interval_setting(entry) or entry.seconds)
    if every > max(RARE * planned, OFTEN_ENOUGH):
        yield "too rare", f"runs every {formats.span(every)}, planned is every {formats.span(planned)}"
    elif age > every * 2 + GRACE:
        yield "late", f"last sent {formats.span(age)} ago, due every {formats.span(every)}"
