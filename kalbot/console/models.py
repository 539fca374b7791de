"""What operators read besides the trading rows: tasks, log records, and what people themselves did."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from kalbot.common.units import dollars
from kalbot.console.notify.models import Channel, Cursor, Delivery, EventKind, Notification, Rule, Severity
from strategies.models import Mode, Profile

__all__ = [
    "Act",
    "ApiToken",
    "Channel",
    "Cursor",
    "Delivery",
    "EquitySample",
    "EventKind",
    "LogRecord",
    "Notification",
    "Rule",
    "Severity",
    "TaskRecord",
]


class TaskRecord(models.Model):
    """One run of a task, from the queue to its end."""

    class Status(models.TextChoices):
        STARTED = "started"
        DONE = "done"
        FAILED = "failed"
        RETRY = "retry"

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=120, db_index=True)
    queue = models.CharField(max_length=32, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=8, choices=Status, db_index=True)
    started_at = models.DateTimeField(db_index=True)
    duration_ms = models.IntegerField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.name} {self.status}"


class LogRecord(models.Model):
    """A warning or worse, kept for the console."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    level = models.CharField(max_length=8, db_index=True)
    logger = models.CharField(max_length=120)
    process = models.CharField(max_length=60, blank=True)
    message = models.TextField()
    traceback = models.TextField(blank=True)
    repeats = models.IntegerField(
        default=0, db_default=0, help_text="How often the same was logged again within the hour."
    )
    last_at = models.DateTimeField(null=True, blank=True, help_text="When it was logged again.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.level} {self.logger}: {self.message[:80]}"


class ApiToken(models.Model):
    """Lets a script act for a person, within a role. Only a hash of the token is kept."""

    class Role(models.TextChoices):
        VIEWER = "viewer"
        OPERATOR = "operator"
        RISK_MANAGER = "risk manager"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=60, help_text="What it is for; shown in the audit log.")
    role = models.CharField(max_length=12, choices=Role, default=Role.VIEWER)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


class Act(models.Model):
    """What a person did from the console: who, when, why, with which numbers before their eyes, and what came of it.

    ``token`` is made when the dialog is shown and spent when it is confirmed: a second click finds it spent.
    """

    class Outcome(models.TextChoices):
        STARTED = "started"
        DONE = "done"
        REFUSED = "refused"

    token = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=40, db_index=True, help_text="force_exit, halt, resume, go_live, ...")
    actor = models.CharField(max_length=150, db_index=True)
    reason = models.CharField(max_length=300)
    target = models.CharField(max_length=120, blank=True, help_text="What it was done to, in words.")
    target_url = models.CharField(max_length=300, blank=True)
    shown = models.JSONField(default=list, blank=True, help_text="The numbers that the dialog showed.")
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.STARTED)
    result = models.CharField(max_length=400, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("force_exit", "Can force a position's exit"),
            ("halt", "Can halt trading"),
            ("resume", "Can resume trading"),
            ("change_schedule", "Can change schedules"),
            ("change_limits", "Can change filters and limits of profiles"),
            ("go_live", "Can take a profile live or back"),
            ("review_certificate", "Can grant and revoke certificates"),
            ("remove_lock", "Can remove a lock"),
            ("answer_triage", "Can accept and dismiss recommendations"),
            ("test_channel", "Can send a test to a notification channel"),
            ("make_token", "Can make and revoke API tokens of their own"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.name} {self.target}"


class EquitySample(models.Model):
    """What a profile was worth at a moment, micro-dollars: the first reading of each hour. The ledger has the rest of its history, but no
    bid of then."""

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode)
    at = models.DateTimeField(db_index=True)
    hour = models.IntegerField(help_text="Hours since 1970: one row for each.")
    capital = models.BigIntegerField(help_text="Booked: deposits less withdrawals.")
    realised = models.BigIntegerField(help_text="Profit booked so far.")
    unrealised = models.BigIntegerField(help_text="What selling what was open at the bids would have made.")
    unpriced = models.IntegerField(help_text="Open positions without live books: they count at their cost.")

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["profile", "mode", "hour"], name="one_equity_sample_an_hour")]

    def __str__(self) -> str:
        return f"{self.profile_id} {self.at:%Y-%m-%d %H:%M}: {dollars(self.equity)}"

    @property
    def equity(self) -> int:
        """Capital, what was realised and what selling would make."""
        return self.capital + self.realised + self.unrealised


class Preference(models.Model):
    """What a person has chosen for their own screen."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="preference")
    time_zone = models.CharField(
        max_length=40, default="UTC", help_text="Times on every page are shown in this zone, with its name."
    )

    def __str__(self) -> str:
        return f"{self.user_id}: {self.time_zone}"
