"""Profiles, what they think of every event, and the decisions they take.

Units are in the names or the help: prices 1/10,000 dollar, counts 1/100 contract, money micro-dollars, ``_ppm`` millionths.
"""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from simple_history.models import HistoricalRecords

from markets.models import Certificate, Event, Scan

DOLLAR = 1_000_000


class Mode(models.TextChoices):
    SIM = "sim", "sim"
    LIVE = "live", "live"


class Kind(models.TextChoices):
    ALL_YES = "all_yes", "YES on every outcome"
    ALL_NO = "all_no", "NO on two or more outcomes"
    COVERAGE = "coverage", "YES on the likely outcomes"


class Profile(models.Model):
    """One way of trading: filters, thresholds, limits, capital and mode. Profiles never touch each other."""

    class PartialPolicy(models.TextChoices):
        UNWIND = "unwind_on_partial", "unwind what cannot be completed"
        HOLD = "hold_and_complete", "rest orders to complete, then unwind"

    class TriagePolicy(models.TextChoices):
        ADVISE = "advise", "advise only"
        MARKET = "market", "exit on market reasons"
        ANY = "any", "exit on any reason"

    class Shape(models.TextChoices):
        EQUAL = "equal", "equal payout on every leg"
        PROPORTIONAL = "proportional", "payout in proportion to probability"

    name = models.SlugField(max_length=48, unique=True, help_text="Short name, used in screens and commands.")
    description = models.CharField(max_length=300, blank=True)
    mode = models.CharField(max_length=4, choices=Mode, default=Mode.SIM)
    is_active = models.BooleanField(
        default=True, help_text="An inactive profile takes no decision; its positions are still managed."
    )
    subaccount = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(63)],
        help_text="Live only: the exchange subaccount of this profile.",
    )
    shadow_of = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="shadows",
        help_text="Paper twin of this live profile: takes the same decisions.",
    )

    # Filters: what is looked at
    categories = models.JSONField(default=list, blank=True, help_text="Empty = all.")
    series_include = models.JSONField(default=list, blank=True, help_text="Series tickers; empty = all.")
    series_exclude = models.JSONField(default=list, blank=True)
    min_outcomes = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(2)])
    max_outcomes = models.PositiveSmallIntegerField(default=12)
    min_volume = models.BigIntegerField(default=0, help_text="Event volume, 1/100 contract.")
    min_open_interest = models.BigIntegerField(default=0, help_text="Event open interest, 1/100 contract.")
    min_depth = models.BigIntegerField(
        default=0, help_text="Least size at the best price of every leg, 1/100 contract."
    )
    min_seconds_to_close = models.PositiveIntegerField(default=60)
    max_days_to_close = models.FloatField(default=60.0)

    # What is bought
    kinds = models.JSONField(default=list, help_text="all_yes, all_no, coverage.")
    coverage_threshold_ppm = models.PositiveIntegerField(default=900_000, validators=[MaxValueValidator(1_000_000)])
    min_margin_ppm = models.IntegerField(default=1_000, help_text="Net margin = profit / cost, in millionths.")
    min_profit = models.BigIntegerField(default=100_000, help_text="Least profit of a basket, micro-dollars.")
    min_expected_margin_ppm = models.IntegerField(
        default=0,
        help_text="Coverage only: least expected profit / cost by de-vigged prices, in millionths; may be negative.",
    )
    min_annualised_ppm = models.BigIntegerField(
        default=0, help_text="Least return a year on the locked capital; 0 = not asked."
    )
    shape = models.CharField(max_length=16, choices=Shape, default=Shape.EQUAL)
    count_step = models.PositiveIntegerField(default=100, help_text="Sizes are multiples of this, 1/100 contract.")
    watch_margin_ppm = models.PositiveIntegerField(
        default=30_000,
        help_text="An event whose quoted cost misses by less than this share of the payout has its books watched.",
    )
    near_miss_ppm = models.PositiveIntegerField(
        default=50_000,
        help_text="Farthest a near miss may be from passing: share of the limit (or of the payout, for prices).",
    )

    # Limits
    capital = models.BigIntegerField(
        default=1_000 * DOLLAR, validators=[MinValueValidator(0)], help_text="Micro-dollars."
    )
    max_per_event = models.BigIntegerField(
        default=200 * DOLLAR, help_text="Most cost at risk in one event, micro-dollars."
    )
    max_per_position = models.BigIntegerField(default=200 * DOLLAR, help_text="Micro-dollars.")
    max_per_leg = models.BigIntegerField(default=200 * DOLLAR, help_text="Micro-dollars.")
    max_open_positions = models.PositiveIntegerField(default=20)
    max_orders_per_minute = models.PositiveIntegerField(default=120)
    max_daily_loss = models.BigIntegerField(
        default=50 * DOLLAR, help_text="Realised since midnight UTC, micro-dollars."
    )
    max_drawdown = models.BigIntegerField(default=200 * DOLLAR, help_text="From the best equity, micro-dollars.")
    leg_risk_budget = models.BigIntegerField(
        default=5 * DOLLAR, help_text="Most that unwinding a half-filled basket may cost, micro-dollars."
    )
    max_price_age_ms = models.PositiveIntegerField(default=15_000, help_text="Oldest proof of life of the price feed.")
    blackout = models.JSONField(
        default=list, blank=True, help_text='UTC times without new baskets: [["07:00", "09:00"], ...].'
    )
    cooldown_seconds = models.PositiveIntegerField(
        default=30, help_text="Pause on an event after a basket of it ended."
    )
    on_partial = models.CharField(max_length=20, choices=PartialPolicy, default=PartialPolicy.UNWIND)
    complete_seconds = models.PositiveIntegerField(
        default=10, help_text="How long a half-filled basket may be completed."
    )

    # Triage
    triage_policy = models.CharField(max_length=8, choices=TriagePolicy, default=TriagePolicy.ADVISE)
    triage_min_gain = models.BigIntegerField(
        default=500_000, help_text="Least gain of an automatic exit over holding, micro-dollars."
    )
    triage_min_hold_seconds = models.PositiveIntegerField(default=60)
    triage_evidence_ppm = models.PositiveIntegerField(
        default=20_000_000,
        help_text="E-value a source must reach before it may drive exits, in millionths (20 = 20,000,000).",
    )

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(mode__in=["sim", "live"]), name="profile_mode_known"),
            models.CheckConstraint(condition=models.Q(shadow_of=None) | models.Q(mode="sim"), name="a_shadow_is_sim"),
        ]

    def __str__(self) -> str:
        return self.name


class Screening(models.Model):
    """One pass of one profile over the universe of a scan. ``counts`` adds up to ``universe``."""

    scan = models.ForeignKey(Scan, models.CASCADE, related_name="screenings")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="screenings")
    at = models.DateTimeField(auto_now_add=True)
    universe = models.IntegerField(default=0)
    candidates = models.IntegerField(default=0)
    near_misses = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    counts = models.JSONField(default=dict, help_text="Rejected and near misses by binding constraint.")
    failed = models.JSONField(default=dict, help_text="Events that miss each filter, whether it binds or not.")
    watched = models.IntegerField(default=0, help_text="Events whose books it asked for.")
    warning = models.CharField(max_length=300, blank=True, help_text="Set when one filter refuses more than 95 %.")
    duration_ms = models.IntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["scan", "profile"], name="one_screening_a_scan_and_profile")]


class Verdict(models.Model):
    """What one profile thinks of one event now: exactly one row per (profile, scanned event)."""

    class Status(models.TextChoices):
        CANDIDATE = "candidate"
        NEAR_MISS = "near_miss", "near miss"
        REJECTED = "rejected"

    profile = models.ForeignKey(Profile, models.CASCADE, related_name="verdicts")
    event = models.ForeignKey(Event, models.CASCADE, related_name="verdicts")
    status = models.CharField(max_length=9, choices=Status)
    constraint = models.CharField(
        max_length=40, blank=True, help_text="The one binding constraint; empty for a candidate."
    )
    value = models.CharField(max_length=60, blank=True, help_text="What was measured, with its unit.")
    limit = models.CharField(max_length=60, blank=True, help_text="What was asked for, with its unit.")
    distance_ppm = models.BigIntegerField(
        null=True, blank=True, help_text="How far from passing, millionths of the limit or payout."
    )
    flip = models.CharField(max_length=300, blank=True, help_text="What would make it pass.")
    kind = models.CharField(max_length=8, choices=Kind, blank=True)
    summary = models.JSONField(default=dict, blank=True, help_text="The nearest basket's arithmetic.")
    scan = models.ForeignKey(Scan, models.SET_NULL, null=True, related_name="+", db_constraint=False)
    since = models.DateTimeField(help_text="Since when status and constraint are the same.")
    decisions = models.IntegerField(
        default=0, help_text="Taken on it so far. Counting it up is how one cycle wins over another."
    )
    updated_at = models.DateTimeField(auto_now=True)
    # the last look of a cycle, on live prices (candidates only)
    live_at = models.DateTimeField(null=True, blank=True)
    live_constraint = models.CharField(max_length=40, blank=True, help_text='"decided" or why not.')
    live_value = models.CharField(max_length=60, blank=True)
    live_limit = models.CharField(max_length=60, blank=True)
    live_distance_ppm = models.BigIntegerField(null=True, blank=True)
    live_flip = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["profile", "event"], name="one_verdict_a_profile_and_event")]
        indexes = [models.Index(fields=["profile", "status", "distance_ppm"])]

    def __str__(self) -> str:
        return f"{self.profile_id}/{self.event_id}: {self.status} {self.constraint}"


class NearMiss(models.Model):
    """An episode: an event stayed close to passing from ``started_at`` to ``ended_at``."""

    profile = models.ForeignKey(Profile, models.CASCADE, related_name="near_misses")
    event = models.ForeignKey(Event, models.CASCADE, related_name="near_misses")
    kind = models.CharField(max_length=8, choices=Kind, blank=True)
    constraint = models.CharField(max_length=40)
    value = models.CharField(max_length=60, blank=True)
    limit = models.CharField(max_length=60, blank=True)
    distance_ppm = models.BigIntegerField(help_text="At the last look.")
    best_distance_ppm = models.BigIntegerField()
    flip = models.CharField(max_length=300, blank=True)
    summary = models.JSONField(default=dict, blank=True)
    looks = models.IntegerField(default=1)
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_as = models.CharField(
        max_length=40, blank=True, help_text="What it became: candidate, decided, rejected, settled, ..."
    )
    outcome = models.CharField(
        max_length=300, blank=True, help_text="After settlement: what buying it would have made."
    )
    outcome_profit = models.BigIntegerField(
        null=True, blank=True, help_text="Micro-dollars, for the basket in summary."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "event"], condition=models.Q(ended_at=None), name="one_open_near_miss"
            )
        ]
        indexes = [models.Index(fields=["profile", "ended_at", "distance_ppm"])]
        verbose_name_plural = "near misses"

    def __str__(self) -> str:
        return f"{self.event_id} missed by {self.distance_ppm / 10_000:.2f} %"


class Cycle(models.Model):
    """One strategy cycle over all active profiles."""

    started_at = models.DateTimeField(db_index=True)
    duration_ms = models.IntegerField(default=0)
    read_ms = models.IntegerField(default=0, help_text="Of that, reading prices.")
    trigger = models.CharField(max_length=16, default="beat", help_text="beat or nudge.")
    candidates = models.IntegerField(default=0)
    evaluated = models.IntegerField(default=0)
    decisions = models.IntegerField(default=0)
    refused = models.JSONField(default=dict, help_text="Candidates not bought, by constraint.")

    class Meta:
        ordering = ["-id"]


class Decision(models.Model):
    """The immutable order to open a basket, with the prices and arithmetic that justified it.

    ``legs``: [{"ticker", "side", "count", "limit_price", "price_paid", "fees", "exchange_ms", "receive_ms", "seq"}, ...]
    in the units of kalbot.common.units. What became of it is trading's: a Position or a Denial.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="decisions")
    mode = models.CharField(max_length=4, choices=Mode)
    event = models.ForeignKey(Event, models.PROTECT, related_name="decisions")
    kind = models.CharField(max_length=8, choices=Kind)
    count = models.BigIntegerField(help_text="Baskets, 1/100 contract.")
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
    certificate = models.ForeignKey(Certificate, models.PROTECT, null=True, blank=True, related_name="decisions")
    rules_hash = models.CharField(max_length=64, blank=True)
    payoff = models.JSONField(default=list, help_text='[["state in words", payout], ...] over every settlement state.')
    probabilities = models.JSONField(
        default=dict, help_text="De-vigged probability of each outcome, for display and triage."
    )
    epoch = models.CharField(max_length=40)
    price_age_ms = models.IntegerField(default=0)
    explanation = models.TextField(blank=True)
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

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id} x {self.count / 100:g} for {self.profile_id}"
