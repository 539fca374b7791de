"""Booking what orders of a position filled. The venue's reads lag behind its answers, so they are repeated for a moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction

from kalbot.common import clock
from kalbot.common.db import direct
from strategies.models import Mode
from trading.accounting.fill_reports import BookingError, FillReport
from trading.accounting.position_booking import PositionBooking
from trading.execution.orders import record
from trading.models import Order, OrderStatus
from trading.venues import factory
from trading.venues.protocol import Refused, Unresolved

WAITS: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each read."""
Then = Callable[[PositionBooking], None]
"""What is to happen to the position in the same transaction, once all of its orders have ended."""
log = logging.getLogger(__name__)


def collect(order: Order, waits: tuple[float, ...] = WAITS) -> bool:
    """Book what one order filled. True when the fills add up to the venue's own count (and a terminal order is done)."""
    return collect_all([order], waits=waits)


def collect_all(orders: Sequence[Order], then: Then | None = None, waits: tuple[float, ...] = WAITS) -> bool:
    """The same of several orders of one position, all in one transaction where the venue shows everything at once; ``then`` is part
    of the one after which nothing is missing."""
    missing = list(orders)
    for number, pause in enumerate(waits):
        clock.sleep(pause)
        if number:
            record.refresh(missing)
        reports = _read(missing)
        try:
            _book(missing, reports, then)
        except BookingError:
            _book_each(missing, reports)
        missing = [order for order in missing if _lacks(order) or order.status == OrderStatus.BOOKING]
        if not missing:
            return True
    return False


def _lacks(order: Order) -> bool:
    return order.filled_count < (order.reported_fill_count or 0)


def _read(orders: Iterable[Order]) -> dict[UUID, list[FillReport]]:
    """What the venue lists of the orders that lack something: of all at once, or of one after the other where that cannot be read."""
    lacking = [order for order in orders if _lacks(order)]
    if not lacking:
        return {}
    try:
        record.no_transaction()
        found = factory.venue_for(lacking[0].mode).fills_of(lacking)
    except (Refused, Unresolved) as error:
        log.warning("orders %s: fills cannot be read (%s)", ", ".join(str(order.pk) for order in lacking), error)
        if len(lacking) == 1:
            return {}
        return {pk: reports for order in lacking for pk, reports in _read([order]).items()}
    return {pk: reports for pk, reports in found.items() if reports}


def _book(orders: Sequence[Order], reports: Mapping[UUID, list[FillReport]], then: Then | None) -> None:
    """Book the reports, end the orders of which nothing is missing any more. Raises BookingError: then nothing was booked."""
    if not reports:
        record.finish_all([order for order in orders if not _lacks(order)])
        return
    with transaction.atomic():
        booking = PositionBooking.of_orders([order.pk for order in orders], sum(map(len, reports.values())))
        booking.add_all(reports, "rest" if orders[0].mode == Mode.LIVE else "paper")
        for order in orders:
            row = booking.orders[order.pk]
            record.show(order, {name: getattr(row, name) for name in record.CHANGEABLE})
        ended = [order for order in orders if not _lacks(order)]
        with direct.together(booking.keys, commits=True):
            if then is not None and len(ended) == len(orders):
                then(booking)
            if not booking.is_written:
                booking.write()
            finished = record.finishing(ended)
    finished()


def _book_each(orders: Sequence[Order], reports: Mapping[UUID, list[FillReport]]) -> None:
    """Book one order after the other, so that a report that contradicts its order keeps none of the others from being booked. Such an
    order stays as it is, and is named by the comparison of the books."""
    for order in orders:
        try:
            _book([order], {pk: found for pk, found in reports.items() if pk == order.pk}, None)
        except BookingError as error:
            log.error("order %s: what the exchange lists of it cannot be booked (%s)", order.pk, error)
