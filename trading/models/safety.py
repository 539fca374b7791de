"""What may stop trading, and what the exchange said when our books were compared with its.

Money is micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from strategies.models import Mode, Profile


class TradingState(models.Model):
    """ACTIVE, REDUCING (exits only) or HALTED; global (``profile`` empty) and per profile. Absent or unreadable = HALTED."""

    class State(models.TextChoices):
        ACTIVE = "active"
        REDUCING = "reducing"
        HALTED = "halted"

    profile = models.OneToOneField(Profile, models.CASCADE, null=True, blank=True, related_name="trading_state")
    scope = models.CharField(max_length=60, unique=True, help_text='"global" or "profile:<id>".')
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=150, default="kalbot")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.scope}: {self.state}"


class Lock(models.Model):
    """A time-boxed stop on new baskets, with its reason. It ends by its time, by a person, or, where the machine set it, with its
    cause; then ``until`` is that moment and ``end_note`` says why."""

    MACHINE: ClassVar[str] = "kalbot"

    class Code(models.TextChoices):
        UNWOUND_BASKETS = "unwound_baskets", "too many baskets were unwound"
        FAILED_BASKETS = "failed_baskets", "nothing was bought of too many baskets"
        LOSS_STREAK = "loss_streak", "one loss after another"
        REJECT_STORM = "reject_storm", "the exchange rejects order after order"
        RESIDUAL = "residual", "contracts could not be sold"
        DIFFERENCE = "difference", "the books differ from the exchange's"
        FEED_GAP = "feed_gap", "the price feed reconnected"

    profile = models.ForeignKey(
        Profile, models.CASCADE, null=True, blank=True, related_name="locks", help_text="Empty = all profiles."
    )
    code = models.CharField(max_length=40, choices=Code)
    reason = models.CharField(max_length=300)
    until = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150, default=MACHINE, db_default=MACHINE, help_text="Who set it.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text="When it ended before its time; empty = it did not."
    )
    end_note = models.CharField(
        max_length=300, blank=True, help_text="What or who ended it before its time.", default="", db_default=""
    )

    def __str__(self) -> str:
        return f"{self.code} until {self.until:%H:%M:%S} UTC"


class Reconciliation(models.Model):
    """One comparison of our books with the exchange's, over the union of ids."""

    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    mode = models.CharField(max_length=4, choices=Mode)
    trigger = models.CharField(max_length=24)
    orders = models.IntegerField(default=0)
    fills = models.IntegerField(default=0)
    positions = models.IntegerField(default=0)
    repaired = models.IntegerField(default=0)
    differences = models.IntegerField(default=0)
    balance_difference = models.BigIntegerField(
        null=True, blank=True, help_text="Exchange cash less ours, micro-dollars."
    )
    error = models.TextField(blank=True)
    waits_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the oldest trade of somebody else happened that could not be booked yet: the next comparison lists from there.",
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"reconciliation #{self.pk}"


class Discrepancy(models.Model):
    """A difference between us and the exchange that nothing explains."""

    class Code(models.TextChoices):
        REJECTED_ORDER_FILLED = "rejected_order_filled", "an order that we hold for rejected has filled"
        FILL_IMPOSSIBLE = "fill_impossible", "the exchange lists a fill that contradicts our rows"
        FILL_MISSING = "fill_missing", "the exchange does not list a fill that we booked"
        COLLATERAL = "collateral", "collateral is not returned as any reading of it predicts"
        NETTING_ON = "netting_on", "collateral return is not as it is set here"
        POSITION = "position", "a market's contracts differ"
        CASH = "cash", "the cash differs"
        LEDGER = "ledger", "a running total differs from the sum of its entries"
        LEDGER_POSITIONS = "ledger_positions", "ledger and positions differ"
        LEG_FILLS = "leg_fills", "a leg differs from the sum of its fills"
        FOREIGN_ORDER = "foreign_order", "an order on our account is not ours"
        UNREADABLE = "unreadable", "a record of the exchange cannot be read"
        FILLS_UNLISTED = "fills_unlisted", "fills that the exchange reported were not listed in time"
        ORDER_UNRESOLVED = "order_unresolved", "what became of an order is not known for too long"
        POSITION_WAITING = "position_waiting", "a position at work has waited for too long"
        EXIT_WAITING = "exit_waiting", "an exit has waited for its prices for too long"
        LATE_FILL = "late_fill", "a fill came after its order had been answered"
        LEGS_ALONE = "legs_alone", "contracts left the account, and other legs are without their basket"
        ENDED_HOLDS = "ended_holds", "a position that has ended holds contracts"
        LOST_BASKET = "lost_basket", "orders with our ids have no rows"
        SETTLEMENT_COUNT = "settlement_count", "contracts settled differ from the exchange's record"
        SETTLEMENT_REVENUE = "settlement_revenue", "the payout differs from the exchange's record"
        SETTLEMENT_WAITING = "settlement_waiting", "a market has ended, and what it paid cannot be booked"
        RESULT_WAITING = "result_waiting", "a market that is held should have ended long ago"

    reconciliation = models.ForeignKey(Reconciliation, models.CASCADE, null=True, related_name="discrepancies")
    profile = models.ForeignKey(Profile, models.CASCADE, null=True, blank=True, related_name="discrepancies")
    subaccount = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Of the exchange; empty = the whole account, or none."
    )
    mode = models.CharField(max_length=4, choices=Mode)
    code = models.CharField(max_length=40, choices=Code)
    key = models.CharField(max_length=160, help_text="What it is about; one open row a key.")
    ours = models.CharField(max_length=120, blank=True)
    theirs = models.CharField(max_length=120, blank=True)
    amount = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Theirs less ours: micro-dollars of money, 1/100 of contracts. A change rings again.",
    )
    accepted = models.BooleanField(
        default=False, help_text="A person knows of it as it is: it is not named again until it changes."
    )
    first_seen_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(auto_now=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code", "key"], condition=Q(resolved_at=None), name="one_open_discrepancy_a_key"
            )
        ]
        verbose_name_plural = "discrepancies"

    def __str__(self) -> str:
        return f"{self.get_code_display()}: {self.key}"
