"""Booking what an order filled. The venue's reads lag behind its answers, so they are repeated for a moment."""

from __future__ import annotations

import logging
from typing import Final

from kalbot.common import clock
from strategies.models import Mode
from trading.accounting import booking
from trading.execution.orders import record
from trading.models import Order
from trading.venues import factory
from trading.venues.protocol import Refused, Unresolved

WAITS: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each read."""
log = logging.getLogger(__name__)


def collect(order: Order, waits: tuple[float, ...] = WAITS) -> bool:
    """Book what filled. True when the fills add up to the venue's own count (and a terminal order is done)."""
    venue = factory.venue_for(order.mode)
    for pause in waits:
        clock.sleep(pause)
        order.refresh_from_db(fields=record.CHANGEABLE)
        if order.filled_count < (order.reported_fill_count or 0):
            try:
                record.no_transaction()
                reports = venue.fills(order)
            except (Refused, Unresolved) as error:
                log.warning("order %s: fills cannot be read (%s)", order.pk, error)
                continue
            source = "rest" if order.mode == Mode.LIVE else "paper"
            for report in reports:
                booking.book_fill(order.pk, report, source)
            order.refresh_from_db(fields=record.CHANGEABLE)
        if order.filled_count >= (order.reported_fill_count or 0):
            record.finish(order)
            return True
    return False
