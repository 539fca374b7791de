"""A decision: the immutable order to open a basket."""

from __future__ import annotations

import uuid

from django.db import models

from markets.models import Certificate, Event
from markets.terms.grades import Grade
from strategies.models.kinds import Kind, Mode
from strategies.models.profile import Profile


class Decision(models.Model):
    """The immutable order to open a basket, with the prices and arithmetic that justified it.

    ``legs``: [{"ticker", "side", "count", "limit_price", "price_paid", "fees", "exchange_ms", "receive_ms", "seq"}, ...]
    in the units of kalbot.common.units. What became of it is trading's: a Position or a Denial.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="decisions")
    shadow_of = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="shadows",
        help_text="The live decision that this one repeats on paper.",
    )
    mode = models.CharField(max_length=4, choices=Mode)
    event = models.ForeignKey(Event, models.PROTECT, related_name="decisions")
    kind = models.CharField(max_length=8, choices=Kind)
    count = models.BigIntegerField(help_text="Baskets, 1/100 contract.")
    quote = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text='Where legs rest: {"way", "leg", "until_ms"}; "leg" is empty where all do. Empty: all legs are taken.',
    )
    legs = models.JSONField()
    cost = models.BigIntegerField(help_text="Price paid plus exact fees, micro-dollars.")
    fees = models.BigIntegerField()
    max_cost = models.BigIntegerField(help_text="Cost if every leg fills at its limit price: what is reserved.")
    floor = models.BigIntegerField(help_text="Least payout over every settlement state.")
    conditional = models.BigIntegerField(help_text="Payout if a covered outcome wins.")
    expected = models.BigIntegerField(help_text="Expected payout by de-vigged prices.")
    coverage_ppm = models.BigIntegerField()
    margin_ppm = models.BigIntegerField()
    guaranteed = models.BooleanField(help_text="floor - cost > 0; nothing else may be called so.")
    grade = models.CharField(
        max_length=16,
        choices=[(grade.value, grade.label) for grade in Grade],
        default=Grade.CONDITIONAL.value,
        db_default=Grade.CONDITIONAL.value,
        help_text="How sure the payoff is: by the certificate, and by floor - cost - fee bound.",
    )
    certificate = models.ForeignKey(Certificate, models.PROTECT, null=True, blank=True, related_name="decisions")
    rules_hash = models.CharField(max_length=64, blank=True)
    payoff = models.JSONField(default=list, help_text='[["state in words", payout], ...] over every settlement state.')
    probabilities = models.JSONField(
        default=dict, help_text="De-vigged probability of each outcome, for display and triage."
    )
    epoch = models.CharField(max_length=40)
    price_age_ms = models.IntegerField(default=0)
    explanation = models.TextField(blank=True)
    trace = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="When each stage up to the decision was reached, Unix microseconds.",
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(guaranteed=False) | models.Q(floor__gt=models.F("cost")),
                name="guaranteed_means_floor_above_cost",
            ),
            models.CheckConstraint(condition=models.Q(count__gt=0), name="decision_count_positive"),
        ]
        indexes = [models.Index(fields=["profile", "created_at"], name="decisions_of_profile_by_time")]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.event_id} x {self.count / 100:g}"
