"""Money: positions, legs, orders, fills, the ledger, and what may stop them.

Every row that a profile makes carries its mode. Money is micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from markets.models import Event, Market
from strategies.models import Decision, Kind, Mode, Profile


class PositionStatus(models.TextChoices):
    PENDING = "pending"
    EXECUTING = "executing"
    COMPLETING = "completing"
    OPEN = "open"
    UNWINDING = "unwinding"
    ABORTED = "aborted"
    EXITING = "exiting"
    CLOSED = "closed"
    SETTLED = "settled"


ACTIVE = ["pending", "executing", "completing", "open", "unwinding", "exiting"]
TERMINAL = ["aborted", "closed", "settled"]


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
    floor = models.BigIntegerField(default=0, help_text="Least payout of the matched baskets.")
    guaranteed = models.BooleanField(default=False)
    triage_opt_out = models.BooleanField(default=False, help_text="Triage may advise but never exit this one.")
    close_type = models.CharField(max_length=40, blank=True, help_text="How it ended, or the residual's reason.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When the sweeper looks again.")
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="Until when a half-filled basket may be completed."
    )
    attempts = models.PositiveIntegerField(
        default=0, help_text="Tries of the present phase, for the ladder and the back-off."
    )
    residual = models.CharField(
        max_length=300, blank=True, help_text="Why contracts beyond the matched baskets are still held."
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

    def __str__(self) -> str:
        return f"#{self.pk} {self.kind} {self.event_id}"


class LiveEventClaim(models.Model):
    """In live mode two profiles on one account may not hold the same event: their contracts would net each other out."""

    event = models.ForeignKey(Event, models.PROTECT, related_name="+")
    subaccount = models.PositiveSmallIntegerField(default=0)
    position = models.OneToOneField(Position, models.CASCADE, related_name="claim")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "subaccount"], name="one_live_position_an_event_and_subaccount")
        ]


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


class OrderStatus(models.TextChoices):
    NEW = "new", "stored, not sent"
    SENDING = "sending"
    UNKNOWN = "unknown", "outcome unknown, being asked for"
    RESTING = "resting"
    BOOKING = "booking", "terminal, fills being fetched"
    DONE = "done", "terminal, fills booked"
    REJECTED = "rejected"


class Order(models.Model):
    """An order, committed before its request leaves. ``id`` is the client_order_id, spent forever."""

    class Action(models.TextChoices):
        BUY = "buy"
        SELL = "sell"

    class Purpose(models.TextChoices):
        ENTRY = "entry"
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
    time_in_force = models.CharField(max_length=20, default="immediate_or_cancel")
    expires_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=OrderStatus, default=OrderStatus.NEW, db_index=True)
    exchange_order_id = models.CharField(max_length=64, blank=True, db_index=True)
    exchange_index = models.IntegerField(default=0)
    subaccount = models.PositiveSmallIntegerField(null=True, blank=True)
    reported_fill_count = models.BigIntegerField(
        null=True, blank=True, help_text="By the exchange's own answer; fills must add up to it."
    )
    reported_cost = models.BigIntegerField(
        null=True, blank=True, help_text="By the same answer, rounded, for looking ahead only."
    )
    filled_count = models.BigIntegerField(default=0, help_text="Sum of booked fills.")
    attempts = models.PositiveIntegerField(default=0, help_text="How often its request was sent, always under this id.")
    error_code = models.CharField(max_length=80, blank=True)
    error_detail = models.TextField(blank=True)
    actor = models.CharField(max_length=150, default="kalbot")
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

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
    source = models.CharField(max_length=16, help_text="response, websocket, rest or paper.")
    exchange_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mode", "trade_id", "order"], name="a_fill_is_booked_once"),
            models.CheckConstraint(condition=Q(count__gt=0), name="fill_count_positive"),
        ]


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


class Denial(models.Model):
    """Why a decision was not carried out."""

    decision = models.OneToOneField(Decision, models.PROTECT, related_name="denial")
    code = models.CharField(max_length=40, db_index=True)
    detail = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.code


class Account(models.TextChoices):
    """The accounts of each profile. Debit (what the profile has or spent) positive, credit negative; each transaction sums to zero."""

    CAPITAL = "capital"
    CASH = "cash"
    RESERVED = "reserved"
    POSITION_COST = "position_cost"
    FEES = "fees"
    REALISED = "realised"


class LedgerTransaction(models.Model):
    """One booking. ``key`` makes it the same one when it is tried twice."""

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="ledger_transactions")
    mode = models.CharField(max_length=4, choices=Mode)
    position = models.ForeignKey(Position, models.PROTECT, null=True, blank=True, related_name="ledger_transactions")
    kind = models.CharField(
        max_length=24, help_text="deposit, reserve, release, fill, settlement, reversal, transfer, ..."
    )
    key = models.CharField(max_length=160, unique=True)
    memo = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class LedgerEntry(models.Model):
    """One line of a booking, micro-dollars."""

    transaction = models.ForeignKey(LedgerTransaction, models.PROTECT, related_name="entries")
    account = models.CharField(max_length=16, choices=Account)
    amount = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["account"])]


class ProfileBalance(models.Model):
    """The sums of a profile's ledger entries, kept in the same transaction as the entries themselves.

    A running total so that capital is reserved by one conditional UPDATE; ``ledger.audit`` compares it with the entries.
    """

    profile = models.OneToOneField(Profile, models.PROTECT, related_name="balance")
    mode = models.CharField(max_length=4, choices=Mode)
    capital = models.BigIntegerField(default=0)
    cash = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    position_cost = models.BigIntegerField(default=0)
    fees = models.BigIntegerField(default=0)
    realised = models.BigIntegerField(default=0)
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
                ),
                name="balance_sums_to_zero",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.cash}"


class Settlement(models.Model):
    """A leg's payout when its market was final. An amended result reverses the row by entries and adds the next version."""

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
            models.UniqueConstraint(
                fields=["leg"], condition=Q(reversed_at=None), name="one_standing_settlement_a_leg"
            ),
        ]


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
        default=0, help_text="Displayed before us at our price when we joined, 1/100 contract."
    )
    fee_carried = models.BigIntegerField(default=0, help_text="The order's rounding accumulator, micro-dollars.")
    fills = models.JSONField(default=list, help_text="[[trade id, price, count, fee, is_taker, ms], ...]")
    at = models.DateTimeField(db_index=True)


class ExchangeAccount(models.Model):
    """The exchange's cash as reconciliation last saw it, per subaccount (0 = primary)."""

    subaccount = models.PositiveSmallIntegerField(unique=True, default=0)
    opening = models.BigIntegerField(
        help_text="Balance before our first trade, corrected only by a person, micro-dollars."
    )
    balance = models.BigIntegerField(help_text="Available cash by the exchange's word, micro-dollars.")
    shards = models.JSONField(default=dict, blank=True, help_text='{"0": micro-dollars, ...}')
    foreign = models.JSONField(
        default=dict, blank=True, help_text="Contracts held before our first look: {ticker: signed count}."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    difference = models.BigIntegerField(
        null=True, blank=True, help_text="Exchange less ours at the last look that could compare."
    )
    seen_at = models.DateTimeField()
    compared_at = models.DateTimeField(null=True, blank=True)


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
    """A time-boxed stop on new baskets, with its reason. Deleting it is a person's decision."""

    profile = models.ForeignKey(
        Profile, models.CASCADE, null=True, blank=True, related_name="locks", help_text="Empty = all profiles."
    )
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=300)
    until = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.code} until {self.until:%H:%M:%S}"


class ExitRequest(models.Model):
    """The intent to leave a position. The message to a worker is only a nudge; this row is the promise."""

    class Status(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        CANCELLED = "cancelled"

    position = models.ForeignKey(Position, models.CASCADE, related_name="exit_requests")
    source = models.CharField(max_length=16, help_text="person, triage or risk.")
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=300)
    min_price = models.IntegerField(default=1, help_text="Never sell a contract below this, 1/10,000 dollar.")
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    result = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["position"], condition=Q(status="open"), name="one_open_exit_request_a_position"
            )
        ]


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

    class Meta:
        ordering = ["-id"]


class Discrepancy(models.Model):
    """A difference between us and the exchange that nothing explains."""

    reconciliation = models.ForeignKey(Reconciliation, models.CASCADE, null=True, related_name="discrepancies")
    profile = models.ForeignKey(Profile, models.CASCADE, null=True, blank=True, related_name="discrepancies")
    mode = models.CharField(max_length=4, choices=Mode)
    code = models.CharField(max_length=40)
    key = models.CharField(max_length=160, help_text="What it is about; one open row a key.")
    ours = models.CharField(max_length=120, blank=True)
    theirs = models.CharField(max_length=120, blank=True)
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
