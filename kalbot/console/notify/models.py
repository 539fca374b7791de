"""Channels, rules, notifications and their deliveries."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from strategies.models import Mode, Profile


class Severity(models.IntegerChoices):
    """How soon a person should see it. Only *urgent* breaks into quiet hours."""

    INFO = 10, "info"
    WARNING = 20, "warning"
    URGENT = 30, "urgent"


class EventKind(models.TextChoices):
    """What a notification is about; a rule may name one."""

    OPENED = "opened", "a position opened"
    CLOSED = "closed", "a position was exited or settled"
    ABORTED = "aborted", "a basket was given up"
    UNWINDING = "unwinding", "a half-filled basket is being sold"
    RESIDUAL = "residual", "contracts could not be sold and are held"
    EXIT_WANTED = "exit_wanted", "triage recommends an exit"
    EXIT_REQUESTED = "exit_requested", "an exit was requested"
    DISCREPANCY = "discrepancy", "a difference with the exchange"
    TRADING_STATE = "trading_state", "trading was halted, reduced or resumed"
    LOCK = "lock", "new baskets are locked"
    PART_DOWN = "part_down", "a part of the system is down"
    PART_BACK = "part_back", "a part of the system is back"
    CERTIFICATE = "certificate", "a certificate was withdrawn under an open position"
    TERMS = "terms", "contract terms changed, or cannot be fetched"
    KEY = "key", "the exchange key is about to expire"
    SUMMARY = "summary", "daily or weekly summary"
    TEST = "test", "a test"


class Channel(models.Model):
    """Where notifications go: one address of any service that apprise knows. The address is a secret and stored encrypted."""

    name = models.CharField(max_length=60, unique=True)
    address = models.TextField(help_text="Encrypted; never shown again after it was saved.")
    service = models.CharField(max_length=60, blank=True, help_text="The service that the address belongs to.")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whose channel it is.",
    )
    is_active = models.BooleanField(default=True)
    time_zone = models.CharField(
        max_length=60, default="America/New_York", help_text="Of the quiet hours and the summaries."
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="From then on only what is urgent is sent.")
    quiet_until = models.TimeField(null=True, blank=True)
    bundle_seconds = models.PositiveIntegerField(
        default=30, help_text="What happens within so many seconds is sent as one message; urgent things go at once."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts since the last message that arrived.")
    last_error = models.CharField(max_length=300, blank=True)
    last_sent_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True, help_text="A failing channel is left alone until then.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None) | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_have_both_ends",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Rule(models.Model):
    """What goes to a channel. A notification is sent once to each channel, however many of its rules it meets."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="rules")
    kind = models.CharField(max_length=16, choices=EventKind, blank=True, help_text="Empty = everything.")
    least_severity = models.PositiveSmallIntegerField(choices=Severity, default=Severity.WARNING)
    profile = models.ForeignKey(
        Profile,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty = every profile, and what concerns none.",
    )
    mode = models.CharField(max_length=4, choices=Mode, blank=True, help_text="Empty = sim and live.")

    def __str__(self) -> str:
        what = self.get_kind_display() if self.kind else "everything"
        return f"{what}, at least {self.get_least_severity_display()}"


class Notification(models.Model):
    """Something that happened, once. ``key`` says what it is about, so that a row that is read twice is reported once."""

    kind = models.CharField(max_length=16, choices=EventKind, db_index=True)
    severity = models.PositiveSmallIntegerField(choices=Severity)
    key = models.CharField(max_length=200, unique=True)
    title = models.CharField(max_length=160)
    body = models.TextField(blank=True)
    profile = models.ForeignKey(Profile, models.CASCADE, null=True, blank=True, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode, blank=True)
    path = models.CharField(max_length=200, blank=True, help_text="Page of the console.")
    channel = models.ForeignKey(
        Channel, models.CASCADE, null=True, blank=True, related_name="+", help_text="For this channel only."
    )
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    assigned = models.BooleanField(default=False, help_text="Its deliveries have been made.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


class Delivery(models.Model):
    """One notification to one channel."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed", "given up"

    notification = models.ForeignKey(Notification, models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="deliveries")
    status = models.CharField(max_length=7, choices=Status, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True, help_text="A worker is sending it.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["notification", "channel"], name="one_delivery_a_channel")]
        indexes = [models.Index(fields=["channel"], condition=Q(status="pending"), name="delivery_pending")]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.notification} to {self.channel}"


class Cursor(models.Model):
    """How far a collector has read, and what it has to remember."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    state = models.JSONField(default=dict, blank=True)
