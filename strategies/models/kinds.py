"""Modes of trading and kinds of basket."""

from __future__ import annotations

from django.db import models


class Mode(models.TextChoices):
    SIM = "sim", "sim"
    LIVE = "live", "live"


class Kind(models.TextChoices):
    ALL_YES = "all_yes", "YES on every outcome"
    ALL_NO = "all_no", "NO on two or more outcomes"
    COVERAGE = "coverage", "YES on the likely outcomes"
    FAMILY = "family", "legs of several events that one value settles"
