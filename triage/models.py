"""What triage saw of each open position, and what it advises. Money is micro-dollars."""

from __future__ import annotations

from django.db import models

from trading.models import Position


class Advice(models.TextChoices):
    HOLD = "hold"
    WATCH = "watch"
    EXIT = "exit"


class Assessment(models.Model):
    """One look at one position: what it is worth sold now against held, and the signals seen."""

    position = models.ForeignKey(Position, models.CASCADE, related_name="assessments")
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    advice = models.CharField(max_length=5, choices=Advice)
    sell_now = models.BigIntegerField(null=True, help_text="Proceeds through the real bids after fees; empty = cannot be told.")
    unsellable = models.JSONField(default=list, help_text="Legs that cannot be sold now, named.")
    hold_expected = models.BigIntegerField(null=True, help_text="Probability x payout over the settlement states.")
    floor = models.BigIntegerField(default=0)
    coverage_ppm = models.BigIntegerField(null=True)
    break_even_ppm = models.BigIntegerField(null=True, help_text="Probability of a covered outcome at which selling equals holding.")
    price_age_ms = models.BigIntegerField(null=True)
    signals = models.JSONField(default=list, help_text='[{"code", "severity", "detail", "source", "age_ms"}, ...]')
    sources = models.JSONField(default=list, help_text="What each outside source said, how old, with what error.")

    class Meta:
        indexes = [models.Index(fields=["position", "-at"])]


class Recommendation(models.Model):
    """Advice that stands: opened once per reason, refreshed, closed by itself when the reason goes."""

    class Status(models.TextChoices):
        OPEN = "open"
        ACCEPTED = "accepted"
        DISMISSED = "dismissed"
        LAPSED = "lapsed", "the reason went"
        ENDED = "ended", "the position ended"

    position = models.ForeignKey(Position, models.CASCADE, related_name="recommendations")
    reason = models.CharField(max_length=40, help_text="Code of the signal.")
    advice = models.CharField(max_length=5, choices=Advice)
    source = models.CharField(max_length=40, default="market")
    detail = models.CharField(max_length=400, help_text="In words, with figures.")
    gain = models.BigIntegerField(null=True, help_text="Selling now less expected holding, micro-dollars.")
    assessment = models.ForeignKey(Assessment, models.SET_NULL, null=True, related_name="recommendations")
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN, db_index=True)
    actor = models.CharField(max_length=150, blank=True)
    actor_reason = models.CharField(max_length=300, blank=True)
    opened_at = models.DateTimeField(auto_now_add=True)
    refreshed_at = models.DateTimeField(auto_now=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    score = models.JSONField(default=dict, blank=True, help_text="After settlement: against holding, against the market.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["position", "reason"], condition=models.Q(status="open"), name="one_open_recommendation_a_reason")
        ]

    def __str__(self) -> str:
        return f"{self.advice} #{self.position_id}: {self.reason}"
