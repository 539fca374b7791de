"""What the running feed keeps: watched events, its durable inbox, holes of the tape, the exchange's hours, and whose exchange this is."""

from __future__ import annotations

import uuid

from django.db import models

from markets.models.catalogue import Event


class TapeGap(models.Model):
    """A time in which the tape was not written: what is missing is known before anybody replays it."""

    writer = models.CharField(max_length=120)
    began_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it is not being written now.")
    reason = models.CharField(max_length=300)
    dropped = models.BigIntegerField(default=0, help_text="Records lost by this writer so far.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.writer}: {self.reason}"


class ExchangeSchedule(models.Model):
    """One version of the exchange's announced trading hours and maintenance, as first read."""

    version = models.CharField(max_length=12, unique=True)
    body = models.JSONField()
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.version


class Watch(models.Model):
    """An event on the watchlist: the stream must keep its full order books (``markets.watchlist``)."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="watches", db_constraint=False)
    source = models.CharField(
        max_length=80, help_text='Who needs it: "candidate:<profile>", "position:<id>", "near:<profile>".'
    )
    priority = models.IntegerField(default=0, help_text="Higher comes first when the stream's limit is reached.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "source"], name="one_watch_a_source")]
        verbose_name_plural = "watches"

    def __str__(self) -> str:
        return f"{self.event_id} for {self.source}"


class Installation(models.Model):
    """Which exchange this database is about (``markets.identity``): one row."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="Names this database in Redis.")
    environment = models.CharField(max_length=32)
    rest_host = models.CharField(max_length=255)
    ws_host = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_installation")]

    def __str__(self) -> str:
        return f"{self.environment} on {self.rest_host}"


class ExchangeMessage(models.Model):
    """A fill, order update or lifecycle message of the WebSocket, stored once until it has been applied."""

    class Kind(models.TextChoices):
        FILL = "fill"
        USER_ORDER = "user_order"
        LIFECYCLE = "lifecycle"
        EVENT_LIFECYCLE = "event_lifecycle"
        FEE_UPDATE = "fee_update"

    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(
        max_length=200, unique=True, help_text="What makes the message the same one when it comes twice."
    )
    market_ticker = models.CharField(max_length=128, blank=True, db_index=True)
    payload = models.JSONField()
    epoch = models.CharField(max_length=40, blank=True)
    exchange_ms = models.BigIntegerField(default=0)
    received_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True, db_index=True)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["applied_at", "id"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
