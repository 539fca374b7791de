"""What operators read besides the trading rows: tasks and log records."""

from __future__ import annotations

from django.db import models


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
    """A warning or worse, kept where a person looks."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    level = models.CharField(max_length=8, db_index=True)
    logger = models.CharField(max_length=120)
    process = models.CharField(max_length=60, blank=True)
    message = models.TextField()
    traceback = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
