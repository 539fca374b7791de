"""Runs that somebody kept, for the console to list and compare."""

from __future__ import annotations

from django.db import models


class Study(models.Model):
    """Runs that belong together: one profile on one tape with something varied. Its runs are the queue of the workers."""

    class Kind(models.TextChoices):
        """What is varied."""

        SWEEP = "sweep", "settings of the profile"
        SENSITIVITY = "sensitivity", "size, latency and fees"

    created_at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=12, choices=Kind)
    of = models.ForeignKey(
        "BacktestRun",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="studies",
        help_text="The run whose size, latency and fees are varied.",
    )
    actor = models.CharField(max_length=150, default="kalbot")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return f"study {self.pk} ({self.kind})"


class BacktestRun(models.Model):
    """One run: what went in, its headline figures, and the whole result as a document."""

    class Status(models.TextChoices):
        """Where it is; a run of the command line is kept when it is done."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    name = models.CharField(max_length=120, blank=True, help_text="What it was for.")
    tape = models.CharField(max_length=200)
    profile = models.CharField(max_length=48, db_index=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    baskets = models.IntegerField(default=0)
    profit = models.BigIntegerField(default=0, help_text="Realised, micro-dollars.")
    spent = models.BigIntegerField(default=0, help_text="Micro-dollars.")
    fees = models.BigIntegerField(default=0, help_text="Micro-dollars.")
    drawdown = models.BigIntegerField(default=0, help_text="Micro-dollars.")
    unjudged = models.IntegerField(default=0, help_text="Events that could not be judged.")
    events = models.IntegerField(default=0)
    options = models.JSONField(default=dict)
    coverage = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=150, default="kalbot")
    status = models.CharField(max_length=12, choices=Status, default=Status.DONE)
    failure = models.CharField(max_length=400, blank=True, help_text="Why it failed.")
    started_at = models.DateTimeField(null=True, blank=True)
    before = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="after",
        help_text="The run it is compared with.",
    )
    changes = models.JSONField(
        default=dict, help_text="Columns of the profile that differ from the run it is compared with."
    )
    study = models.ForeignKey(
        Study,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="runs",
        help_text="The study it is part of.",
    )
    varied = models.CharField(
        max_length=12,
        blank=True,
        help_text="In a study: size, latency or fees; or chosen or judged, the part of the tape.",
    )
    value = models.CharField(max_length=40, blank=True, help_text="In a study: the value of what is varied.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.profile}"


class TriedSetting(models.Model):
    """Columns of a profile that a sweep has replayed on a tape. Their number counts against the best of every later sweep."""

    at = models.DateTimeField(auto_now_add=True)
    tape = models.CharField(max_length=400, help_text="The tape's folder.")
    profile = models.CharField(max_length=48)
    digest = models.CharField(max_length=64, help_text="Of all columns of the profile.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tape", "profile", "digest"], name="one_tried_setting")]

    def __str__(self) -> str:
        return f"{self.profile} on {self.tape}: {self.digest[:12]}"


class CalibrationReport(models.Model):
    """What recorded prices said against what came, as ``backtest.calibration.report`` gave it."""

    created_at = models.DateTimeField(auto_now_add=True)
    tapes = models.JSONField(default=list, help_text="Names of the tapes that were read.")
    document = models.JSONField(default=dict)
    actor = models.CharField(max_length=150, default="kalbot")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"calibration {self.pk}"
