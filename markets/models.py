"""What the exchange offers, as rows: catalogue, scans, certificates, and the durable inbox of the stream.

Units are in the names: ``_e6`` is a millionth, prices are 1/10,000 dollar, counts 1/100 contract (see kalbot.common.units).
"""

from __future__ import annotations

import uuid

from django.db import models

from markets.terms.grades import Grade
from markets.terms.registry.entry import NoDataRule


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
        max_length=300, blank=True, help_text="The document that controls settlement."
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
    product_metadata = models.JSONField(default=dict, blank=True, help_text="The exchange's own: competition, scope.")
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
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    content_hash = models.CharField(max_length=32, blank=True)
    last_scan = models.ForeignKey(Scan, models.SET_NULL, null=True, blank=True, related_name="+", db_constraint=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.ticker


class ReviewedSeries(models.Model):
    """A person's word that in this series one of the listed outcomes must win (say, a game that cannot be tied)."""

    class Shape(models.TextChoices):
        TWO_WAY = "two_way", "two sides of a game"
        EXHAUSTIVE = "exhaustive", "a list of outcomes that leaves none out"

    series = models.OneToOneField(Series, models.CASCADE, related_name="review")
    shape = models.CharField(max_length=12, choices=Shape, default=Shape.EXHAUSTIVE)
    tie_impossible = models.BooleanField(
        default=False, help_text="Two sides only: a game of this series cannot end level."
    )
    outcome_names = models.JSONField(
        default=list,
        help_text="The outcomes by name that the review is for; another name is another event. Two sides: every side that may play.",
    )
    rule = models.TextField(
        blank=True,
        help_text="A list of outcomes: the primary rule of each, with {outcome} for its name and {date} for any date in it. "
        'Where the rules differ: one line for each outcome, "name: rule".',
    )
    titles = models.TextField(
        blank=True,
        help_text="A list of outcomes: the titles of event and markets, one a line. A title that says a word which neither these nor "
        "the rules have is of another event.",
    )
    reason = models.TextField(help_text="Why one of them must win; quote the rules.")
    reviewed_by = models.CharField(max_length=150)
    reviewed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "reviewed series"

    def __str__(self) -> str:
        return f"{self.series_id} reviewed"


class Certificate(models.Model):
    """The reason to believe that one of the listed outcomes must win. Void as soon as ``rules_hash`` differs from the event's."""

    class Status(models.TextChoices):
        GRANTED = "granted"
        REFUSED = "refused"
        VOID = "void"
        REVOKED = "revoked"

    event = models.ForeignKey(Event, models.CASCADE, related_name="certificates")
    version = models.IntegerField(default=1)
    status = models.CharField(max_length=8, choices=Status, db_index=True)
    kind = models.CharField(max_length=16, blank=True, help_text="tiling, game, reviewed, exclusive or person.")
    grade = models.CharField(
        max_length=16,
        choices=[(grade.value, grade.label) for grade in Grade],
        default=Grade.CONDITIONAL.value,
        help_text="The surest that a basket under it can be.",
    )
    states = models.JSONField(default=dict, blank=True, help_text="The settlement states (markets.terms.states).")
    one_must_win = models.BooleanField(default=False, help_text="No state lets every outcome resolve No.")
    residual = models.JSONField(
        default=list, blank=True, help_text="Sentences about what is at the exchange's discretion."
    )
    terms = models.ForeignKey(
        "ContractTerms",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="certificates",
        help_text="What it rests on.",
    )
    reading = models.IntegerField(
        default=1, help_text="Version of the reading rules; one of another version does not count."
    )
    evidence = models.JSONField(default=list, blank=True)
    reason = models.TextField(blank=True, help_text="Why refused, voided, revoked, or granted by a person.")
    rules_hash = models.CharField(max_length=64)
    actor = models.CharField(max_length=150, default="kalbot")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event"],
                condition=models.Q(status__in=["granted", "refused", "revoked"]),
                name="one_current_certificate",
            ),
            models.UniqueConstraint(fields=["event", "version"], name="certificate_version"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} v{self.version} {self.status}"


class TapeGap(models.Model):
    """A time in which the tape was not written: what is missing is known before anybody replays it."""

    writer = models.CharField(max_length=120)
    began_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it is not being written now.")
    reason = models.CharField(max_length=300)
    dropped = models.BigIntegerField(default=0, help_text="Records lost by this writer so far.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.writer}: {self.reason}"


class ExchangeSchedule(models.Model):
    """One version of the exchange's announced trading hours and maintenance, as first read."""

    version = models.CharField(max_length=12, unique=True)
    body = models.JSONField()
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.version


class ContractTerms(models.Model):
    """One version of what is registered about a contract terms document. Never edited once decided: a change is a new version.

    A proposal only adds settlement states. Approved, and matching the document that the exchange serves, it makes *guaranteed* possible.
    """

    class Exchange(models.TextChoices):
        KALSHI = "kalshi", "Kalshi"
        SIMULATOR = "simulator", "the simulator, and no other exchange"

    class Status(models.TextChoices):
        PROPOSED = "proposed"
        APPROVED = "approved"
        DEMOTED = "demoted"
        REPLACED = "replaced"

    exchange = models.CharField(max_length=12, choices=Exchange)
    url = models.CharField(max_length=300, help_text="Address of the document; of the simulator's: the path alone.")
    series_tickers = models.JSONField(
        default=list, blank=True, help_text="Series that it controls; empty = any with this address."
    )
    version = models.IntegerField(default=1)
    status = models.CharField(max_length=10, choices=Status, default=Status.PROPOSED, db_index=True)
    title = models.CharField(max_length=200, blank=True)
    published_sha256 = models.CharField(max_length=64, blank=True, help_text="As far as others published it.")
    approved_sha256 = models.CharField(max_length=64, blank=True, help_text="Of the document that a person approved.")
    no_data = models.CharField(
        max_length=16,
        choices=[(rule.value, rule.value.replace("_", " ")) for rule in NoDataRule],
        default=NoDataRule.UNKNOWN.value,
    )
    between_inclusive = models.BooleanField(default=True, help_text='"between" takes both of its ends.')
    unit = models.CharField(
        max_length=16, blank=True, help_text="Precision of the value as a decimal; empty = not stated."
    )
    common_determination = models.TextField(
        blank=True, help_text="The clause by which one value at one instant settles all of its markets; empty = none."
    )
    must_contain = models.JSONField(default=list, blank=True, help_text="Phrases that every live rules text must have.")
    must_not_contain = models.JSONField(default=list, blank=True, help_text="Phrases that no live rules text may have.")
    about = models.TextField(blank=True, help_text="Where the entry comes from: filings, dates, reviewers.")
    note = models.TextField(blank=True, help_text="Of the person who approved or changed it.")
    actor = models.CharField(max_length=150, default="kalbot")
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True, help_text="Approved, demoted or replaced.")
    fetched_sha256 = models.CharField(max_length=64, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)
    fetch_error = models.CharField(max_length=300, blank=True)
    unreachable_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "contract terms"
        constraints = [
            models.UniqueConstraint(fields=["exchange", "url", "version"], name="one_terms_version"),
            models.UniqueConstraint(
                fields=["exchange", "url"], condition=models.Q(status="approved"), name="one_approved_terms_a_document"
            ),
            models.CheckConstraint(
                condition=~models.Q(status="approved") | models.Q(approved_sha256__regex=r"^[0-9a-f]{64}$"),
                name="approved_terms_have_a_full_hash",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.url.rsplit('/', 1)[-1]} v{self.version} {self.status}"


class TermsChange(models.Model):
    """Something that happened to registered terms: who approved, what changed and was demoted. Append only."""

    class Kind(models.TextChoices):
        APPROVED = "approved"
        URL_CHANGED = "url_changed", "the series has another document"
        HASH_CHANGED = "hash_changed", "the document changed"
        TEXT_CHANGED = "text_changed", "the rules contradict the terms"
        UNREACHABLE = "unreachable", "the document cannot be fetched"
        REACHABLE = "reachable", "the document can be fetched again"
        WITHDRAWN = "withdrawn"

    DEMOTIONS = (Kind.URL_CHANGED, Kind.HASH_CHANGED, Kind.TEXT_CHANGED, Kind.UNREACHABLE, Kind.WITHDRAWN)

    terms = models.ForeignKey(ContractTerms, models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=12, choices=Kind, db_index=True)
    series_ticker = models.CharField(max_length=64, blank=True)
    detail = models.TextField(blank=True)
    actor = models.CharField(max_length=150, default="kalbot")
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.terms_id} {self.kind}"


class Watch(models.Model):
    """An event on the watchlist: the stream must keep its full order books (``markets.watchlist``)."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="watches", db_constraint=False)
    source = models.CharField(
        max_length=80, help_text='Who needs it: "candidate:<profile>", "position:<id>", "near:<profile>".'
    )
    priority = models.IntegerField(default=0, help_text="Higher comes first when the stream's limit is reached.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "source"], name="one_watch_a_source")]
        verbose_name_plural = "watches"

    def __str__(self) -> str:
        return f"{self.event_id} for {self.source}"


class Installation(models.Model):
    """Which exchange this database is about (``markets.identity``): one row."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="Names this database in Redis.")
    environment = models.CharField(max_length=32)
    rest_host = models.CharField(max_length=255)
    ws_host = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_installation")]

    def __str__(self) -> str:
        return f"{self.environment} on {self.rest_host}"


class ExchangeMessage(models.Model):
    """A fill, order update or lifecycle message of the WebSocket, stored once until it has been applied."""

    class Kind(models.TextChoices):
        FILL = "fill"
        USER_ORDER = "user_order"
        LIFECYCLE = "lifecycle"
        EVENT_LIFECYCLE = "event_lifecycle"
        FEE_UPDATE = "fee_update"

    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(
        max_length=200, unique=True, help_text="What makes the message the same one when it comes twice."
    )
    market_ticker = models.CharField(max_length=128, blank=True, db_index=True)
    payload = models.JSONField()
    epoch = models.CharField(max_length=40, blank=True)
    exchange_ms = models.BigIntegerField(default=0)
    received_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True, db_index=True)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["applied_at", "id"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
