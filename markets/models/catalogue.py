"""The exchange's catalogue: series, announced fee changes, events and their markets, and the scans that read them."""

from __future__ import annotations

from typing import Final

from django.db import models

FAMILY_PREFIX: Final = "FAMILY-"
"""How the ticker of a family begins; the exchange has no such series."""


class Series(models.Model):
    """A family of events: "highest temperature in New York". Carries the fee parameters."""

    ticker = models.CharField(max_length=64, primary_key=True)
    title = models.CharField(max_length=300, blank=True)
    category = models.CharField(max_length=64, blank=True, db_index=True)
    tags = models.JSONField(default=list, blank=True)
    frequency = models.CharField(max_length=32, blank=True)
    fee_type = models.CharField(max_length=64, blank=True)
    fee_multiplier_e6 = models.BigIntegerField(default=1_000_000)
    settlement_sources = models.JSONField(default=list, blank=True)
    contract_terms_url = models.CharField(
        max_length=300, blank=True, help_text="The document that controls settlement.", default="", db_default=""
    )
    exchange_index = models.IntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return self.ticker


class FeeChange(models.Model):
    """A fee change that the exchange has announced. It is in force from ``scheduled_at`` on, whatever the series' row still says."""

    change_id = models.CharField(max_length=64, primary_key=True)
    series = models.ForeignKey(Series, models.CASCADE, related_name="fee_changes", db_constraint=False)
    event_ticker = models.CharField(max_length=96, blank=True, db_index=True, help_text="Empty: the whole series.")
    fee_type = models.CharField(max_length=64, blank=True, help_text="Of an event: empty = its override is cleared.")
    fee_multiplier_e6 = models.BigIntegerField(null=True, blank=True)
    scheduled_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.event_ticker or self.series_id} {self.fee_type} from {self.scheduled_at:%Y-%m-%d %H:%M}"


class Scan(models.Model):
    """One pass over the whole catalogue, with its totals. Counts add up: events seen = written + unchanged + rejected."""

    class Status(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.RUNNING)
    pages = models.IntegerField(default=0)
    events = models.IntegerField(default=0)
    markets = models.IntegerField(default=0)
    combos_left_out = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0, help_text="Events or markets that the parse boundary refused.")
    events_written = models.IntegerField(default=0)
    markets_written = models.IntegerField(default=0)
    events_gone = models.IntegerField(default=0, help_text="Open before, absent now.")
    duration_ms = models.IntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        get_latest_by = "id"

    def __str__(self) -> str:
        return f"scan {self.pk} ({self.status})"


class Event(models.Model):
    """One question. ``mutually_exclusive`` says at most one outcome wins; it never says that one must."""

    ticker = models.CharField(max_length=96, primary_key=True)
    series = models.ForeignKey(Series, models.PROTECT, related_name="events")
    title = models.CharField(max_length=400, blank=True)
    sub_title = models.CharField(max_length=400, blank=True)
    category = models.CharField(max_length=64, blank=True, db_index=True)
    mutually_exclusive = models.BooleanField(default=False)
    collateral_return_type = models.CharField(max_length=32, blank=True)
    strike_period = models.CharField(max_length=64, blank=True)
    strike_date = models.DateTimeField(null=True, blank=True)
    settlement_sources = models.JSONField(default=list, blank=True)
    product_metadata = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="The exchange's own: competition, scope."
    )
    fee_type_override = models.CharField(max_length=64, blank=True)
    fee_multiplier_override_e6 = models.BigIntegerField(null=True, blank=True)
    exchange_index = models.IntegerField(default=0)
    market_count = models.IntegerField(default=0)
    close_time = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="Earliest close of its open markets."
    )
    volume = models.BigIntegerField(default=0, help_text="Sum over its markets, 1/100 contract.")
    open_interest = models.BigIntegerField(default=0, help_text="Sum over its markets, 1/100 contract.")
    is_open = models.BooleanField(default=True, db_index=True)
    is_family = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Not listed by the exchange: several events that one value settles, with the markets of all of them.",
    )
    content_hash = models.CharField(
        max_length=32, blank=True, help_text="Of everything written here; unchanged rows are not touched."
    )
    rules_hash = models.CharField(
        max_length=64, blank=True, help_text="Of rules, strikes, set of markets: a certificate is tied to it."
    )
    last_scan = models.ForeignKey(Scan, models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["is_open", "category"])]

    def __str__(self) -> str:
        return self.ticker


class FamilyMember(models.Model):
    """One event of a family (an event with ``is_family``), whose markets are markets of the family."""

    family = models.ForeignKey(Event, models.CASCADE, related_name="members")
    event = models.ForeignKey(Event, models.CASCADE, related_name="families")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["family", "event"], name="one_member_an_event_and_family")]

    def __str__(self) -> str:
        return f"{self.event_id} in {self.family_id}"


class RefusedFamily(models.Model):
    """Series whose events might be a family, and the clause that is missing. Written by the last scan."""

    series_tickers = models.CharField(max_length=400, unique=True, help_text="In alphabetical order.")
    code = models.CharField(max_length=40)
    sentence = models.TextField()
    groups = models.IntegerField(default=1, help_text="Groups of open events that it concerns.")
    example = models.CharField(max_length=400, blank=True, help_text="The events of one of them.")
    since = models.DateTimeField(help_text="Since when it is refused for this.")

    class Meta:
        ordering = ["series_tickers"]
        verbose_name_plural = "refused families"

    def __str__(self) -> str:
        return f"{self.series_tickers}: {self.code}"


class Market(models.Model):
    """One outcome of an event. The quote columns are REST's: up to 15 s old, for screening and display, never for orders."""

    ticker = models.CharField(max_length=128, primary_key=True)
    event = models.ForeignKey(Event, models.CASCADE, related_name="markets")
    status = models.CharField(
        max_length=24, db_index=True, help_text="The exchange's word: active, inactive, closed, determined, ..."
    )
    market_type = models.CharField(max_length=16, default="binary")
    yes_sub_title = models.CharField(max_length=300, blank=True)
    rules_primary = models.TextField(blank=True)
    rules_secondary = models.TextField(blank=True)
    other_texts = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Title, name of the NO side, condition of an early close and the like, where the exchange gives them.",
    )
    strike_type = models.CharField(max_length=32, blank=True)
    floor_strike = models.CharField(max_length=32, blank=True, help_text="Decimal string, exact.")
    cap_strike = models.CharField(max_length=32, blank=True, help_text="Decimal string, exact.")
    custom_strike = models.JSONField(default=dict, blank=True)
    open_time = models.DateTimeField(null=True, blank=True)
    close_time = models.DateTimeField(null=True, blank=True)
    expected_expiration_time = models.DateTimeField(null=True, blank=True)
    latest_expiration_time = models.DateTimeField(null=True, blank=True)
    settlement_timer_seconds = models.IntegerField(default=0)
    can_close_early = models.BooleanField(default=False)
    is_provisional = models.BooleanField(default=False)
    notional_e6 = models.BigIntegerField(default=1_000_000)
    price_level_structure = models.CharField(max_length=64, blank=True)
    price_bands = models.JSONField(default=list, blank=True, help_text="[[start, end, step], ...] in 1/10,000 dollar.")
    settlement_bounds = models.CharField(
        max_length=16, blank=True, help_text="default, floor, or a word we do not know."
    )
    exchange_index = models.IntegerField(default=0)
    yes_bid = models.IntegerField(null=True, blank=True, help_text="1/10,000 dollar; empty = no bid.")
    yes_bid_size = models.BigIntegerField(default=0, help_text="1/100 contract.")
    yes_ask = models.IntegerField(null=True, blank=True, help_text="1/10,000 dollar; empty = no ask.")
    yes_ask_size = models.BigIntegerField(default=0, help_text="1/100 contract.")
    last_price = models.IntegerField(null=True, blank=True)
    volume = models.BigIntegerField(default=0)
    volume_24h = models.BigIntegerField(default=0)
    open_interest = models.BigIntegerField(default=0)
    result = models.CharField(max_length=16, blank=True, help_text="yes, no, scalar or empty.")
    settlement_value_e6 = models.BigIntegerField(
        null=True, blank=True, help_text="What YES paid, micro-dollars a contract."
    )
    expiration_value = models.CharField(
        max_length=200,
        blank=True,
        help_text="The measured value that the exchange settled on, in its own words; empty = not published.",
        default="",
        db_default="",
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    content_hash = models.CharField(max_length=32, blank=True)
    last_scan = models.ForeignKey(Scan, models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.ticker
