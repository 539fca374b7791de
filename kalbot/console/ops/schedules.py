"""What beat keeps running. The code owns which tasks exist and where they go; operators own how often they run and whether.

``CELERY_BEAT_SCHEDULE`` would overwrite an operator's interval at each restart of beat, and DatabaseScheduler drops an
``expires`` option without a word; so rows are created here, with ``expire_seconds`` below the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from kalbot.common import messages
from kalbot.common.covered import COVERED
from kalbot.common.messages import QUEUES


@dataclass(frozen=True)
class Entry:
    """One periodic task. ``variable`` is the setting that fixes its interval in seconds."""

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
    Entry(
        "check contract terms", messages.CHECK_TERMS, 3_600, "scan", "Registered documents: unchanged, and in reach?"
    ),
    Entry("strategy cycle", messages.RUN_CYCLE, 3, "strategy", "Candidates on live prices.", "KALBOT_CYCLE_SECONDS"),
    Entry("sweep", messages.SWEEP, 2, "execution", "Carries on whatever a lost message or worker left."),
    Entry("sweep exits", messages.SWEEP_EXITS, 2, "exits", "The same for exits and unwinds, before purchases."),
    Entry("apply messages", messages.APPLY_MESSAGES, 2, "exits", "Fills and lifecycle messages of the stream."),
    Entry("settle", messages.SETTLE, 5, "trading", "Books what determined markets paid.", "KALBOT_SETTLE_SECONDS"),
    Entry(
        "reconcile", messages.RECONCILE, 60, "trading", "Our books against the exchange's.", "KALBOT_RECONCILE_SECONDS"
    ),
    Entry("count quotes", messages.COUNT_QUOTES, 60, "trading", "What quotes of each series have brought."),
    Entry(
        "assess positions",
        messages.ASSESS,
        15,
        "triage",
        "Open positions against outside data.",
        "KALBOT_ASSESS_SECONDS",
    ),
    Entry(
        "watch lines",
        messages.WATCH_LINES,
        3,
        "triage",
        "Assessments that cannot wait: a line crossed, something announced.",
        "KALBOT_LINES_SECONDS",
    ),
    Entry("ask exchange", messages.ASK_EXCHANGE, 60, "default", "Is it open, when will it pause, does our key hold."),
    Entry("ask while shut", messages.ASK_WHILE_SHUT, 5, "default", "Only while it takes no orders: is it open again."),
    Entry(
        "end silent copies",
        messages.END_SILENT_COPIES,
        60,
        "execution",
        "Frees what a process locks that froze while it wrote the catalogue.",
    ),
    Entry("sample prices", messages.SAMPLE_PRICES, 15, "default", "Price history of watched events, for pages."),
    Entry("sample equity", messages.SAMPLE_EQUITY, 3_600, "default", "What each profile is worth, for its curve."),
    Entry("move capital", messages.MOVE_CAPITAL, 60, "trading", "Sweeps profits; lends idle capital where it waits."),
    Entry("learn settling", messages.LEARN_SETTLING, 21_600, "strategy", "When the money of each series comes back."),
    Entry("notify", messages.NOTIFY, 5, "default", "Collects what happened and sends notifications."),
    Entry("dead-man ping", messages.DEADMAN, 60, "default", "Requests DEADMAN_URL, so that silence is noticed."),
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


MAY_WAIT: Final = (*COVERED, messages.HEARTBEAT)
"""What does not lapse while workers are only busy: one run of the first does for all that waited, and a heartbeat shows, however late,
that its queue is worked on."""
PATIENCE: Final = 60
"""Seconds for which they wait."""


def interval_setting(entry: Entry) -> int | None:
    """The interval that the environment sets, in seconds; None where it leaves the choice to the admin."""
    found: int | None = settings.SCHEDULE_SECONDS[entry.variable] if entry.variable else None
    return found


def lapse(task: str, seconds: int) -> int:
    """After how many seconds an unstarted message is stale: below the interval, so that late ones never pile up. Those of
    ``MAY_WAIT`` may: while workers are busy for longer than an interval, none would ever be run otherwise."""
    if task in MAY_WAIT:
        return max(PATIENCE, seconds)
    return max(1, min(seconds - 1, seconds * 9 // 10))


def seed() -> list[str]:
    """Create the entries that are missing and refresh the code-owned columns of the others. Names of those created.

    An interval that the environment sets is applied every time; any other stays as an operator left it.
    """
    from django_celery_beat.models import PeriodicTask

    created = []
    for entry in PLAN:
        wanted = interval_setting(entry)
        owned: dict[str, Any] = {
            "task": entry.task,
            "queue": entry.queue,
            "description": entry.says,
            "args": entry.args,
        }
        row = PeriodicTask.objects.filter(name=entry.name).first()
        if row is None:
            PeriodicTask.objects.create(name=entry.name, **owned, **timing(entry.task, wanted or entry.seconds))
            created.append(entry.name)
            continue
        if wanted is not None:
            owned |= timing(entry.task, wanted)
        elif entry.task in MAY_WAIT and (row.expire_seconds or 0) < PATIENCE:  # an earlier version made it
            owned["expire_seconds"] = PATIENCE
        if any(getattr(row, column) != value for column, value in owned.items()):
            for column, value in owned.items():
                setattr(row, column, value)
            row.save(update_fields=list(owned))
    return created


def timing(task: str, seconds: int) -> dict[str, Any]:
    """The columns of a task that runs every ``seconds``."""
    from django_celery_beat.models import IntervalSchedule

    interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
    return {"interval": interval, "expire_seconds": lapse(task, seconds)}
