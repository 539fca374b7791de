"""What profiles think of events: screenings, verdicts, near-miss episodes, cycles."""

from __future__ import annotations

from django.db import models

from markets.models import Event, Scan
from strategies.models.kinds import Kind
from strategies.models.profile import Profile


class Screening(models.Model):
    """One pass of one profile over the universe of a scan. ``counts`` adds up to ``universe``."""

    scan = models.ForeignKey(Scan, models.CASCADE, related_name="screenings")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="screenings")
    at = models.DateTimeField(auto_now_add=True)
    universe = models.IntegerField(default=0)
    candidates = models.IntegerField(default=0)
    near_misses = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="Rejected and near misses by binding constraint.")
    failed = models.JSONField(default=dict, help_text="Events that miss each filter, whether it binds or not.")
    watched = models.IntegerField(default=0, help_text="Events whose books it watches.")
    warning = models.CharField(max_length=300, blank=True, help_text="Set when one filter refuses more than 95 %.")
    duration_ms = models.IntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["scan", "profile"], name="one_screening_a_scan_and_profile")]

    def __str__(self) -> str:
        return f"screening of scan #{self.scan_id}"


class Verdict(models.Model):
    """What one profile thinks of one event now: exactly one row per (profile, scanned event)."""

    class Status(models.TextChoices):
        CANDIDATE = "candidate"
        NEAR_MISS = "near_miss", "near miss"
        REJECTED = "rejected"

    # without an index of its own: two of those below begin with it
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="verdicts", db_index=False)
    event = models.ForeignKey(Event, models.CASCADE, related_name="verdicts")
    status = models.CharField(max_length=9, choices=Status)
    constraint = models.CharField(
        max_length=40, blank=True, help_text="The one binding constraint; empty for a candidate."
    )
    value = models.CharField(max_length=60, blank=True, help_text="What was measured, with its unit.")
    limit = models.CharField(max_length=60, blank=True, help_text="What is required, with its unit.")
    distance_ppm = models.BigIntegerField(
        null=True, blank=True, help_text="How far from passing, millionths of the limit or payout."
    )
    flip = models.CharField(max_length=300, blank=True, help_text="What would make it pass.")
    kind = models.CharField(max_length=8, choices=Kind, blank=True)
    summary = models.JSONField(default=dict, blank=True, help_text="The nearest basket's arithmetic.")
    scan = models.ForeignKey(Scan, models.SET_NULL, null=True, related_name="+", db_constraint=False)
    since = models.DateTimeField(help_text="Since when status and constraint are the same.")
    decisions = models.IntegerField(
        default=0, help_text="Taken on it so far. Counting it up is how one cycle wins over another."
    )
    updated_at = models.DateTimeField(auto_now=True)
    # the last evaluation by a cycle, on live prices (candidates only)
    live_at = models.DateTimeField(null=True, blank=True)
    live_constraint = models.CharField(max_length=40, blank=True, help_text='"decided" or why not.')
    live_value = models.CharField(max_length=60, blank=True)
    live_limit = models.CharField(max_length=60, blank=True)
    live_distance_ppm = models.BigIntegerField(null=True, blank=True)
    live_flip = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["profile", "event"], name="one_verdict_a_profile_and_event")]
        indexes = [
            models.Index(fields=["profile", "status", "distance_ppm"]),
            # the funnel counts a profile's verdicts by these, and the list behind a count shows the latest first
            models.Index(fields=["profile", "status", "constraint", "id"], name="verdicts_by_constraint"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.status} {self.constraint}".replace("_", " ").strip()


class VerdictVersion(models.Model):
    """How often a profile's verdict rows were rewritten: what a process remembers of them holds while the counts are the same.

    Counted up after the rows were written, so whoever reads a count before the rows never takes old rows for new ones.
    """

    profile = models.OneToOneField(Profile, models.CASCADE, primary_key=True, related_name="+")
    rows = models.BigIntegerField(default=0, db_default=0, help_text="Rows rewritten or removed by a screening.")
    candidates = models.BigIntegerField(default=0, db_default=0, help_text="Changes of which events are candidates.")


class NearMiss(models.Model):
    """An episode: an event stayed close to passing from ``started_at`` to ``ended_at``."""

    profile = models.ForeignKey(Profile, models.CASCADE, related_name="near_misses")
    event = models.ForeignKey(Event, models.CASCADE, related_name="near_misses")
    kind = models.CharField(max_length=8, choices=Kind, blank=True)
    constraint = models.CharField(max_length=40)
    value = models.CharField(max_length=60, blank=True)
    limit = models.CharField(max_length=60, blank=True)
    distance_ppm = models.BigIntegerField(help_text="At the last evaluation.")
    best_distance_ppm = models.BigIntegerField()
    flip = models.CharField(max_length=300, blank=True)
    summary = models.JSONField(default=dict, blank=True)
    evaluations = models.IntegerField(default=1)
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_as = models.CharField(
        max_length=40, blank=True, help_text="What it became: candidate, decided, rejected, settled, ..."
    )
    outcome = models.CharField(
        max_length=300, blank=True, help_text="After settlement: what buying it would have made."
    )
    outcome_profit = models.BigIntegerField(
        null=True, blank=True, help_text="Micro-dollars, for the basket in summary."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "event"], condition=models.Q(ended_at=None), name="one_open_near_miss"
            )
        ]
        indexes = [models.Index(fields=["profile", "ended_at", "distance_ppm"])]
        verbose_name_plural = "near misses"

    def __str__(self) -> str:
        return f"{self.event_id} missed by {self.distance_ppm / 10_000:.2f} %"


class Cycle(models.Model):
    """One strategy cycle over all active profiles."""

    started_at = models.DateTimeField(db_index=True)
    duration_ms = models.IntegerField(default=0)
    read_ms = models.IntegerField(default=0, help_text="Of that, reading prices.")
    trigger = models.CharField(max_length=16, default="beat", help_text="beat or nudge.")
    candidates = models.IntegerField(default=0)
    evaluated = models.IntegerField(default=0)
    decisions = models.IntegerField(default=0)
    refused = models.JSONField(default=dict, help_text="Candidates not bought, by constraint.")
    prices_after_ms = models.IntegerField(
        default=0, db_default=0, help_text="From its beginning to when it read prices."
    )
    turns = models.JSONField(
        default=dict,
        db_default={},
        help_text="By profile: when its turn came, and when each event that paid was read again (ms from its beginning).",
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"cycle #{self.pk}"
