"""What quotes of a series have brought: counted by trading, read where quotes are chosen and priced.

Counts 1/100 contract; values are micro-dollars a contract.
"""

from __future__ import annotations

from django.db import models

from markets.models import Series
from strategies.models.kinds import Mode


class QuoteRecord(models.Model):
    """One series, mode and side over the last days, of all quotes or those of one band. The marks: what a fill was worth 1, 10 and 60 s
    later by the middle of the book, less its price, on average over the contracts that were measured."""

    series = models.ForeignKey(Series, models.CASCADE, related_name="quote_records")
    mode = models.CharField(max_length=4, choices=Mode)
    side = models.CharField(max_length=3, choices=[("yes", "YES"), ("no", "NO")])
    band = models.CharField(
        max_length=12,
        blank=True,
        default="",
        db_default="",
        help_text="Only quotes of this spread a leg and time to the end of quoting, as they were when decided; empty: all.",
    )
    fills = models.PositiveIntegerField(default=0, db_default=0, help_text="Measured 60 s after they filled.")
    mark_1 = models.BigIntegerField(null=True)
    mark_10 = models.BigIntegerField(null=True)
    mark_60 = models.BigIntegerField(null=True)
    baskets = models.PositiveIntegerField(default=0, db_default=0, help_text="Quoted baskets that quote no more.")
    wanted = models.BigIntegerField(default=0, db_default=0, help_text="Sets that they wanted.")
    complete = models.BigIntegerField(default=0, db_default=0, help_text="Sets that became whole.")
    orphaned = models.BigIntegerField(
        default=0, db_default=0, help_text="Contracts that filled beyond whole sets, all legs together."
    )
    tokens = models.BigIntegerField(default=0, db_default=0, help_text="Write tokens of their quotes' orders.")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "mode", "side", "band"], name="one_quote_record_a_band")
        ]

    def __str__(self) -> str:
        return f"{self.side.upper()} {self.series_id} ({self.mode})"
