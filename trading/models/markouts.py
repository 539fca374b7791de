"""What a quote's fill was worth a moment later: the measure of who sold to it.

Values are micro-dollars a contract, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

from django.db import models

from strategies.models import Mode, Profile
from trading.models.orders import Fill


class MarkOut(models.Model):
    """One fill of a resting order and the middle of the book (bid + ask) / 2 of its side 1, 10 and 60 s afterwards: of the leg, and of all
    other legs of the basket together. Empty: a side without a price, books that could not be read, or nobody measured in time."""

    fill = models.OneToOneField(Fill, models.CASCADE, primary_key=True, related_name="markout")
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode)
    series = models.CharField(max_length=64)
    side = models.CharField(max_length=3, choices=[("yes", "YES"), ("no", "NO")])
    price = models.IntegerField()
    count = models.BigIntegerField()
    at = models.DateTimeField(help_text="When it filled.")
    leg_1 = models.BigIntegerField(null=True, blank=True)
    leg_10 = models.BigIntegerField(null=True, blank=True)
    leg_60 = models.BigIntegerField(null=True, blank=True)
    others_1 = models.BigIntegerField(null=True, blank=True)
    others_10 = models.BigIntegerField(null=True, blank=True)
    others_60 = models.BigIntegerField(null=True, blank=True)
    is_done = models.BooleanField(default=False, help_text="Nothing more will be measured.")

    class Meta:
        indexes = [
            models.Index(fields=["at"], condition=models.Q(is_done=False), name="markouts_to_measure"),
            models.Index(fields=["mode", "series", "at"], name="markouts_of_a_series"),
        ]

    def __str__(self) -> str:
        return f"{self.side.upper()} {self.series} at {self.price / 10_000:.4f}"
