"""A resting order: its present state, or its end."""

from __future__ import annotations

import logging

from trading.execution.orders import fills, record
from trading.models import Order
from trading.venues import factory
from trading.venues.protocol import Refused, Unresolved

log = logging.getLogger(__name__)


def refresh(order: Order, *, cancel: bool) -> None:
    """Fetch a resting order's state, or with ``cancel`` take it out, and book what filled. What the venue does not answer
    leaves the row as it is."""
    venue = factory.venue_for(order.mode)
    try:
        record.no_transaction()
        answer = venue.cancel(order) if cancel else venue.fetch(order)
    except (Refused, Unresolved) as error:
        log.warning("order %s: state unknown (%s)", order.pk, error)
        return
    grown = answer.fill_count + answer.remaining_count > order.count
    if grown or answer.fill_count > (order.reported_fill_count or 0) or not answer.remaining_count:
        record.acknowledge(order, answer)
    fills.collect(order, waits=(0.0,))
