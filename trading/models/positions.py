"""Positions: what a profile holds, its legs, what happened to it, and requests to exit it.

Money is micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

from typing import Final

from django.db import models
from django.db.models import Q

from markets.models import Event, Market
from markets.terms.grades import Grade
from strategies.models import Decision, Kind, Mode, Profile
from trading.denials import SENTENCES

DENIAL_CHOICES: Final = [(code.value, sentence) for code, sentence in SENTENCES.items()]


class PositionStatus(models.TextChoices):
    PENDING = "pending"
    QUOTING = "quoting"
    EXECUTING = "executing"
    COMPLETING = "completing"
    OPEN = "open"
    UNWINDING = "unwinding"
    ABORTED = "aborted"
    EXITING = "exiting"
    CLOSED = "closed"
    SETTLED = "settled"


ACTIVE: Final = (
    PositionStatus.PENDING,
    PositionStatus.QUOTING,
    PositionStatus.EXECUTING,
    PositionStatus.COMPLETING,
    PositionStatus.OPEN,
    PositionStatus.UNWINDING,
    PositionStatus.EXITING,
)
WORKING: Final = tuple(status for status in ACTIVE if status != PositionStatus.OPEN)
TERMINAL: Final = (PositionStatus.ABORTED, PositionStatus.CLOSED, PositionStatus.SETTLED)


class CloseType(models.TextChoices):
    """How a position ended."""

    NOT_BOUGHT = "not_bought", "nothing was bought"
    UNWOUND = "unwound"
    EXITED = "exit", "exited"
    SETTLED = "settled"


class Position(models.Model):
    """A basket that a profile holds."""

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="positions")
    mode = models.CharField(max_length=4, choices=Mode)
    decision = models.OneToOneField(Decision, models.PROTECT, related_name="position")
    event = models.ForeignKey(Event, models.PROTECT, related_name="positions")
    kind = models.CharField(max_length=8, choices=Kind)
    status = models.CharField(max_length=10, choices=PositionStatus, default=PositionStatus.PENDING, db_index=True)
    target_count = models.BigIntegerField(help_text="Baskets wanted, 1/100 contract.")
    matched_count = models.BigIntegerField(default=0, help_text="Whole baskets held: the least filled leg.")
    reserved = models.BigIntegerField(default=0, help_text="Capital set aside and not yet spent, micro-dollars.")
    cost = models.BigIntegerField(default=0, help_text="Paid for what is held, fees included.")
    fees = models.BigIntegerField(default=0, help_text="All fees paid so far.")
    proceeds = models.BigIntegerField(default=0, help_text="Received from sales, fees deducted.")
    payout = models.BigIntegerField(default=0, help_text="Received at settlement.")
    realised = models.BigIntegerField(default=0, help_text="Profit booked so far.")
    collateral = models.JSONField(
        null=True,
        blank=True,
        help_text="The reading of the exchange's collateral return under which it was opened; empty = off.",
    )
    returned = models.BigIntegerField(
        default=0, help_text="What collateral return has credited for what is held, micro-dollars."
    )
    floor = models.BigIntegerField(
        default=0, help_text="Least payout of what is held, over every state that is still possible; micro-dollars."
    )
    guaranteed = models.BooleanField(
        default=False, help_text="Whether what is held pays more than it cost in every listed state."
    )
    grade = models.CharField(
        max_length=16,
        choices=[(grade.value, grade.label) for grade in Grade],
        default=Grade.CONDITIONAL,
        help_text="As of opening: the best that the evidence allows.",
    )
    revoked = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A person revoked the certificate it was opened on: conditional from then on, whatever its grade was.",
    )
    states = models.JSONField(
        default=list, blank=True, help_text="As of opening: the list of settlement states of each event of the basket."
    )
    rules_hash = models.CharField(max_length=64, blank=True, help_text="Of the rules as of opening.")
    registry_hash = models.CharField(max_length=64, blank=True, help_text="Of the registered terms as of opening.")
    sends_together = models.BooleanField(
        default=False, help_text="All legs in one request, as the plan found affordable; else the thinnest first."
    )
    quoting = models.CharField(
        default="",
        db_default="",
        max_length=8,
        blank=True,
        help_text="How its legs rest: one_leg, several or all_legs; empty where all are taken.",
    )
    quote_band = models.CharField(
        default="",
        db_default="",
        max_length=12,
        blank=True,
        help_text="Spread a leg and time to the end of quoting when it was decided, by which its fills are counted; empty: not quoted.",
    )
    order_group = models.CharField(
        default="",
        db_default="",
        max_length=64,
        blank=True,
        help_text="The exchange's order group of its quotes, which cancels them all once so much has filled; empty where there is none.",
    )
    orphan_limit = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Most that contracts beyond whole baskets may have cost while quotes rest, micro-dollars; afterwards what they did.",
    )
    quote_withdrawn = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="Who withdrew its quotes for good, and why; empty while they may rest.",
    )
    triage_opt_out = models.BooleanField(default=False, help_text="Triage may advise but never exit this one.")
    close_type = models.CharField(max_length=10, choices=CloseType, blank=True, help_text="How it ended.")
    close_code = models.CharField(
        max_length=80, blank=True, help_text="Why nothing was bought: a denial code, or the exchange's own."
    )
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="When the sweeper steps it next."
    )
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="Until when a half-filled basket may be completed."
    )
    attempts = models.PositiveIntegerField(
        default=0, help_text="Tries of the present phase in which an order was sent; waiting is not a try."
    )
    waits = models.PositiveIntegerField(default=0, db_default=0, help_text="Times in a row that nothing could be sent.")
    residual = models.CharField(
        max_length=300, blank=True, help_text="Why contracts beyond the matched baskets are still held."
    )
    residual_code = models.CharField(
        max_length=40, choices=DENIAL_CHOICES, blank=True, help_text="The denial code of the residual."
    )
    trace = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="When each stage of the purchase was reached, Unix microseconds.",
    )
    lease_token = models.CharField(max_length=32, blank=True, help_text="The one worker that may act on it now.")
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "event"],
                condition=Q(status__in=ACTIVE),
                name="one_active_position_a_profile_and_event",
            ),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="position_reserved_not_negative"),
            models.CheckConstraint(condition=Q(status__in=[*ACTIVE, *TERMINAL]), name="position_status_known"),
        ]
        indexes = [
            models.Index(fields=["status"], condition=~Q(order_group=""), name="positions_with_an_order_group"),
            models.Index(fields=["profile", "event"], name="positions_of_profile_and_event"),
            models.Index(fields=["profile", "status"], name="positions_of_profile_by_status"),
            models.Index(fields=["profile", "created_at"], name="positions_of_profile_by_time"),
            models.Index(fields=["profile", "ended_at"], name="positions_of_profile_by_end"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.kind.replace('_', ' ')} {self.event_id}"


class LiveEventClaim(models.Model):
    """In live mode two profiles on one account may not hold the same event: their contracts would net each other out. A basket across
    the events of a family claims each of them."""

    event = models.ForeignKey(Event, models.PROTECT, related_name="+")
    subaccount = models.PositiveSmallIntegerField(default=0)
    position = models.ForeignKey(Position, models.CASCADE, related_name="claims")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "subaccount"], name="one_live_position_an_event_and_subaccount")
        ]

    def __str__(self) -> str:
        return f"{self.event_id}"


class Leg(models.Model):
    """One (market, side) of a position, with what was bought and what became of it."""

    position = models.ForeignKey(Position, models.CASCADE, related_name="legs")
    market = models.ForeignKey(Market, models.PROTECT, related_name="legs")
    side = models.CharField(max_length=3, choices=[("yes", "YES"), ("no", "NO")])
    sequence = models.PositiveSmallIntegerField(default=0, help_text="Order in which the legs are bought.")
    target_count = models.BigIntegerField()
    limit_price = models.IntegerField(help_text="Of this side, 1/10,000 dollar.")
    bought_count = models.BigIntegerField(default=0)
    bought_cost = models.BigIntegerField(default=0, help_text="Price and fees.")
    fees = models.BigIntegerField(default=0)
    open_cost = models.BigIntegerField(default=0, help_text="Price and fees of what is still held.")
    open_fees = models.BigIntegerField(default=0, help_text="Fees in open_cost.")
    sold_count = models.BigIntegerField(default=0)
    sold_proceeds = models.BigIntegerField(default=0, help_text="Price less fees.")
    settled_count = models.BigIntegerField(default=0)
    payout = models.BigIntegerField(default=0)

    seen: str = ""
    """The version of its book that its next purchase was checked on. Not stored: the order keeps it."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["position", "market", "side"], name="one_leg_a_market_and_side"),
            models.CheckConstraint(
                condition=Q(bought_count__gte=models.F("sold_count") + models.F("settled_count")),
                name="never_sold_more_than_bought",
            ),
            models.CheckConstraint(
                condition=Q(open_cost__gte=models.F("open_fees"), open_fees__gte=0), name="leg_cost_holds_its_fees"
            ),
        ]
        ordering = ["position_id", "sequence", "id"]

    @property
    def held(self) -> int:
        """Contracts still held, 1/100 contract."""
        return self.bought_count - self.sold_count - self.settled_count

    def __str__(self) -> str:
        return f"{self.side.upper()} {self.market_id}"


class PositionEvent(models.Model):
    """What happened to a position, when, by whom and why."""

    position = models.ForeignKey(Position, models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    from_status = models.CharField(max_length=10, blank=True)
    to_status = models.CharField(max_length=10, blank=True)
    actor = models.CharField(max_length=150, default="kalbot")
    reason = models.CharField(max_length=300, blank=True)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"position #{self.position_id}: {self.reason}"[:100]


class Denial(models.Model):
    """Why a decision was not carried out."""

    decision = models.OneToOneField(Decision, models.PROTECT, related_name="denial")
    code = models.CharField(max_length=40, choices=DENIAL_CHOICES, db_index=True)
    detail = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.code
