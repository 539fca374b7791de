"""The ledger: transactions, their entries, the running totals, and settlements.

Money is micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

from typing import Final

from django.db import models
from django.db.models import Q

from kalbot.common.units import dollars
from strategies.models import Mode, Profile
from trading.models.orders import Fill
from trading.models.positions import Leg, Position


class Account(models.TextChoices):
    """The accounts of each profile. Debit (what the profile has or spent) positive, credit negative; each transaction sums to zero."""

    CAPITAL = "capital"
    CASH = "cash"
    RESERVED = "reserved"
    POSITION_COST = "position_cost"
    FEES = "fees"
    REALISED = "realised"
    RETURNED = "returned"


class CapitalChange(models.Model):
    """What a profile works with grew or shrank: a person changed its capital, profits were swept, or money was lent (one row of each
    profile)."""

    class Kind(models.TextChoices):
        CAPITAL = "capital", "capital set by a person"
        SWEEP = "sweep", "profits taken out"
        POOL = "pool", "lent or borrowed, or given back"

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="capital_changes")
    amount = models.BigIntegerField(help_text="Micro-dollars; negative for a withdrawal.")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.CAPITAL, db_default=Kind.CAPITAL.value)
    other = models.ForeignKey(
        Profile, models.PROTECT, null=True, blank=True, related_name="+", help_text="Of a loan: the other side."
    )
    actor = models.CharField(max_length=150)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.profile_id}: {dollars(self.amount)}"


REALISES: Final = Q(realised__lt=0) | Q(realised__gt=0) | Q(realised__isnull=True)
"""Transactions that realise something, or may."""


class LedgerTransaction(models.Model):
    """One booking. ``key`` makes it the same one when it is tried twice.

    It leads to what it books: a fill, a settlement (or its reversal), a correction, a change of capital, or, for reserves and
    returned collateral, the position. The database balances the entries, compares ``cash_moved`` and ``realised`` with them, and
    keeps the rows for ever (``safety.ledger_guard``).
    """

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="ledger_transactions")
    mode = models.CharField(max_length=4, choices=Mode)
    position = models.ForeignKey(Position, models.PROTECT, null=True, blank=True, related_name="ledger_transactions")
    kind = models.CharField(
        max_length=24, help_text="deposit, reserve, release, fill, settlement, reversal, correction or collateral."
    )
    key = models.CharField(max_length=160, unique=True)
    fill = models.ForeignKey(Fill, models.PROTECT, null=True, blank=True, related_name="ledger_transactions")
    settlement = models.ForeignKey(
        "Settlement", models.PROTECT, null=True, blank=True, related_name="ledger_transactions"
    )
    correction = models.ForeignKey(
        "Correction", models.PROTECT, null=True, blank=True, related_name="ledger_transactions"
    )
    capital_change = models.ForeignKey(
        CapitalChange, models.PROTECT, null=True, blank=True, related_name="ledger_transactions"
    )
    memo = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    cash_moved = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="What the entries move in cash, free or set aside. Old rows have the entries only.",
    )
    realised = models.BigIntegerField(
        null=True, blank=True, help_text="What the entries realise. Old rows have the entries only."
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="fill", fill__isnull=False)
                | Q(kind__in=["settlement", "reversal"], settlement__isnull=False)
                | Q(kind="correction", correction__isnull=False)
                | Q(kind="deposit", capital_change__isnull=False)
                | Q(kind__in=["reserve", "release", "collateral"], position__isnull=False),
                name="ledger_transaction_has_a_source",
            )
        ]
        indexes = [
            models.Index(fields=["profile", "at"], name="transactions_of_a_profile"),
            models.Index(fields=["profile", "at"], condition=REALISES, name="results_of_a_profile"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class LedgerEntry(models.Model):
    """One line of a booking, micro-dollars."""

    transaction = models.ForeignKey(LedgerTransaction, models.PROTECT, related_name="entries")
    account = models.CharField(max_length=16, choices=Account)
    amount = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["account"])]
        verbose_name_plural = "ledger entries"

    def __str__(self) -> str:
        return f"{self.account} {dollars(self.amount)}"


class ProfileBalance(models.Model):
    """The sums of a profile's ledger entries, kept in the same transaction as the entries themselves.

    A running total so that capital is reserved by one conditional UPDATE; ``audit.totals`` compares it with the entries.
    """

    profile = models.OneToOneField(Profile, models.PROTECT, related_name="balance")
    mode = models.CharField(max_length=4, choices=Mode)
    capital = models.BigIntegerField(default=0)
    cash = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    position_cost = models.BigIntegerField(default=0)
    fees = models.BigIntegerField(default=0)
    realised = models.BigIntegerField(default=0)
    returned = models.BigIntegerField(default=0, db_default=0)
    best_equity = models.BigIntegerField(
        default=0, help_text="Highest realised result so far; the drawdown is measured from it."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(reserved__gte=0), name="balance_reserved_not_negative"),
            models.CheckConstraint(condition=Q(position_cost__gte=0, fees__gte=0), name="balance_cost_not_negative"),
            models.CheckConstraint(
                condition=Q(
                    capital=-models.F("cash")
                    - models.F("reserved")
                    - models.F("position_cost")
                    - models.F("fees")
                    - models.F("realised")
                    - models.F("returned")
                ),
                name="balance_sums_to_zero",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id}: {dollars(self.cash)} of cash"


class Settlement(models.Model):
    """The payout of contracts of a leg when its market was final. An amended result reverses the row by entries and adds the next
    version; contracts that come to light later are a further version beside it."""

    leg = models.ForeignKey(Leg, models.PROTECT, related_name="settlements")
    mode = models.CharField(max_length=4, choices=Mode)
    version = models.PositiveSmallIntegerField(default=1)
    result = models.CharField(max_length=16, help_text="yes, no, scalar or void.")
    value_e6 = models.BigIntegerField(help_text="What YES paid, micro-dollars a contract.")
    count = models.BigIntegerField()
    payout = models.BigIntegerField(help_text="Credited, micro-dollars.")
    cost = models.BigIntegerField(help_text="Cost of what was settled, fees included.")
    fees = models.BigIntegerField(help_text="Fees in cost.")
    reversed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["leg", "version"], name="settlement_version"),
            models.CheckConstraint(condition=Q(count__gt=0), name="settlement_count_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.result} for leg #{self.leg_id}, version {self.version}"


class Correction(models.Model):
    """Contracts of a leg that left the account and that no order of ours sold: somebody else sold them, or a person says so."""

    leg = models.ForeignKey(Leg, models.PROTECT, related_name="corrections")
    mode = models.CharField(max_length=4, choices=Mode)
    key = models.CharField(max_length=160, unique=True, help_text="The exchange's id of what happened: booked once.")
    count = models.BigIntegerField(help_text="Contracts fewer, 1/100.")
    proceeds = models.BigIntegerField(help_text="Received for them, fees deducted, micro-dollars.")
    fees = models.BigIntegerField(default=0)
    cost = models.BigIntegerField(help_text="What they had cost, fees included.")
    evidence = models.JSONField(default=dict, blank=True)
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(count__gt=0), name="correction_count_positive")]

    def __str__(self) -> str:
        return f"correction of leg #{self.leg_id}"
