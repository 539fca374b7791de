"""From frames that must not be lost to stored messages: the key that makes two of them the same one, and the payload."""

from __future__ import annotations

from typing import Any

import msgspec

from markets.kalshi.ws import frames
from markets.models import ExchangeMessage
from markets.streaming.output.inbox import Message

Kind = ExchangeMessage.Kind
Kept = (
    frames.FillFrame | frames.UserOrderFrame | frames.LifecycleFrame | frames.EventLifecycleFrame | frames.EventFeeFrame
)


def to_message(frame: Kept, epoch: str, receive_ms: int) -> Message:
    """The row of a frame. ``payload`` is the frame in plain JSON: integer units as in the frame, decimals and times as text.

    Fills and orders have names of their own, so a replay is recognised. Lifecycle messages have none (a market can be paused
    twice), so the connection and the sequence number name them.
    """
    if isinstance(frame, frames.FillFrame):
        return _message(
            Kind.FILL, fill_key(frame.trade_id, frame.order_id), frame.market_ticker, frame, epoch, frame.ts_ms
        )
    if isinstance(frame, frames.UserOrderFrame):
        at = frame.last_updated_ts_ms or receive_ms
        key = f"order:{frame.order_id}:{at}:{frame.status}:{frame.fill_count}:{frame.remaining_count}"
        return _message(Kind.USER_ORDER, key, frame.ticker, frame, epoch, at)
    key = f"lifecycle:{epoch}:{frame.sid}:{frame.seq}"
    if isinstance(frame, frames.LifecycleFrame):
        return _message(Kind.LIFECYCLE, key, frame.market_ticker, frame, epoch, receive_ms)
    kind = Kind.EVENT_LIFECYCLE if isinstance(frame, frames.EventLifecycleFrame) else Kind.FEE_UPDATE
    return _message(kind, key, "", frame, epoch, receive_ms)


def fill_key(trade_id: str, order_id: str) -> str:
    """What names a fill wherever it is seen. One trade may fill two own orders."""
    return f"fill:{trade_id}:{order_id}"


def _message(kind: str, key: str, ticker: str, frame: Kept, epoch: str, exchange_ms: int) -> Message:
    payload: dict[str, Any] = msgspec.to_builtins(frame)
    return Message(str(kind), key, ticker, payload, epoch, exchange_ms)
