"""Fills and order updates of the WebSocket, as rows that wait: applied in order, each once, whichever worker died in between."""

from __future__ import annotations

import logging
from typing import Final

import msgspec
from django.db import DatabaseError

from kalbot.common import clock, messages
from kalbot.common.units import complement
from markets.kalshi.vocabulary import Side
from markets.kalshi.ws.frames import FillFrame, UserOrderFrame
from markets.models import ExchangeMessage
from trading.accounting import booking
from trading.accounting.fill_reports import BookingError, FillReport
from trading.execution.orders import record
from trading.models import Order, OrderStatus
from trading.reconciliation import foreign, own_rows
from trading.venues import identity
from trading.venues.protocol import Ack
from trading.venues.wire import contradiction

BATCH: Final = 500
log = logging.getLogger(__name__)


def apply_waiting() -> int:
    """Apply the waiting fills and order updates, oldest first. Returns how many were processed."""
    waiting = ExchangeMessage.objects.filter(
        applied_at=None, kind__in=[ExchangeMessage.Kind.FILL, ExchangeMessage.Kind.USER_ORDER]
    ).order_by("id")
    count = 0
    for message in waiting[:BATCH]:
        error = _apply(message)
        ExchangeMessage.objects.filter(pk=message.pk).update(applied_at=clock.now(), error=error[:1000])
        count += 1
    return count


def _apply(message: ExchangeMessage) -> str:
    """Apply one message; returns why it could not be, empty when it was. Of what is not ours the orders are kept, the rest is left to
    reconciliation."""
    try:
        frame = _frame_of(message)
        order = own_rows.own_order(identity.of_frame(frame))
        if order is None:
            if isinstance(frame, UserOrderFrame):
                foreign.note_frame(frame)
            return "not an order of ours"
        ticker = frame.market_ticker if isinstance(frame, FillFrame) else frame.ticker
        if said := contradiction(order, ticker, frame.outcome_side, frame.client_order_id or None):
            raise BookingError(said)
        if isinstance(frame, FillFrame):
            _fill(order, frame)
        else:
            _update(order, frame)
    except (BookingError, ValueError) as error:
        log.error("message %s cannot be applied: %s", message.key, error)
        return f"{type(error).__name__}: {error}"
    except DatabaseError:
        raise  # not the message's fault: it waits
    except Exception as error:  # one message that surprises is set aside, named, and stops no other
        log.exception("message %s cannot be applied", message.key)
        return f"{type(error).__name__}: {error}"
    return ""


def _frame_of(message: ExchangeMessage) -> FillFrame | UserOrderFrame:
    if message.kind == ExchangeMessage.Kind.FILL:
        return msgspec.convert(message.payload, FillFrame)
    return msgspec.convert(message.payload, UserOrderFrame)


def _fill(order: Order, frame: FillFrame) -> None:
    if not order.exchange_order_id:
        Order.objects.filter(pk=order.pk, exchange_order_id="").update(exchange_order_id=frame.order_id)
    price = frame.yes_price if order.side == Side.YES else complement(frame.yes_price)
    report = FillReport(
        trade_id=frame.trade_id,
        price=price,
        count=frame.count,
        fee=frame.fee,
        is_taker=frame.is_taker,
        at_ms=frame.ts_ms,
        moves=(frame.market_ticker, frame.outcome_side.value),
    )
    booking.book_fill(order.pk, report, "websocket")
    if order.purpose == Order.Purpose.QUOTE:
        messages.send_on_commit(messages.EXIT_POSITION, order.position_id)  # its other legs are bought now
    _finish(order)


def _update(order: Order, frame: UserOrderFrame) -> None:
    """A terminal state ends the order at once; a resting one only reports a larger fill count."""
    order.refresh_from_db()
    if order.status not in (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING):
        return
    terminal = frame.status.is_terminal
    remaining = 0 if terminal else frame.remaining_count
    answer = Ack(frame.order_id, frame.fill_count, remaining)
    if terminal or frame.fill_count > (order.reported_fill_count or 0) or record.is_resized(order, answer):
        record.acknowledge(order, answer)
    _finish(order)


def _finish(order: Order) -> None:
    """An order whose fills add up to what the exchange reported is done; no request is needed."""
    order.refresh_from_db()
    if order.status == OrderStatus.BOOKING and order.filled_count >= (order.reported_fill_count or 0):
        record.finish(order)
