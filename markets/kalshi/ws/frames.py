"""What the WebSocket says, typed and in integer units. Parsing is in ``parser``.

NO levels are always in NO dollars here, whichever way the subscription requested them. ``sid`` names the
subscription, ``seq`` counts its messages where the channel is sequenced. Times are Unix ms unless they are
datetimes.
"""

from __future__ import annotations

import msgspec

from kalbot.common.units import Count, Money, Price, complement
from markets.kalshi.schemas.orderbook import Level

from ..vocabulary import BookSide, OrderStatus, Side
from .error_codes import Reaction
from .lifecycle_frames import EventFeeFrame as EventFeeFrame
from .lifecycle_frames import EventLifecycleFrame as EventLifecycleFrame
from .lifecycle_frames import LifecycleFrame as LifecycleFrame


class TickerFrame(msgspec.Struct, gc=False):
    """Best prices of a market.

    A side exists iff its size is above zero: else its price is None. Not sequenced, may lag. ``ts_ms`` 0: not said.
    """

    sid: int
    market_ticker: str
    last_price: Price | None
    yes_bid: Price | None
    yes_bid_size: Count
    yes_ask: Price | None
    yes_ask_size: Count
    volume: Count
    open_interest: Count
    ts_ms: int


class BookSnapshot(msgspec.Struct):
    """The whole book, best first; never crossed (a crossed one is rejected).

    ``clock`` is described in docs/kalshi-protocol.md 12.4.
    """

    sid: int
    seq: int
    market_ticker: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    clock: int | None
    id: int | None


class BookDelta(msgspec.Struct, gc=False):
    """``delta`` (signed Count) to add to one side's level at ``price``, which is that side's own price."""

    sid: int
    seq: int
    market_ticker: str
    side: Side
    price: Price
    delta: Count
    clock: int | None
    ts_ms: int | None
    client_order_id: str | None


class TradeFrame(msgspec.Struct, gc=False):
    """A public trade; ``taker_side`` is the outcome the taker bought. ``ts_ms`` 0: not said."""

    sid: int
    seq: int
    market_ticker: str
    trade_id: str
    yes_price: Price
    count: Count
    taker_side: Side
    is_block_trade: bool
    ts_ms: int


class FillFrame(msgspec.Struct, gc=False):
    """An own execution. ``trade_id`` equals ``fill_id`` over REST. ``outcome_side`` as in
    schemas.orders.Fill.

    ``post_position`` is the signed position after it. Not sequenced: compare with REST.
    """

    sid: int
    trade_id: str
    order_id: str
    client_order_id: str | None
    market_ticker: str
    exchange_index: int
    outcome_side: Side
    book_side: BookSide
    yes_price: Price
    count: Count
    fee: Money
    is_taker: bool
    post_position: Count
    ts_ms: int
    subaccount: int | None

    @property
    def price(self) -> Price:
        """Price in the fill's own outcome."""
        return self.yes_price if self.outcome_side is Side.YES else complement(self.yes_price)


class UserOrderFrame(msgspec.Struct, gc=False):
    """An own order as it now is. Not sequenced: compare with REST. One placed by hand has an empty ``client_order_id``."""

    sid: int
    order_id: str
    client_order_id: str
    ticker: str
    exchange_index: int
    status: OrderStatus
    outcome_side: Side
    book_side: BookSide
    yes_price: Price
    initial_count: Count
    fill_count: Count
    remaining_count: Count
    taker_fill_cost: Money
    maker_fill_cost: Money
    taker_fees: Money
    maker_fees: Money
    order_group_id: str | None
    created_ts_ms: int | None
    last_updated_ts_ms: int | None
    last_update_reason: str
    subaccount: int | None


class MarketPositionFrame(msgspec.Struct, gc=False):
    """An own position after a change: signed, > 0 is YES."""

    sid: int
    market_ticker: str
    position: Count
    position_cost: Money
    realized_pnl: Money
    fees_paid: Money
    position_fee_cost: Money
    volume: Count
    subaccount: int | None


class OrderGroupFrame(msgspec.Struct, gc=False):
    """An order group changed: created, triggered, reset, deleted or limit_updated (raw word)."""

    sid: int
    seq: int
    event_type: str
    order_group_id: str
    contracts_limit: Count | None
    ts_ms: int


class Ack(msgspec.Struct, kw_only=True):
    """A command was carried out.

    ``kind``: subscribed, ok, unsubscribed or list (the answer of list_subscriptions).
    """

    kind: str
    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    channel: str | None = None
    market_tickers: tuple[str, ...] | None = None
    subscriptions: tuple[tuple[str, int], ...] | None = None


class ErrorFrame(msgspec.Struct, kw_only=True):
    """The exchange complained; ``reaction`` says what helps. With ``sid`` it concerns a subscription, with
    ``id`` a command."""

    code: int
    message: str
    reaction: Reaction
    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    market_tickers: tuple[str, ...] = ()


class GapFrame(msgspec.Struct, kw_only=True):
    """Messages of a subscription were lost (or one could not be read): every book of ``sid`` is suspect until
    repaired.

    ``reason``: ``lost``; ``rejected``, when a frame could not be read and nothing says which market it was about; ``jump``,
    when the number is too far ahead to be believed: only a new subscription helps.
    """

    sid: int
    expected: int
    got: int
    reason: str = "lost"


class RejectedFrame(msgspec.Struct, kw_only=True):
    """A frame that the parse boundary refused; what it said is not known. Names are given as far as they
    could be read."""

    reason: str
    sample: str
    type: str | None = None
    sid: int | None = None
    seq: int | None = None
    market_ticker: str | None = None


Frame = (
    TickerFrame
    | BookSnapshot
    | BookDelta
    | TradeFrame
    | FillFrame
    | UserOrderFrame
    | MarketPositionFrame
    | LifecycleFrame
    | EventLifecycleFrame
    | EventFeeFrame
    | OrderGroupFrame
    | Ack
    | ErrorFrame
    | GapFrame
    | RejectedFrame
)
