"""The account on the exchange, and what happens on it beside us: somebody else's orders and trades, deposits, withdrawals.

Money is micro-dollars, counts 1/100 contract, prices 1/10,000 dollar. Live only.
"""

from __future__ import annotations

from django.db import models


class ExchangeAccount(models.Model):
    """The exchange's cash as reconciliation last saw it, per subaccount (0 = primary)."""

    class Collateral(models.TextChoices):
        OFF = "off", "off: every leg costs its price"
        LEARNING = "learning", "learning: one smallest basket, leg by leg, compared with the balance"
        ON = "on", "on: the model is trusted"

    subaccount = models.PositiveSmallIntegerField(unique=True, default=0)
    opening = models.BigIntegerField(
        help_text="Balance before our first trade, moved along by the account's own transactions, micro-dollars."
    )
    balance = models.BigIntegerField(help_text="Available cash by the exchange's word, micro-dollars.")
    shards = models.JSONField(default=dict, blank=True, help_text='{"0": micro-dollars, ...}')
    opening_shards = models.JSONField(
        default=dict,
        blank=True,
        help_text="The opening balance by shard, moved along when cash was moved between shards.",
    )
    foreign = models.JSONField(
        default=dict, blank=True, help_text="Contracts on the account that are not ours: {ticker: signed count}."
    )
    collateral = models.CharField(
        max_length=8,
        choices=Collateral,
        default=Collateral.OFF,
        db_default=Collateral.OFF,
        help_text="How collateral return is used here.",
    )
    collateral_reading = models.JSONField(
        default=dict, db_default={}, blank=True, help_text="The undocumented choices as they are counted with."
    )
    collateral_evidence = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="What was bought while learning, and the cash that the exchange showed.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    difference = models.BigIntegerField(
        null=True, blank=True, help_text="Exchange less ours at the last comparison that could be made."
    )
    seen_at = models.DateTimeField()
    compared_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"subaccount {self.subaccount}"


class ShardCash(models.Model):
    """The row that whoever promises cash of one subaccount's shard holds locked while it is counted."""

    subaccount = models.PositiveSmallIntegerField(default=0)
    shard = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subaccount", "shard"], name="one_row_a_subaccount_and_shard")]

    def __str__(self) -> str:
        return f"subaccount {self.subaccount}, shard {self.shard}"


class AccountTransaction(models.Model):
    """Cash or contracts of the account that changed and are not ours, with the evidence. Rows are never changed or deleted."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit"
        WITHDRAWAL = "withdrawal"
        TRANSFER = "transfer", "moved between subaccounts"
        TRADE = "trade", "trade beside us"
        SETTLEMENT = "settlement", "settlement of contracts that are not ours"
        ACCEPTED = "accepted", "accepted by a person"
        ADOPTED = "adopted", "ours after all: taken back"

    account = models.ForeignKey(ExchangeAccount, models.PROTECT, related_name="transactions")
    kind = models.CharField(max_length=12, choices=Kind)
    key = models.CharField(max_length=160, unique=True, help_text="The exchange's own id of it: it is booked once.")
    amount = models.BigIntegerField(default=0, help_text="Change of cash, micro-dollars.")
    shard = models.IntegerField(default=0)
    ticker = models.CharField(max_length=128, blank=True, db_index=True)
    count = models.BigIntegerField(default=0, help_text="Change of contracts that are not ours, YES positive.")
    evidence = models.JSONField(default=dict, blank=True, help_text="What the exchange said of it.")
    actor = models.CharField(max_length=150, default="reconciliation")
    reason = models.CharField(max_length=300, blank=True)
    exchange_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class ForeignOrder(models.Model):
    """An order on our account that is not ours, as the exchange listed it last. Its own order id is the key: an order placed by
    hand has no client id, or an empty one."""

    exchange_order_id = models.CharField(max_length=64, unique=True)
    client_order_id = models.CharField(max_length=128, blank=True)
    subaccount = models.PositiveSmallIntegerField(default=0)
    ticker = models.CharField(max_length=128, db_index=True)
    side = models.CharField(max_length=3, help_text="The outcome that it moves the account towards.")
    price = models.IntegerField(help_text="Of this side, 1/10,000 dollar.")
    count = models.BigIntegerField()
    filled_count = models.BigIntegerField(default=0)
    remaining_count = models.BigIntegerField(default=0)
    is_resting = models.BooleanField(default=False, db_index=True)
    exchange_at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.side} {self.ticker} {self.exchange_order_id}"
