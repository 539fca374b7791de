"""Runs that somebody kept, for the console to list and compare."""

from __future__ import annotations

from django.db import models


class BacktestRun(models.Model):
    """One run: what went in, its headline figures, and the whole result as a document."""

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
    fingerprint = models.CharField(max_length=64)
    actor = models.CharField(max_length=150, default="kalbot")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.profile}"
