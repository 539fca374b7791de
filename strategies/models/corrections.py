"""What has earned its use against plain prices, written by ``manage.py calibration --use``."""

from __future__ import annotations

from typing import Final

from django.db import models

NEEDED: Final = 20.0
"""E-value from which a correction may be used; luck alone reaches it once in twenty."""


class ProbabilityCorrection(models.Model):
    """The favourite-longshot correction of one category, so many hours before the close: each probability to a power."""

    category = models.CharField(max_length=64)
    lead_hours = models.PositiveSmallIntegerField()
    power = models.FloatField(help_text="Above one moves probability from long shots to favourites.")
    e_value = models.FloatField(help_text="Evidence against the plain probabilities, walk-forward.")
    events = models.PositiveIntegerField(help_text="Settled events that it was judged on.")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["category", "lead_hours"], name="one_correction_a_category_and_lead"),
            models.CheckConstraint(condition=models.Q(e_value__gte=NEEDED), name="correction_has_earned_its_use"),
            models.CheckConstraint(
                condition=models.Q(power__gte=0.5, power__lte=2.0), name="correction_power_is_plausible"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.category}, {self.lead_hours} h: power {self.power:.3f}"


class FamilyGate(models.Model):
    """The probabilities of whole families have beaten each event's own quotes in one category, so many hours before the close: coverage
    takes them there until later events take the evidence back (``triage.scoring.family_gates``)."""

    category = models.CharField(max_length=64)
    lead_hours = models.PositiveSmallIntegerField()
    e_value = models.FloatField(help_text="Evidence against each event's own quotes, on tapes.")
    events = models.PositiveIntegerField(help_text="Settled events that it was judged on.")
    made_at = models.DateTimeField(auto_now_add=True)
    later_e_value = models.FloatField(
        default=1.0, db_default=1.0, help_text="The same over events that were scored here since; the product counts."
    )
    later_events = models.PositiveIntegerField(default=0, db_default=0)
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when the product is too small to use them; empty: they are used."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["category", "lead_hours"], name="one_family_gate_a_category_and_lead"),
            models.CheckConstraint(condition=models.Q(e_value__gte=NEEDED), name="family_gate_has_been_earned"),
        ]

    @property
    def evidence(self) -> float:
        """E-value of all that is known: tapes, and what was scored since."""
        return self.e_value * self.later_e_value

    def __str__(self) -> str:
        return f"families, {self.category}, {self.lead_hours} h: e-value {self.evidence:.1f}"
