"""What triage saw of each open position, what it advises, and how good the advice was. Money is micro-dollars."""

from __future__ import annotations

from django.db import models

from markets.models import Event
from trading.models import Position


class Advice(models.TextChoices):
    HOLD = "hold"
    WATCH = "watch"
    EXIT = "exit"


class Baseline(models.Model):
    """What was true of a position's event at the first assessment after entry, and the last kept one: later ones are compared
    with both."""

    position = models.OneToOneField(Position, models.CASCADE, related_name="baseline")
    at = models.DateTimeField(auto_now_add=True)
    tickers = models.JSONField(help_text="Outcomes listed when the decision was taken.")
    close_times = models.JSONField(default=dict, help_text="Market ticker -> close time, Unix milliseconds.")
    certified = models.BooleanField(default=False, help_text="The decision rested on a certificate.")
    rules_hash = models.CharField(
        max_length=64, blank=True, help_text="Of rules, strikes and the set of markets, without their states."
    )
    coverage_ppm = models.BigIntegerField(null=True)
    last = models.JSONField(
        default=dict, help_text="The last kept assessment in short: at_ms, advice, sell, hold, coverage, codes."
    )

    def __str__(self) -> str:
        return f"baseline #{self.pk}"


class Assessment(models.Model):
    """One assessment of one position: what it is worth sold now against held, and the signals seen.

    Kept when something changed since the last one, and once every few minutes when nothing did.
    """

    position = models.ForeignKey(Position, models.CASCADE, related_name="assessments")
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    trigger = models.CharField(
        max_length=16, default="schedule", help_text="schedule, lifecycle, price, observation or person."
    )
    advice = models.CharField(max_length=5, choices=Advice)
    sell_now = models.BigIntegerField(
        null=True, help_text="Proceeds through the real bids after fees; empty = unknown."
    )
    sell_fees = models.BigIntegerField(null=True)
    sale_legs = models.JSONField(
        default=list, help_text='[{"ticker", "side", "held", "sold", "proceeds", "fees", "problem"}, ...]'
    )
    unsellable = models.JSONField(default=list, help_text="Legs that cannot be sold now, named.")
    hold_expected = models.BigIntegerField(
        null=True, help_text="Probability x payout over the settlement states, by market prices."
    )
    gain = models.BigIntegerField(
        null=True, help_text="Selling now less expected holding; what cannot be sold counts at its worth."
    )
    floor = models.BigIntegerField(default=0, help_text="Least payout over every state still possible.")
    best = models.BigIntegerField(default=0, help_text="Most payout over every state still possible.")
    coverage_ppm = models.BigIntegerField(null=True)
    break_even_ppm = models.BigIntegerField(
        null=True, help_text="Probability of a covered outcome at which selling equals holding."
    )
    days_left = models.FloatField(null=True, help_text="Days of capital that selling now would save.")
    annualised_ppm = models.BigIntegerField(
        null=True, help_text="What holding earns a year on the cash that selling would free."
    )
    price_age_ms = models.BigIntegerField(null=True)
    probabilities = models.JSONField(default=dict, help_text="De-vigged market probability of each outcome.")
    signals = models.JSONField(default=list, help_text='[{"code", "severity", "detail", "source", "age_ms"}, ...]')
    sources = models.JSONField(
        default=list,
        help_text='[{"source", "opinion", "age_ms", "detail", "error", "worth", "gain", "coverage_ppm", "probabilities", "plot"}, ...]; '
        "opinion false = none, with the reason in detail.",
    )

    class Meta:
        indexes = [models.Index(fields=["position", "-at"])]

    def __str__(self) -> str:
        return f"#{self.position_id} {self.advice}"


class Recommendation(models.Model):
    """Advice that stands: opened once per reason, refreshed, closed by itself when the reason goes."""

    class Status(models.TextChoices):
        OPEN = "open"
        ACCEPTED = "accepted"
        DISMISSED = "dismissed"
        LAPSED = "lapsed", "the reason went"
        ENDED = "ended", "the position ended"

    position = models.ForeignKey(Position, models.CASCADE, related_name="recommendations")
    reason = models.CharField(max_length=40, help_text="Code of the signal.")
    advice = models.CharField(max_length=5, choices=Advice)
    source = models.CharField(max_length=40, default="market")
    detail = models.CharField(max_length=400, help_text="In words, with figures.")
    gain = models.BigIntegerField(null=True, help_text="Selling now less expected holding, micro-dollars.")
    opening = models.JSONField(
        default=dict, help_text="The figures at the moment it opened, never refreshed: what it is scored by."
    )
    plan = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="How to leave: the least price of each leg, what buying the opposite or the missing legs would bring, their record.",
    )
    assessment = models.ForeignKey(Assessment, models.SET_NULL, null=True, related_name="recommendations")
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN, db_index=True)
    actor = models.CharField(max_length=150, blank=True)
    actor_reason = models.CharField(max_length=300, blank=True)
    policy = models.CharField(max_length=300, blank=True, help_text="Why it did or did not lead to an automatic exit.")
    opened_at = models.DateTimeField(auto_now_add=True)
    refreshed_at = models.DateTimeField(auto_now=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(
        null=True, blank=True, help_text="When the reason was no longer there; a dismissed one stays quiet until then."
    )
    score = models.JSONField(
        default=dict, blank=True, help_text="After settlement: against holding, against the market."
    )
    scored_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["position", "reason"],
                condition=models.Q(status="open"),
                name="one_open_recommendation_a_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.advice} #{self.position_id}: {self.reason}"


class SourceForecast(models.Model):
    """The first opinion of a source on an event, frozen beside the market's at the same moment; scored after settlement.

    One row a source and event however many positions hold it, so that evidence is not counted twice.
    """

    source = models.CharField(max_length=40)
    event = models.ForeignKey(Event, models.CASCADE, related_name="source_forecasts", db_constraint=False)
    formed_at = models.DateTimeField()
    age_ms = models.BigIntegerField(default=0)
    detail = models.CharField(max_length=400, blank=True)
    probabilities = models.JSONField(help_text="Of each listed outcome, by the source.")
    market_probabilities = models.JSONField(help_text="De-vigged, at the same moment.")
    learned = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Version and values of the learned errors or weights that it used.",
    )
    outcome = models.CharField(
        max_length=128, blank=True, help_text="Ticker of the outcome that won; empty = none of the listed."
    )
    brier = models.FloatField(null=True)
    brier_market = models.FloatField(null=True)
    ranked = models.FloatField(
        null=True, help_text="Ranked probability score over the outcomes in their order, where they have one."
    )
    ranked_market = models.FloatField(null=True)
    settled_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "event"], name="one_frozen_forecast_a_source_and_event")
        ]
        indexes = [models.Index(fields=["source", "formed_at"])]

    def __str__(self) -> str:
        return f"{self.source} on {self.event_id}"


class PointForecast(models.Model):
    """The first number that a source forecast for an event in each lead bucket, with the value that the event settled on: what errors
    are learned from. A forecast whose issue time is not known makes no row."""

    class Problem(models.TextChoices):
        NONE = "", "none"
        NO_VALUE = "no_value", "the exchange published no readable value"
        DISPUTED = "disputed", "the value is not inside the outcome that won"

    source = models.CharField(max_length=40)
    subject = models.CharField(max_length=40, help_text="What was forecast: high/KNYC.")
    event = models.ForeignKey(Event, models.CASCADE, related_name="point_forecasts", db_constraint=False)
    unit = models.CharField(max_length=12)
    lead = models.CharField(max_length=8, help_text="Lead bucket, hours.")
    lead_hours = models.FloatField()
    issued_at = models.DateTimeField(help_text="When the source issued it, by its own account.")
    formed_at = models.DateTimeField(help_text="When it was known here.")
    value = models.FloatField(help_text="As issued, without any correction.")
    published_spread = models.FloatField(help_text="One standard deviation before anything was learned.")
    bias = models.FloatField(help_text="Applied.")
    spread = models.FloatField(help_text="Applied.")
    version = models.IntegerField(help_text="Of the learned errors applied; 0 = nothing learned.")
    chances = models.JSONField(default=dict, help_text="Value -> probability, as said.")
    settled_on = models.FloatField(null=True, help_text="The exchange's value.")
    pit = models.FloatField(
        null=True, help_text="Where the value fell in what was said, 0 to 1; uniform if calibrated."
    )
    crps = models.FloatField(
        null=True, help_text="Continuous ranked probability score of what was said, in the unit of the number."
    )
    problem = models.CharField(max_length=10, choices=Problem, default=Problem.NONE, blank=True)
    settled_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "event", "lead"], name="one_point_forecast_a_source_event_and_lead"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} on {self.subject}: {self.value:g}"


class LearnedErrors(models.Model):
    """One version of everything learned, never edited: decisions name the version that they used. The newest is in force."""

    made_at = models.DateTimeField(auto_now_add=True)
    estimator = models.CharField(max_length=40)
    settled = models.IntegerField(help_text="Settled forecasts that it rests on.")
    cells = models.JSONField(help_text="source/kind/lead -> place -> [bias, spread, days] in published spreads.")
    weights = models.JSONField(default=dict, help_text="source -> weight beside the market in the combination.")

    class Meta:
        verbose_name_plural = "learned errors"

    def __str__(self) -> str:
        return f"version {self.pk}"
