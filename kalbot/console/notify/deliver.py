"""From notifications to messages that arrive: assigned by rules, bundled by channel, retried, and given up in the open."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from kalbot.common import clock
from kalbot.common.db.batches import batched
from kalbot.console.notify import addresses, messages, quiet, service
from kalbot.console.notify.models import Channel, Delivery, Notification, Rule, Severity

log = logging.getLogger(__name__)

RETRIES: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300, 900, 3_600, 3_600, 3_600))
"""How long a failing channel is left alone; a message that failed once more than these is given up."""
CLAIM: Final = timedelta(seconds=30)
"""A worker that died while sending: its messages are sent again after this (at least once, never lost), and others of its channel wait
as long. Longer than a message may take."""


def assign() -> int:
    """Make the deliveries of new notifications; returns how many."""
    made = 0
    for notification in Notification.objects.filter(assigned=False).order_by("id")[:500]:
        rows = [Delivery(notification=notification, channel_id=pk) for pk in channels_of(notification)]
        Delivery.objects.bulk_create(rows, ignore_conflicts=True)
        Notification.objects.filter(pk=notification.pk).update(assigned=True)
        made += len(rows)
    return made


def channels_of(notification: Notification) -> list[int]:
    """The active channels that want a notification, each once."""
    if notification.channel_id is not None:
        return [notification.channel_id]
    wanted = Rule.objects.filter(
        Q(kind="") | Q(kind=notification.kind),
        Q(profile=None) | Q(profile=notification.profile_id),
        Q(mode="") | Q(mode=notification.mode) if notification.mode else Q(),
        channel__is_active=True,
        least_severity__lte=notification.severity,
    )
    return sorted(set(wanted.values_list("channel_id", flat=True)))


def due_channels(now: datetime) -> list[int]:
    """Channels with something that should be sent now."""
    ready = Channel.objects.filter(Q(retry_at=None) | Q(retry_at__lte=now), is_active=True)
    return [
        channel.pk
        for channel in ready.filter(deliveries__status=Delivery.Status.PENDING).distinct()
        if due(channel, now)
    ]


def due(channel: Channel, now: datetime) -> list[Delivery]:
    """What one message to this channel would hold now: everything that waits, what is urgent first, then the oldest. Nothing while one is
    being sent: a service that does not answer holds up one worker, not each in turn."""
    waiting = channel.deliveries.filter(status=Delivery.Status.PENDING)
    pending = list(waiting.select_related("notification").order_by("id"))
    if any(one.claimed_until is not None and one.claimed_until >= now for one in pending):
        return []
    urgent = [one for one in pending if one.notification.severity >= Severity.URGENT]
    is_quiet = quiet.is_quiet(now, channel.time_zone, channel.quiet_from, channel.quiet_until)
    if (
        not is_quiet
        and not urgent
        and pending
        and now - pending[0].created_at < timedelta(seconds=channel.bundle_seconds)
    ):
        return []
    wanted = urgent if is_quiet else sorted(pending, key=lambda one: one.notification.severity < Severity.URGENT)
    # together only what was tried as often: one that the service will never take holds up no other
    fewest = min((one.attempts for one in wanted), default=0)
    return [one for one in wanted if one.attempts == fewest][: 1 if channel.failures else None]


def send_due(channel_id: int, now: datetime | None = None) -> int:
    """Send one message to a channel; returns how many notifications it held. Never raises for a failing service."""
    now = now or clock.now()
    channel = Channel.objects.filter(pk=channel_id, is_active=True).first()
    claimed = _claim(channel_id, due(channel, now), now) if channel else []
    if channel is None or not claimed:
        return 0
    title, text, urgent = messages.message([one.notification for one in claimed], channel.time_zone)
    try:
        problem = service.send(addresses.decrypt(channel.address), title, text, urgent=urgent)
    except addresses.Unreadable as error:
        problem = str(error)
    if problem:
        _failed(channel, claimed, problem, now)
        return 0
    for rows in batched([one.pk for one in claimed]):
        Delivery.objects.filter(pk__in=rows).update(
            status=Delivery.Status.SENT, sent_at=clock.now(), claimed_until=None, error=""
        )
    Channel.objects.filter(pk=channel.pk).update(failures=0, last_error="", retry_at=None, last_sent_at=clock.now())
    return len(claimed)


def _claim(channel_id: int, wanted: Sequence[Delivery], now: datetime) -> list[Delivery]:
    """``wanted``, when all of it is this worker's to send; nothing when another has taken any. One at a time asks for a channel."""
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    with transaction.atomic():
        Channel.objects.select_for_update().get(pk=channel_id)
        for batch in batched([one.pk for one in wanted]):
            rows = Delivery.objects.filter(free, pk__in=batch, status=Delivery.Status.PENDING)
            if rows.update(claimed_until=now + CLAIM) != len(batch):
                transaction.set_rollback(True)
                return []
    return list(wanted)


def _failed(channel: Channel, claimed: Sequence[Delivery], problem: str, now: datetime) -> None:
    attempt = channel.failures
    log.warning("notification channel %s failed (attempt %s): %s", channel.name, attempt + 1, problem)
    for delivery in claimed:
        given_up = delivery.attempts >= len(RETRIES)
        Delivery.objects.filter(pk=delivery.pk).update(
            status=Delivery.Status.FAILED if given_up else Delivery.Status.PENDING,
            attempts=delivery.attempts + 1,
            error=problem,
            claimed_until=None,
        )
    Channel.objects.filter(pk=channel.pk).update(
        failures=attempt + 1, last_error=problem, retry_at=now + RETRIES[min(attempt, len(RETRIES) - 1)]
    )
