"""What beat keeps running. The code owns which tasks exist and where they go; operators own how often they run and whether.

``CELERY_BEAT_SCHEDULE`` would overwrite an operator's interval at each restart of beat, and DatabaseScheduler drops an
``expires`` option without a word; so rows are created here once, with ``expire_seconds`` below the interval.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from kalbot.common import messages
from kalbot.common.errors import SettingError
from kalbot.common.messages import QUEUES


@dataclass(frozen=True)
class Entry:
    """One periodic task. ``variable`` is the environment's name for its first interval in seconds."""

    name: str
    task: str
    seconds: int
    queue: str
    says: str
    variable: str = ""
    args: str = "[]"


PLAN: Final = (
    Entry(
        "scan catalogue", messages.SCAN_CATALOGUE, 120, "scan", "All open events and markets.", "KALBOT_SCAN_SECONDS"
    ),
    Entry("strategy cycle", messages.RUN_CYCLE, 3, "strategy", "Candidates on live prices.", "KALBOT_CYCLE_SECONDS"),
    Entry("sweep", messages.SWEEP, 2, "trading", "Carries on whatever a lost message or worker left."),
    Entry("apply messages", messages.APPLY_MESSAGES, 2, "trading", "Fills and lifecycle messages of the stream."),
    Entry("settle", messages.SETTLE, 5, "trading", "Books what determined markets paid.", "KALBOT_SETTLE_SECONDS"),
    Entry(
        "reconcile", messages.RECONCILE, 60, "trading", "Our books against the exchange's.", "KALBOT_RECONCILE_SECONDS"
    ),
    Entry(
        "assess positions", messages.ASSESS, 15, "triage", "Open positions against the world.", "KALBOT_ASSESS_SECONDS"
    ),
    Entry(
        "watch lines",
        messages.WATCH_LINES,
        3,
        "triage",
        "Looks that cannot wait: a line crossed, something announced.",
        "KALBOT_LINES_SECONDS",
    ),
    Entry("ask exchange", messages.ASK_EXCHANGE, 60, "default", "Is it open, when will it pause, does our key hold."),
    Entry("sample prices", messages.SAMPLE_PRICES, 15, "default", "The course of prices of watched events, for pages."),
    Entry("prune", messages.PRUNE, 3_600, "default", "Deletes old verdict, cycle, task and log rows."),
    *(
        Entry(
            f"heartbeat {queue}",
            messages.HEARTBEAT,
            5,
            queue,
            f"Shows that somebody works on {queue}.",
            args=f'["{queue}"]',
        )
        for queue in QUEUES
    ),
)


def first_interval(entry: Entry) -> int:
    """Seconds from the environment, else the plan's. SettingError when the environment says nonsense."""
    text = os.environ.get(entry.variable, "") if entry.variable else ""
    if not text:
        return entry.seconds
    if not text.isdigit() or int(text) < 2:
        raise SettingError(f"{entry.variable} must be a whole number of seconds, 2 or more; it is {text!r}.")
    return int(text)


def lapse(seconds: int) -> int:
    """After how many seconds an unstarted message is stale: below the interval, so that late ones never pile up."""
    return max(1, min(seconds - 1, seconds * 9 // 10))


def seed() -> list[str]:
    """Create the entries that are missing and refresh the code-owned columns of the others. Names of those created."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    created = []
    for entry in PLAN:
        seconds = first_interval(entry)
        owned = {"task": entry.task, "queue": entry.queue, "description": entry.says, "args": entry.args}
        row = PeriodicTask.objects.filter(name=entry.name).first()
        if row is None:
            interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
            PeriodicTask.objects.create(name=entry.name, interval=interval, expire_seconds=lapse(seconds), **owned)
            created.append(entry.name)
        elif any(getattr(row, column) != value for column, value in owned.items()):
            for column, value in owned.items():
                setattr(row, column, value)
            row.save(update_fields=list(owned))
    return created
