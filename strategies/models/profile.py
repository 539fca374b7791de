"""A profile: one way of trading, with its filters, thresholds, limits, capital and mode."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from simple_history.models import HistoricalRecords

from markets.terms.grades import Grade
from strategies.models.kinds import Mode

DOLLAR = 1_000_000


class Profile(models.Model):
    """One way of trading: filters, thresholds, limits, capital and mode. Profiles never touch each other."""

    class PartialPolicy(models.TextChoices):
        UNWIND = "unwind_on_partial", "unwind what cannot be completed"
        HOLD = "hold_and_complete", "rest orders to complete, then unwind"

    class Sending(models.TextChoices):
        THINNEST = "thinnest_first", "one leg after another, the thinnest first"
        TOGETHER = "all_at_once", "all legs in one request"

    class TriagePolicy(models.TextChoices):
        ADVISE = "advise", "advise only"
        MARKET = "market", "exit on market reasons"
        ANY = "any", "exit on any reason"

    class Shape(models.TextChoices):
        EQUAL = "equal", "equal payout on every leg"
        PROPORTIONAL = "proportional", "payout in proportion to probability"

    class Allocation(models.TextChoices):
        BEST_SET = "best_set", "what returns most on the locked dollar and day"
        FIRST_COME = "first_come", "first come, first served"

    class Profits(models.TextChoices):
        WAIT = "wait", "wait in cash: no more than the capital is at work"
        KEEP = "keep", "work too, and losses make what works smaller"
        SWEEP = "sweep", "work too up to a limit; what is above it is taken out once a day"

    class Quoting(models.TextChoices):
        NONE = "none", "nothing rests: every leg is taken"
        ONE_LEG = "one_leg", "one leg rests, the others are taken when it fills"
        SEVERAL = "several", "several legs rest, the others are taken when one fills"
        ALL_LEGS = "all_legs", "every leg rests at its best bid"

    class QuoteSides(models.TextChoices):
        NO = "no", "NO on every outcome"
        YES = "yes", "YES on every outcome"
        BOTH = "both", "NO, and YES where NO cannot be quoted"

    class Orphans(models.TextChoices):
        HOLD = "hold", "hold until they settle"
        SELL = "sell", "sell like a half-filled basket"

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

    # Filters: what is considered
    categories = models.JSONField(default=list, blank=True, help_text="Empty = all.")
    series_include = models.JSONField(default=list, blank=True, help_text="Series tickers; empty = all.")
    series_exclude = models.JSONField(default=list, blank=True)
    min_outcomes = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(2)])
    max_outcomes = models.PositiveSmallIntegerField(
        default=400,
        help_text="Legs bought are bounded by the account's write rate, not by this.",
    )
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
        default=0, help_text="Least return a year on the locked capital; 0 = none required."
    )
    least_grade = models.CharField(
        max_length=16,
        choices=[(grade.value, grade.label) for grade in Grade if grade is not Grade.CONDITIONAL],
        default=Grade.GUARANTEED.value,
        db_default=Grade.GUARANTEED.value,
        help_text="How sure YES on all and NO on several must be. Coverage is a bet and has no grade.",
    )
    plausible_margin_ppm = models.PositiveIntegerField(
        default=100_000,
        db_default=100_000,
        help_text="A guaranteed margin above this, in millionths, is held until a person has approved the event.",
    )
    shape = models.CharField(max_length=16, choices=Shape, default=Shape.EQUAL)
    allocation = models.CharField(
        max_length=10,
        choices=Allocation,
        default=Allocation.BEST_SET,
        db_default=Allocation.BEST_SET,
        help_text="What is bought when capital, positions or orders do not suffice for every basket that pays.",
    )
    count_step = models.PositiveIntegerField(default=100, help_text="Sizes are multiples of this, 1/100 contract.")
    watch_margin_ppm = models.PositiveIntegerField(
        default=30_000,
        help_text="An event whose quoted cost misses by less than this share of the payout has its books watched.",
    )
    near_miss_ppm = models.PositiveIntegerField(
        default=50_000,
        help_text="Farthest a near miss may be from passing: share of the limit (or of the payout, for prices).",
    )

    collateral_return = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Paper only: as if the account had collateral return on. Live, the account's own setting counts.",
    )

    # Limits
    capital = models.BigIntegerField(
        default=1_000 * DOLLAR, validators=[MinValueValidator(0)], help_text="Micro-dollars."
    )
    moved = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Borrowed less lent and swept, micro-dollars: works beside the capital, kept by the books alone.",
    )
    swept = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Of its profits taken out, micro-dollars; part of what was moved, kept by the books alone.",
    )
    profits = models.CharField(
        max_length=5,
        choices=Profits,
        default=Profits.WAIT,
        db_default=Profits.WAIT.value,
        help_text="What becomes of what the profile has earned.",
    )
    sweep_above = models.BigIntegerField(
        default=0, db_default=0, help_text="With sweeping: what its own money may grow to, micro-dollars."
    )
    lend_above = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Free cash above this may be lent to profiles of the same mode and account; empty = lends nothing.",
    )
    borrow_up_to = models.BigIntegerField(
        default=0, db_default=0, help_text="Most that it may owe to others, micro-dollars; 0 = borrows nothing."
    )
    max_per_event = models.BigIntegerField(
        default=200 * DOLLAR,
        help_text="Most at risk in one event: cost of all positions there and what was lost in it, micro-dollars.",
    )
    max_per_position = models.BigIntegerField(default=200 * DOLLAR, help_text="Micro-dollars.")
    max_per_leg = models.BigIntegerField(default=200 * DOLLAR, help_text="Micro-dollars.")
    max_open_positions = models.PositiveIntegerField(default=20)
    max_orders_per_minute = models.PositiveIntegerField(default=120)
    max_daily_loss = models.BigIntegerField(
        default=50 * DOLLAR, help_text="Realised since midnight of the profile's time zone, micro-dollars."
    )
    day_zone = models.CharField(
        max_length=40,
        default="America/New_York",
        db_default="America/New_York",
        help_text="Time zone whose midnight begins the day of the daily loss.",
    )
    max_drawdown = models.BigIntegerField(default=200 * DOLLAR, help_text="From the best equity, micro-dollars.")
    leg_risk_budget = models.BigIntegerField(
        default=5 * DOLLAR, help_text="Most that unwinding a half-filled basket may cost, micro-dollars."
    )
    max_price_age_ms = models.PositiveIntegerField(default=15_000, help_text="Oldest proof of life of the price feed.")
    blackout = models.JSONField(
        default=list, blank=True, help_text='Times without new baskets: ["Thu 03:00-05:00 America/New_York", ...].'
    )
    cooldown_seconds = models.PositiveIntegerField(
        default=30, help_text="Pause on an event after a basket of it ended."
    )
    beside_foreign = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Live only: buy also in events in which the account holds or rests contracts that are not Kalbot's.",
    )
    sending = models.CharField(
        max_length=16,
        choices=Sending,
        default=Sending.THINNEST,
        help_text="All at once is faster, but any of the legs may fail: the leg-risk budget must carry the worst of them.",
    )
    on_partial = models.CharField(max_length=20, choices=PartialPolicy, default=PartialPolicy.UNWIND)
    complete_seconds = models.PositiveIntegerField(
        default=10, help_text="How long a half-filled basket may be completed."
    )

    # Quoted baskets: legs that rest in the book
    quoting = models.CharField(
        max_length=8,
        choices=Quoting,
        default=Quoting.NONE,
        db_default=Quoting.NONE,
        help_text="What may rest in the book where taking every leg does not pay.",
    )
    quote_sides = models.CharField(
        max_length=4,
        choices=QuoteSides,
        default=QuoteSides.NO,
        db_default=QuoteSides.NO,
        help_text="On recorded prints NO earned a little under every fill model, YES lost under every one.",
    )
    quote_min_margin_ppm = models.PositiveIntegerField(
        default=30_000, db_default=30_000, help_text="Net margin of a basket whose quotes fill, in millionths."
    )
    quote_count = models.BigIntegerField(
        default=1_000, db_default=1_000, help_text="Baskets quoted in one event, 1/100 contract."
    )
    max_quotes = models.PositiveIntegerField(default=5, db_default=5, help_text="Quoted baskets at once.")
    orphan_budget = models.BigIntegerField(
        default=10 * DOLLAR,
        db_default=10 * DOLLAR,
        help_text="Most that contracts which filled without the rest of their basket may have cost in one event, micro-dollars.",
    )
    orphan_budget_day = models.BigIntegerField(
        default=50 * DOLLAR,
        db_default=50 * DOLLAR,
        help_text="The same for all quotes of a day of the profile's time zone, those that rested across midnight too; micro-dollars.",
    )
    orphans = models.CharField(max_length=4, choices=Orphans, default=Orphans.HOLD, db_default=Orphans.HOLD)
    quote_families = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Rest one leg of a family too, and take the others when it fills, whatever may rest of a single event.",
    )
    count_incentives = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Choose quotes as if the exchange's programmes for resting orders paid all that they may.",
    )
    quote_stop_seconds = models.PositiveIntegerField(
        default=21_600, db_default=21_600, help_text="Nothing rests in the last seconds before the event ends."
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

    @property
    def working(self) -> int:
        """What may be at work before profits: the capital with what was borrowed, less what was lent and swept, micro-dollars."""
        return self.capital + self.moved
