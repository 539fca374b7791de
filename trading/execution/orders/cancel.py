"""A resting order: its present state, or its end."""

from __future__ import annotations

import logging

from trading import states
from trading.execution.orders import fills, record
from trading.models import Order, Position
from trading.venues import factory
from trading.venues.protocol import Ack, Refused, Unresolved

log = logging.getLogger(__name__)


def refresh(order: Order, *, cancel: bool) -> None:
    """Fetch a resting order's state, or with ``cancel`` take it out, and book what filled. What the venue does not answer
    leaves the row as it is."""
    venue = factory.venue_for(order.mode)
    try:
        record.no_transaction()
        answer = venue.cancel(order) if cancel else venue.fetch(order)
        if _is_raised(order, answer):
            states.note(order.position, f"order in {order.leg.market_id} withdrawn: somebody made its price worse")
            answer = venue.cancel(order)
    except (Refused, Unresolved) as error:
        log.warning("order %s: state unknown (%s)", order.pk, error)
        return
    note_moved(order, answer)
    if (
        record.is_resized(order, answer)
        or answer.fill_count > (order.reported_fill_count or 0)
        or not answer.remaining_count
        or answer.exchange_order_id != order.exchange_order_id
    ):
        record.acknowledge(order, answer)
    fills.collect(order, waits=(0.0,))


def _is_raised(order: Order, answer: Ack) -> bool:
    """Whether a purchase that completes a basket rests at a higher price than it was placed at: somebody moved it at the exchange, and
    what the basket may cost was not worked out for that price. A quote has its own rule (``note_moved``)."""
    is_purchase = order.action == Order.Action.BUY and order.purpose != Order.Purpose.QUOTE
    return is_purchase and answer.remaining_count > 0 and (answer.price or 0) > order.price


def note_moved(order: Order, answer: Ack) -> bool:
    """Whether somebody has moved a quote to another price at the exchange: its basket is quoted no more, because that price was not worked
    out here and ours was not wanted."""
    is_moved = answer.remaining_count > 0 and answer.price not in (None, order.price)
    if not is_moved or order.purpose != Order.Purpose.QUOTE:
        return False
    words = f"{order.leg.market_id} was moved from {order.price / 10_000:.4f} at the exchange"
    if Position.objects.filter(pk=order.position_id, quote_withdrawn="").update(quote_withdrawn=words):
        states.note(order.position, f"quotes withdrawn: {words}")
    return True
