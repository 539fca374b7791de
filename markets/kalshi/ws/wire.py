"""The shapes of WebSocket messages as they come, for msgspec.

Field names are the exchange's; what we do not use is left out.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..sizes import (
    ClientId,
    Clock,
    Identifier,
    MarketTicker,
    Milliseconds,
    Reference,
    Seconds,
    Shard,
    Subaccount,
    Word,
)
from .lifecycle_wire import EventFeeMsg, EventLifecycleMsg, LifecycleMsg


class TickerMsg(msgspec.Struct, gc=False):
    market_ticker: MarketTicker
    yes_bid_dollars: str
    yes_ask_dollars: str
    yes_bid_size_fp: str
    yes_ask_size_fp: str
    price_dollars: str
    volume_fp: str
    open_interest_fp: str
    ts_ms: Milliseconds | None = None
    ts: Seconds | None = None


class SnapshotMsg(msgspec.Struct):
    market_ticker: MarketTicker
    yes_dollars_fp: list[tuple[str, str]] | None = None
    no_dollars_fp: list[tuple[str, str]] | None = None
    clock: Clock | None = None


class DeltaMsg(msgspec.Struct, gc=False):
    market_ticker: MarketTicker
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts_ms: Milliseconds | None = None
    clock: Clock | None = None
    client_order_id: ClientId | None = None


class TradeMsg(msgspec.Struct, gc=False):
    trade_id: Identifier
    market_ticker: MarketTicker
    yes_price_dollars: str
    no_price_dollars: str
    count_fp: str
    ts: Seconds | None = None
    taker_outcome_side: str | None = None
    taker_side: str | None = None
    is_block_trade: bool = False
    ts_ms: Milliseconds | None = None


class FillMsg(msgspec.Struct, gc=False):
    trade_id: Identifier
    order_id: Identifier
    market_ticker: MarketTicker
    exchange_index: Shard
    is_taker: bool
    outcome_side: str
    book_side: str
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    post_position_fp: str
    ts_ms: Milliseconds
    client_order_id: ClientId | None = None
    subaccount: Subaccount | None = None


class UserOrderMsg(msgspec.Struct, gc=False, kw_only=True):
    order_id: Identifier
    ticker: MarketTicker
    exchange_index: Shard
    status: str
    outcome_side: str
    book_side: str
    yes_price_dollars: str
    fill_count_fp: str
    remaining_count_fp: str
    initial_count_fp: str
    taker_fill_cost_dollars: str
    maker_fill_cost_dollars: str
    taker_fees_dollars: str
    maker_fees_dollars: str
    client_order_id: ClientId | None = None
    order_group_id: Reference | None = None
    created_ts_ms: Milliseconds | None = None
    last_updated_ts_ms: Milliseconds | None = None
    last_update_reason: Word | None = None
    subaccount_number: Subaccount | None = None


class PositionMsg(msgspec.Struct, gc=False, kw_only=True):
    market_ticker: MarketTicker
    position_fp: str
    position_cost_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str
    position_fee_cost_dollars: str
    volume_fp: str
    subaccount: Subaccount | None = None


class OrderGroupMsg(msgspec.Struct):
    event_type: Word
    order_group_id: Identifier
    ts_ms: Milliseconds
    contracts_limit_fp: str | None = None


class SubscribedMsg(msgspec.Struct):
    channel: Word
    sid: int


class OkMsg(msgspec.Struct):
    market_tickers: tuple[str, ...] | None = None


class ErrorMsg(msgspec.Struct):
    code: int
    msg: str
    market_ticker: MarketTicker | None = None
    market_tickers: tuple[str, ...] | None = None


class Ticker(msgspec.Struct, tag_field="type", tag="ticker", gc=False):
    sid: int
    msg: TickerMsg


class Snapshot(msgspec.Struct, tag_field="type", tag="orderbook_snapshot"):
    sid: int
    seq: int
    msg: SnapshotMsg
    id: int | None = None


class Delta(msgspec.Struct, tag_field="type", tag="orderbook_delta", gc=False):
    sid: int
    seq: int
    msg: DeltaMsg


class Trade(msgspec.Struct, tag_field="type", tag="trade", gc=False):
    sid: int
    seq: int
    msg: TradeMsg


class Fill(msgspec.Struct, tag_field="type", tag="fill", gc=False):
    sid: int
    msg: FillMsg


class UserOrder(msgspec.Struct, tag_field="type", tag="user_order", gc=False):
    sid: int
    msg: UserOrderMsg


class Position(msgspec.Struct, tag_field="type", tag="market_position", gc=False):
    sid: int
    msg: PositionMsg


class Lifecycle(msgspec.Struct, tag_field="type", tag="market_lifecycle_v2"):
    sid: int
    seq: int
    msg: LifecycleMsg


class EventLifecycle(msgspec.Struct, tag_field="type", tag="event_lifecycle"):
    sid: int
    seq: int
    msg: EventLifecycleMsg


class EventFee(msgspec.Struct, tag_field="type", tag="event_fee_update"):
    sid: int
    seq: int
    msg: EventFeeMsg


class OrderGroup(msgspec.Struct, tag_field="type", tag="order_group_updates"):
    sid: int
    seq: int
    msg: OrderGroupMsg


class Subscribed(msgspec.Struct, tag_field="type", tag="subscribed"):
    msg: SubscribedMsg
    id: int | None = None


class Unsubscribed(msgspec.Struct, tag_field="type", tag="unsubscribed"):
    sid: int
    seq: int | None = None
    id: int | None = None


class Ok(msgspec.Struct, tag_field="type", tag="ok"):
    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    msg: OkMsg | list[SubscribedMsg] | None = None


class Error(msgspec.Struct, tag_field="type", tag="error"):
    msg: ErrorMsg
    id: int | None = None
    sid: int | None = None
    seq: int | None = None


class Envelope(msgspec.Struct):
    """Only the envelope, for messages that are ignored or rejected."""

    type: str
    sid: int | None = None
    seq: int | None = None
    msg: msgspec.Raw = msgspec.Raw()


class MarketName(msgspec.Struct):
    market_ticker: str | None = None
    ticker: str | None = None


Message = (
    Ticker
    | Delta
    | Snapshot
    | Trade
    | Fill
    | UserOrder
    | Position
    | Lifecycle
    | EventLifecycle
    | EventFee
    | OrderGroup
    | Subscribed
    | Unsubscribed
    | Ok
    | Error
)
KNOWN_TYPES = frozenset(shape.__struct_config__.tag for shape in Message.__args__)
