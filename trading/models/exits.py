"""The intent to leave a position."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from trading.models.positions import Position


class ExitRequest(models.Model):
    """The intent to exit a position. The message to a worker only saves time; the sweeper finds this row by itself."""

    class Status(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        CANCELLED = "cancelled"

    class Outcome(models.TextChoices):
        FLAT = "flat"
        PART = "part"
        RESIDUAL = "residual"

    position = models.ForeignKey(Position, models.CASCADE, related_name="exit_requests")
    source = models.CharField(max_length=16, help_text="person, triage or risk.")
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=300)
    least_prices = models.JSONField(
        default=list,
        db_default=[],
        help_text='What was accepted: [{"ticker", "side", "price"}, ...]; no contract is sold below it.',
    )
    counts = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text='What a partial exit sells: [{"ticker", "side", "count", "sold_before"}, ...]; empty: all that is held.',
    )
    below_floor = models.CharField(
        max_length=300,
        blank=True,
        help_text="Why a person accepts less than the basket pays in every listed state; empty: less is not accepted.",
        default="",
        db_default="",
    )
    by_rest = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A person accepts the books of the REST interface where there is no live one.",
    )
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    result = models.CharField(max_length=300, blank=True, help_text="The outcome in words: what is left, and why.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["position"], condition=Q(status="open"), name="one_open_exit_request_a_position"
            )
        ]

    def __str__(self) -> str:
        return f"exit of position #{self.position_id}, {self.status}"
