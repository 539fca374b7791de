"""What an account owns, as records: every change of one is journalled before the answer leaves."""

from __future__ import annotations

import msgspec

from simulator.units import ONE

RESTING, CANCELED, EXECUTED = "resting", "canceled", "executed"


class Order(msgspec.Struct):
    """An order of the API user. Cost and fees in micro-dollars; ``accumulator`` is the fee rounding of docs/kalshi-protocol.md 11.2."""

    order_id: str
    client_order_id: str
    ticker: str
    event_ticker: str
    shard: int
    subaccount: int
    book_side: str
    price: int
    initial: int
    remaining: int
    time_in_force: str
    stp: str
    created_ms: int
    updated_ms: int
    status: str = RESTING
    filled: int = 0
    cancel_on_pause: bool = False
    post_only: bool = False
    reduce_only: bool = False
    expiration_s: int = 0
    group_id: str = ""
    accumulator: int = 0
    taker_cost: int = 0
    maker_cost: int = 0
    taker_fees: int = 0
    maker_fees: int = 0
    reason: str = ""


class Fill(msgspec.Struct):
    """One fill of one own order; ``price`` is the YES price, ``fee`` and ``cash`` micro-dollars (cash after fee)."""

    fill_id: str
    order_id: str
    client_order_id: str
    ticker: str
    event_ticker: str
    shard: int
    subaccount: int
    book_side: str
    price: int
    count: int
    is_taker: bool
    fee: int
    cash: int
    closed: int
    post_position: int
    created_ms: int


class Position(msgspec.Struct):
    """The signed net position of a subaccount in a market: positive YES, negative NO."""

    ticker: str
    event_ticker: str
    shard: int
    subaccount: int
    count: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0
    open_fees: int = 0
    traded: int = 0
    volume: int = 0
    updated_ms: int = 0
    settled: bool = False

    def trade(self, buys_yes: bool, price: int, count: int) -> int:
        """Move by one fill at a YES price; returns how many contracts were closed as pairs (each pays $1 at once)."""
        unit = price if buys_yes else ONE - price
        closed = 0
        if self.count and (self.count > 0) != buys_yes:
            closed = min(count, abs(self.count))
            freed = self.cost * closed // abs(self.count)
            self.realised += (ONE - unit) * closed - freed
            self.cost -= freed
        self.cost += unit * (count - closed)
        self.count += count if buys_yes else -count
        return closed


class Settlement(msgspec.Struct):
    """What a settled market paid a subaccount."""

    ticker: str
    event_ticker: str
    shard: int
    subaccount: int
    result: str
    value: int
    yes_count: int
    no_count: int
    yes_cost: int
    no_cost: int
    revenue: int
    fee: int
    settled_ms: int


class Group(msgspec.Struct):
    """An order group; ``limit`` in 1/100 contract over a rolling 15 s."""

    group_id: str
    shard: int
    subaccount: int
    limit: int
    triggered: bool = False
    deleted: bool = False
    window: list[tuple[int, int]] = []


class Transfer(msgspec.Struct):
    """A movement of cash between shards or subaccounts; ``amount`` in micro-dollars."""

    transfer_id: str
    client_id: str
    kind: str
    amount: int
    source: tuple[int, int]
    """(subaccount, shard)"""
    destination: tuple[int, int]
    created_ms: int
    due_ms: int
    status: str = "complete"


class Changes(msgspec.Struct, omit_defaults=True):
    """Everything that changed since the last line of the journal, as whole records."""

    at_ms: int = 0
    cash: list[tuple[int, int, int]] = []
    orders: list[Order] = []
    fills: list[Fill] = []
    positions: list[Position] = []
    settlements: list[Settlement] = []
    groups: list[Group] = []
    transfers: list[Transfer] = []
    spent_ids: list[str] = []
    options: dict[str, str] = {}
