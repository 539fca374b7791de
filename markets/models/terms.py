"""What may be believed of a payoff: reviewed series, certificates, registered contract terms and their changes."""

from __future__ import annotations

from django.db import models

from markets.models.catalogue import Event, Series
from markets.terms.grades import Grade
from markets.terms.registry.entry import NoDataRule


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
        default="",
        db_default="",
    )
    titles = models.TextField(
        blank=True,
        help_text="A list of outcomes: the titles of event and markets, one a line. A title that says a word which neither these nor "
        "the rules have is of another event.",
        default="",
        db_default="",
    )
    different = models.TextField(
        blank=True,
        help_text="A list of outcomes: every two of them, one pair a line, with the reason why they are two things: "
        "name | other name | reason. Two names may mean one party, person or country; pairs that are not here get no certificate.",
        default="",
        db_default="",
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
        db_default=Grade.CONDITIONAL.value,
        help_text="The surest that a basket under it can be.",
    )
    states = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="The settlement states (markets.terms.states)."
    )
    one_must_win = models.BooleanField(
        default=False, db_default=False, help_text="No state lets every outcome resolve No."
    )
    residual = models.JSONField(
        default=list, db_default=[], blank=True, help_text="Sentences about what is at the exchange's discretion."
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
        default=1, db_default=1, help_text="Version of the reading rules; one of another version does not count."
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
    family_forms = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Primary rules with slots for a date, a strike or a side, of families that no reading is built in for.",
    )
    levels_before = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text='From which level the change of a decision counts, by day, in percent: "Dec 9, 2026: 3.75". Only where the terms fix it: '
        "a level that may still move before that day makes baskets lose that a family calls guaranteed.",
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
