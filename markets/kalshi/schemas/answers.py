"""What the order endpoints answer (docs/kalshi-protocol.md 9.4, 9.5, 9.8)."""

from __future__ import annotations

import msgspec

from kalbot.common.units import Count

from ..errors import OutcomeUnknown, Rejected
from ..refusals import of_item
from ..scalars import Micros, micros, positive_count
from ..sizes import ClientId, Identifier, MarketTicker, Milliseconds, Reference, Shard
from .boundary import decoder_of


class ErrorWire(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    details: str | None = None


class CreateWire(msgspec.Struct, kw_only=True):
    order_id: Reference | None = None
    client_order_id: ClientId | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    average_fill_price: str | None = None
    average_fee_paid: str | None = None
    ts_ms: Milliseconds | None = None
    error: ErrorWire | None = None


class CreateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a create. ``remaining_count`` > 0 is a live order; filled 0 and remaining 0 is an IOC
    that met nothing.

    The averages (YES price and fee per contract, 1/1,000,000 dollar) are rounded: exact fees come from fills.
    """

    order_id: str
    client_order_id: str | None
    fill_count: Count
    remaining_count: Count
    average_yes_price: Micros | None
    average_fee: Micros | None
    ts_ms: int | None

    @property
    def is_resting(self) -> bool:
        return self.remaining_count > 0


class BatchItem(msgspec.Struct, frozen=True):
    """One order of a batch, in request order: a result or an error, never both. The error is a definite refusal (Rejected), or
    OutcomeUnknown where the code says nothing certain."""

    client_order_id: str | None
    result: CreateResult | CancelResult | None
    error: Rejected | OutcomeUnknown | None


class BatchCreateWire(msgspec.Struct):
    orders: list[CreateWire]


class CancelWire(msgspec.Struct, kw_only=True):
    order_id: Reference
    reduced_by: str
    client_order_id: ClientId | None = None
    ts_ms: Milliseconds | None = None
    error: ErrorWire | None = None


class CancelResult(msgspec.Struct, frozen=True, kw_only=True):
    """``reduced_by`` contracts were taken off the book; what had filled before stays filled."""

    order_id: str
    client_order_id: str | None
    reduced_by: Count
    ts_ms: int | None


class BatchCancelWire(msgspec.Struct):
    orders: list[CancelWire]


class AmendWire(msgspec.Struct, kw_only=True):
    order_id: Identifier
    ts_ms: Milliseconds
    client_order_id: ClientId | None = None
    remaining_count: str | None = None
    fill_count: str | None = None
    average_fill_price: str | None = None
    average_fee_paid: str | None = None


class AmendResult(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are None where nothing changed (docs/kalshi-protocol.md 9.4)."""

    order_id: str
    client_order_id: str | None
    fill_count: Count | None
    remaining_count: Count | None
    average_yes_price: Micros | None
    average_fee: Micros | None
    ts_ms: int


class DecreaseWire(msgspec.Struct, kw_only=True):
    order_id: Identifier
    remaining_count: str
    ts_ms: Milliseconds
    client_order_id: ClientId | None = None


class DecreaseResult(msgspec.Struct, frozen=True, kw_only=True):
    order_id: str
    client_order_id: str | None
    remaining_count: Count
    ts_ms: int


class QueueWire(msgspec.Struct):
    order_id: Identifier
    market_ticker: MarketTicker
    queue_position_fp: str


class QueuePosition(msgspec.Struct, frozen=True):
    """Contracts that stand before an own resting order."""

    order_id: str
    ticker: str
    ahead: Count


class OrderGroupWire(msgspec.Struct, kw_only=True):
    is_auto_cancel_enabled: bool
    id: Identifier | None = None
    contracts_limit_fp: str | None = None
    orders: list[str] | None = None
    exchange_index: Shard | None = None


class OrderGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Caps what its orders may fill in a rolling 15 s; when exceeded all are cancelled until a reset."""

    order_group_id: str
    contracts_limit: Count | None
    is_auto_cancel_enabled: bool
    order_ids: tuple[str, ...]
    exchange_index: int | None


def build_create(w: CreateWire) -> CreateResult:
    """Wire to ours. A success without an order id or counts is none (docs/kalshi-protocol.md 9.1)."""
    if not w.order_id or w.fill_count is None or w.remaining_count is None:
        raise ValueError("a create was answered without an order id or without counts")
    return CreateResult(
        order_id=w.order_id,
        client_order_id=w.client_order_id,
        fill_count=positive_count(w.fill_count),
        remaining_count=positive_count(w.remaining_count),
        average_yes_price=micros(w.average_fill_price) if w.average_fill_price else None,
        average_fee=micros(w.average_fee_paid) if w.average_fee_paid else None,
        ts_ms=w.ts_ms,
    )


def build_batch_create(w: BatchCreateWire) -> tuple[BatchItem, ...]:
    """Every item of a batch create, in request order."""
    return tuple(
        _refused(item, item.error) if item.error else BatchItem(item.client_order_id, build_create(item), None)
        for item in w.orders
    )


def build_cancel(w: CancelWire) -> CancelResult:
    """Wire to ours."""
    return CancelResult(
        order_id=w.order_id,
        client_order_id=w.client_order_id,
        reduced_by=positive_count(w.reduced_by),
        ts_ms=w.ts_ms,
    )


def build_batch_cancel(w: BatchCancelWire) -> tuple[BatchItem, ...]:
    """Every item of a batch cancel, in request order."""
    return tuple(
        _refused(item, item.error) if item.error else BatchItem(item.client_order_id, build_cancel(item), None)
        for item in w.orders
    )


def _refused(item: CreateWire | CancelWire, error: ErrorWire) -> BatchItem:
    return BatchItem(item.client_order_id, None, of_item(msgspec.json.encode(error)))


def build_amend(w: AmendWire) -> AmendResult:
    """Wire to ours."""
    return AmendResult(
        order_id=w.order_id,
        client_order_id=w.client_order_id,
        fill_count=positive_count(w.fill_count) if w.fill_count is not None else None,
        remaining_count=positive_count(w.remaining_count) if w.remaining_count is not None else None,
        average_yes_price=micros(w.average_fill_price) if w.average_fill_price else None,
        average_fee=micros(w.average_fee_paid) if w.average_fee_paid else None,
        ts_ms=w.ts_ms,
    )


def build_decrease(w: DecreaseWire) -> DecreaseResult:
    """Wire to ours."""
    return DecreaseResult(
        order_id=w.order_id,
        client_order_id=w.client_order_id,
        remaining_count=positive_count(w.remaining_count),
        ts_ms=w.ts_ms,
    )


def build_queue_position(w: QueueWire) -> QueuePosition:
    """Wire to ours."""
    return QueuePosition(w.order_id, w.market_ticker, positive_count(w.queue_position_fp))


def build_order_group(w: OrderGroupWire) -> OrderGroup:
    """Wire to ours. A group read by id comes without its id; the caller knows it."""
    return OrderGroup(
        order_group_id=w.id or "",
        contracts_limit=positive_count(w.contracts_limit_fp) if w.contracts_limit_fp else None,
        is_auto_cancel_enabled=w.is_auto_cancel_enabled,
        order_ids=tuple(w.orders or ()),
        exchange_index=w.exchange_index,
    )


CREATE = decoder_of(CreateWire)
BATCH_CREATE = decoder_of(BatchCreateWire)
CANCEL = decoder_of(CancelWire)
BATCH_CANCEL = decoder_of(BatchCancelWire)
AMEND = decoder_of(AmendWire)
DECREASE = decoder_of(DecreaseWire)
QUEUE_POSITION = decoder_of(QueueWire)
ORDER_GROUP = decoder_of(OrderGroupWire)
