"""The console's own tasks: signs of life, and forgetting what nobody will read again."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

import redis
from celery import shared_task
from django.db import DatabaseError
from django.db.models import Exists, OuterRef, Q, QuerySet

from kalbot.common import clock, messages
from kalbot.console.models import LogRecord, Notification, TaskRecord
from kalbot.console.ops import exchange_status, heartbeats, price_history, price_keys, settled
from markets import identity

BATCH = 1_000
MOST_BATCHES = 200
log = logging.getLogger(__name__)


@shared_task(bind=True, name=messages.HEARTBEAT)
def heartbeat(self: Any, queue: str = "default") -> None:
    """Run by a worker of ``queue``: proves that beat sends, the broker carries and the worker works."""
    heartbeats.show_life(queue, worker=str(self.request.hostname or ""))
    if queue == "default":
        with suppress(redis.RedisError, DatabaseError):
            identity.redis_mismatch()  # keeps this Redis claimed; the status page says when it is not ours


@shared_task(name=messages.ASK_EXCHANGE)
def ask_exchange() -> str:
    """Ask the exchange whether it is open and what it says of our key; returns what failed, or empty text."""
    return exchange_status.refresh().error


@shared_task(name=messages.SAMPLE_PRICES)
def sample_prices() -> int:
    """Add a point to the price history of every watched event that moved; returns how many did."""
    return price_history.sample()


@shared_task(name=messages.PRUNE)
def prune() -> dict[str, int]:
    """Delete old rows in small batches; returns how many of each. Nothing about money is ever deleted."""
    deleted = {name: delete_in_batches(rows) for name, rows in old_rows().items()}
    deleted["texts of ended events"] = settled.shorten()
    with suppress(redis.RedisError):
        deleted["prices in Redis"] = price_keys.forget_settled()
    if any(deleted.values()):
        log.info("pruned %s", {name: number for name, number in deleted.items() if number})
    return deleted


def old_rows() -> dict[str, QuerySet[Any]]:
    """What may be forgotten, by name."""
    from django.contrib.sessions.models import Session

    from markets.models import ExchangeMessage, Scan
    from strategies.models import Cycle, NearMiss, Screening, Verdict
    from trading.models import Reconciliation
    from triage.models import Assessment

    def before(**age: int) -> Any:
        return clock.now() - timedelta(**age)

    later_good = Reconciliation.objects.filter(
        mode=OuterRef("mode"), error="", started_at__gt=OuterRef("started_at")
    )  # the next comparison begins where the last good one did
    return {
        "cycles": Cycle.objects.filter(started_at__lt=before(days=2), decisions=0),
        "screenings": Screening.objects.filter(at__lt=before(days=14)),
        "scans": Scan.objects.filter(started_at__lt=before(days=14)),
        "verdicts": Verdict.objects.filter(event__is_open=False, updated_at__lt=before(days=7)),
        "near misses": NearMiss.objects.filter(ended_at__lt=before(days=60)),
        "messages": ExchangeMessage.objects.filter(applied_at__lt=before(days=14)),
        "assessments": Assessment.objects.filter(at__lt=before(days=3), advice="hold", position__ended_at=None)
        | Assessment.objects.filter(at__lt=before(days=90)),
        "reconciliations": Reconciliation.objects.filter(
            Exists(later_good), started_at__lt=before(days=30), differences=0, discrepancies=None
        ),
        "ended events": settled.forgettable(),
        "sessions": Session.objects.filter(expire_date__lt=before(days=1)),
        "tasks": TaskRecord.objects.filter(
            Q(started_at__lt=before(days=14)) | Q(started_at__lt=before(days=1), status="done")
        ),
        "notifications": Notification.objects.filter(at__lt=before(days=90)),
        "log": LogRecord.objects.filter(at__lt=before(days=14)),
    }


def delete_in_batches(rows: QuerySet[Any]) -> int:
    """Short transactions: a delete of a million rows at once would hold the database for everybody."""
    total = 0
    for _ in range(MOST_BATCHES):
        keys = list(rows.order_by().values_list("pk", flat=True)[:BATCH])
        if not keys:
            break
        number, _ = rows.model._default_manager.filter(pk__in=keys).delete()
        total += number
    return total


@shared_task(name=messages.NOTIFY)
def notify() -> int:
    """Collect what happened and hand each channel that is due to a task of its own; returns the number of new notifications."""
    from kalbot.console.notify import collect, deliver

    new = collect.collect()
    deliver.assign()
    for channel in deliver.due_channels(clock.now()):
        messages.send(messages.DELIVER, channel)
    return new


@shared_task(name=messages.DELIVER)
def deliver_notifications(channel: int) -> int:
    """Send one message to one channel; a slow service holds up nobody else."""
    from kalbot.console.notify import deliver

    return deliver.send_due(channel)


@shared_task(name=messages.DEADMAN)
def deadman() -> str:
    """The ping outward."""
    from kalbot.console.notify import deadman as pings

    return pings.ping()
