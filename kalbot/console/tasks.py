"""The console's own tasks: signs of life, and forgetting what nobody will read again."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import redis
from celery import shared_task
from django.db import DatabaseError
from django.db.models import QuerySet

from kalbot.common import clock, messages
from kalbot.common.postgres import silent
from kalbot.console.ops import equity, price_history
from kalbot.console.ops.health import exchange_status, heartbeats
from kalbot.console.ops.retention import price_keys, retention, settled
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


@shared_task(name=messages.ASK_WHILE_SHUT)
def ask_while_shut() -> bool:
    """Ask again while the exchange is shut or not known to be open; returns whether there was an answer."""
    return exchange_status.refresh_while_shut() is not None


@shared_task(name=messages.SAMPLE_PRICES)
def sample_prices() -> int:
    """Add a point to the price history of every watched event that moved; returns how many did."""
    return price_history.sample()


@shared_task(name=messages.SAMPLE_EQUITY)
def sample_equity() -> int:
    """Keep what each profile is worth now, once an hour; returns how many rows are new."""
    return equity.sample()


@shared_task(name=messages.END_SILENT_COPIES)
def end_silent_copies() -> int:
    """End what a frozen process keeps locked and Postgres does not end; returns how many connections."""
    ended = silent.end_copies()
    if ended:
        log.warning("ended %s connections whose process fell silent while it wrote the catalogue", ended)
    return ended


@shared_task(name=messages.PRUNE)
def prune() -> dict[str, int]:
    """Delete old rows in small batches; returns how many of each. Nothing about money is ever deleted."""
    deleted = {name: delete_in_batches(rows) for name, rows in retention.old_rows().items()}
    deleted["texts of ended events"] = settled.shorten()
    with suppress(redis.RedisError):
        deleted["prices in Redis"] = price_keys.forget_settled()
    if any(deleted.values()):
        log.info("pruned %s", {name: number for name, number in deleted.items() if number})
    return deleted


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
