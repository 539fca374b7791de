"""What allocation knows of time and of other uses of the same capital."""

from __future__ import annotations

from django.db import models

from markets.models import Event, Series
from strategies.models.profile import Profile


class SettlingTime(models.Model):
    """One series' settled markets of late: from the later of close and expected end to the exchange's settlement."""

    series = models.OneToOneField(Series, models.CASCADE, primary_key=True, related_name="settling_time")
    markets = models.PositiveIntegerField(help_text="Settled markets that this is counted from.")
    late_seconds = models.IntegerField(help_text="Median; below zero where markets end early.")
    latest_seconds = models.IntegerField(help_text="Nine of ten had settled by then.")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.series_id}: {self.late_seconds / 3600:.1f} h after its expected end"


class Opportunity(models.Model):
    """A basket that paid on its books, when a profile saw it first, bought or not: what the hurdle is learnt from."""

    profile = models.ForeignKey(Profile, models.CASCADE, related_name="opportunities")
    event = models.ForeignKey(Event, models.CASCADE, related_name="+")
    at = models.DateTimeField(db_index=True)
    locked = models.BigIntegerField(help_text="Capital that it would lock, micro-dollars.")
    profit = models.BigIntegerField(help_text="Micro-dollars; of a bet the expected profit.")
    days = models.FloatField(null=True, help_text="Until its money is expected back; empty = not known.")

    class Meta:
        verbose_name_plural = "opportunities"
        constraints = [models.UniqueConstraint(fields=["profile", "event"], name="one_opportunity_a_profile_and_event")]

    def __str__(self) -> str:
        return f"{self.profile_id}/{self.event_id}: {self.profit / 1e6:.2f} on {self.locked / 1e6:.2f}"


class Hurdle(models.Model):
    """The least return on the locked dollar and day of a profile whose capital does not carry all that is offered; 0 = none."""

    profile = models.OneToOneField(Profile, models.CASCADE, primary_key=True, related_name="hurdle")
    return_a_day = models.FloatField(default=0.0)
    opportunities = models.PositiveIntegerField(help_text="That it was learnt from.")
    since = models.DateTimeField(help_text="When the first of them was seen.")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.return_a_day:.4%} a day"
