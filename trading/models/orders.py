"""Orders and their executions, and the paper exchange's own memory of them.

Money is micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.db import models
from django.db.models import Q

from markets.models import Market
from strategies.models import Mode, Profile
from trading.models.positions import Leg, Position


class OrderStatus(models.TextChoices):
    NEW = "new", "stored, not sent"
    SENDING = "sending"
    UNKNOWN = "unknown", "outcome unknown, being resolved"
    RESTING = "resting"
    BOOKING = "booking", "terminal, fills being fetched"
    DONE = "done", "terminal, fills booked"
    REJECTED = "rejected"


OPEN_ORDERS: Final = (
    OrderStatus.NEW,
    OrderStatus.SENDING,
    OrderStatus.UNKNOWN,
    OrderStatus.RESTING,
    OrderStatus.BOOKING,
)
"""Statuses of an order that has not come to its end."""


class OrderError(models.TextChoices):
    """Error codes of an order that are ours. Whatever else the exchange answers is stored as it came."""

    NOT_SENT = "not_sent"
    NEVER_ARRIVED = "never_arrived"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    NO_CREDENTIALS = "no_credentials"
    INVALID_ORDER = "invalid_order"
    INVALID_PRICE = "invalid_price"
    MARKET_INACTIVE = "market_inactive"
    PAUSED = "trading_is_paused"


class Order(models.Model):
    """An order, committed before its request leaves. ``id`` is the client_order_id, spent forever."""

    class Action(models.TextChoices):
        BUY = "buy"
        SELL = "sell"

    class Purpose(models.TextChoices):
        ENTRY = "entry"
        QUOTE = "quote"
        COMPLETE = "complete"
        UNWIND = "unwind"
        EXIT = "exit"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="orders")
    mode = models.CharField(max_length=4, choices=Mode)
    position = models.ForeignKey(Position, models.PROTECT, related_name="orders")
    leg = models.ForeignKey(Leg, models.PROTECT, related_name="orders")
    action = models.CharField(max_length=4, choices=Action)
    purpose = models.CharField(max_length=8, choices=Purpose)
    side = models.CharField(max_length=3, choices=[("yes", "YES"), ("no", "NO")])
    price = models.IntegerField(help_text="Limit of this side, 1/10,000 dollar.")
    count = models.BigIntegerField()
    shrunk_to = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="What somebody left of it at the exchange while it rested, filled included; 1/100.",
    )
    time_in_force = models.CharField(max_length=20, default="immediate_or_cancel")
    expires_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=OrderStatus, default=OrderStatus.NEW)
    exchange_order_id = models.CharField(max_length=64, blank=True, db_index=True)
    order_group = models.CharField(max_length=64, blank=True, default="", db_default="")
    exchange_index = models.IntegerField(default=0)
    subaccount = models.PositiveSmallIntegerField(null=True, blank=True)
    reported_fill_count = models.BigIntegerField(
        null=True, blank=True, help_text="By the exchange's own answer; fills must add up to it."
    )
    reported_cost = models.BigIntegerField(
        null=True, blank=True, help_text="By the same answer, rounded, for planning only."
    )
    filled_count = models.BigIntegerField(default=0, help_text="Sum of booked fills.")
    is_final = models.BooleanField(
        default=False,
        db_default=False,
        help_text="What it has not filled it never will: our cancel took exactly that out, or later reads agreed.",
    )
    queue_ahead = models.BigIntegerField(
        null=True, blank=True, help_text="Contracts before a resting order at its price, as last read; 1/100."
    )
    queue_at = models.DateTimeField(null=True, blank=True, help_text="When that was read.")
    attempts = models.PositiveIntegerField(default=0, help_text="How often its request was sent, always under this id.")
    error_code = models.CharField(max_length=80, blank=True)
    error_detail = models.TextField(blank=True)
    actor = models.CharField(max_length=150, default="kalbot")
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    rested_at = models.DateTimeField(
        null=True, blank=True, help_text="When the exchange first answered that it rests; empty for one that never did."
    )
    moved_at = models.DateTimeField(null=True, blank=True, help_text="Since when it has its status.")
    book_version = models.CharField(
        max_length=40, blank=True, default="", db_default="", help_text="Of the book that a purchase was checked on."
    )

    begun: float | None = None
    """Monotonic seconds at which this process wrote the row; None in another one. Not stored."""
    lease_token: str = ""
    """The lease under which this process wrote it. Not stored."""
    gate_read: Any = None
    """What the gate has read with the commit of the row (``gate.ask``). Not stored."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["mode", "exchange_order_id"],
                condition=~Q(exchange_order_id=""),
                name="one_row_an_exchange_order",
            ),
            models.CheckConstraint(condition=Q(filled_count__lte=models.F("count")), name="never_filled_beyond_count"),
            models.CheckConstraint(condition=Q(count__gt=0), name="order_count_positive"),
        ]
        indexes = [
            models.Index(fields=["profile", "created_at"], name="orders_of_a_profile_by_time"),
            models.Index(fields=["profile", "status"], name="orders_of_a_profile_by_status"),
            models.Index(fields=["status", "created_at"], name="orders_of_a_status_by_time"),
        ]

    @property
    def size(self) -> int:
        """What it may fill in all, as the exchange showed it last, 1/100 contract."""
        return self.count if self.shrunk_to is None else self.shrunk_to

    @property
    def moves(self) -> tuple[str, str]:
        """(market ticker, side) that the account moves towards as it fills; selling YES moves it towards NO."""
        other = "no" if self.side == "yes" else "yes"
        return self.leg.market_id, self.side if self.action == self.Action.BUY else other

    def __str__(self) -> str:
        return f"{self.action} {self.count / 100:g} {self.side} {self.leg.market_id} @ {self.price / 10_000:.4f}"


class Fill(models.Model):
    """One execution of an order, booked once however often it is reported."""

    order = models.ForeignKey(Order, models.PROTECT, related_name="fills")
    mode = models.CharField(max_length=4, choices=Mode)
    trade_id = models.CharField(max_length=64)
    price = models.IntegerField(help_text="Of the order's side, 1/10,000 dollar.")
    count = models.BigIntegerField()
    fee = models.BigIntegerField(help_text="Net fee, micro-dollars.")
    is_taker = models.BooleanField(default=True)
    source = models.CharField(max_length=16, help_text="response, websocket, rest, paper, or averages of the order.")
    exchange_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mode", "trade_id", "order"], name="a_fill_is_booked_once"),
            models.CheckConstraint(condition=Q(count__gt=0), name="fill_count_positive"),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(is_taker=False), name="maker_fills_by_time"),
        ]

    def __str__(self) -> str:
        return f"trade {self.trade_id}"


class PaperOrder(models.Model):
    """What the paper exchange knows of an order: its own memory, apart from ours, as a real exchange's would be."""

    order = models.OneToOneField(Order, models.PROTECT, primary_key=True, related_name="paper")
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="+")
    market = models.ForeignKey(Market, models.PROTECT, related_name="+")
    side = models.CharField(max_length=3)
    action = models.CharField(max_length=4)
    is_open = models.BooleanField(default=False, db_index=True)
    filled_count = models.BigIntegerField(default=0)
    remaining_count = models.BigIntegerField(default=0)
    queue_ahead = models.BigIntegerField(
        default=0,
        help_text="Before us at our price: what was displayed when we joined, less what trades and cancels took; 1/100.",
    )
    queue_level = models.BigIntegerField(
        default=0, db_default=0, help_text="Displayed at our price when it was read last, 1/100 contract."
    )
    queue_printed = models.BigIntegerField(
        default=0, db_default=0, help_text="Traded there since, not yet seen to have left the level; 1/100 contract."
    )
    queue_falls = models.JSONField(
        default=list,
        db_default=[],
        help_text="[[when the level was seen to have fallen, by how much without a trade, what that took of queue_ahead], ...]",
    )
    prints_ms = models.BigIntegerField(
        default=0, db_default=0, help_text="Trades fetched up to then have been counted, Unix milliseconds."
    )
    fee_carried = models.BigIntegerField(default=0, help_text="The order's rounding accumulator, micro-dollars.")
    fills = models.JSONField(
        default=list, help_text="[[trade id, price, count, fee, is_taker, ms, price of the level that it met], ...]"
    )
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"paper order {str(self.order_id)[:8]}, {self.action} {self.side}"
