"""Executions of our own orders that the exchange lists, booked each once: those of one position together, and no more of an order than it
says itself that it filled.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from kalbot.common import clock
from kalbot.common.db.batches import batched
from markets.kalshi.schemas.orders import Fill as ListedFill
from strategies.models import Mode
from trading.accounting import booking
from trading.accounting.fill_reports import BookingError, FillReport
from trading.models import Discrepancy, Fill, Order, Reconciliation
from trading.safety import discrepancies
from trading.venues import factory
from trading.venues.protocol import Refused, Unresolved
from trading.venues.wire import report_of

TOGETHER: Final = 200
"""Fills of one position in one transaction, which holds the position."""
READS_BEHIND: Final = timedelta(seconds=30)
"""So long the exchange's reads may lack an execution that a message has named."""
log = logging.getLogger(__name__)


def book(row: Reconciliation, orders: Mapping[str, Order], listed: Mapping[tuple[str, str], ListedFill]) -> None:
    """Book what is not booked yet of ``listed``, by (fill id, order id), of ``orders`` by the exchange's id. One that contradicts its order
    is named and keeps no other from being booked."""
    booked_already = _booked(orders.values())
    new: dict[str, list[ListedFill]] = {}
    for key, fill in listed.items():
        if key not in booked_already:
            new.setdefault(fill.order_id, []).append(fill)
    _book(row, orders, [fill for name, fills in new.items() for fill in _of_order(row, orders[name], fills, listed)])
    _take_back_names()


def _of_order(
    row: Reconciliation, order: Order, fills: list[ListedFill], listed: Collection[tuple[str, str]]
) -> list[ListedFill]:
    """Those of ``fills`` that together are no more than the order has filled by its own word: an execution that is listed a second time,
    under another id, is named. None of them while the order cannot be read, unless they are more than it wanted: that is named alone; and
    none while messages have named more than the exchange's reads show, for then its word is older than what is booked."""
    count = order.filled_count
    total = count + sum(fill.count for fill in fills)
    if total <= (order.reported_fill_count or 0):
        return fills
    if order.fills.filter(source=booking.AVERAGES).exists():
        return []  # what is listed after all counts as booked
    if total <= order.count and _reads_are_behind(order, listed):
        log.warning("order %s: the exchange's reads are behind its messages; the next comparison decides", order.pk)
        return []
    try:
        most = factory.venue_for(order.mode).fetch(order).fill_count
    except (Refused, Unresolved) as error:
        log.warning(
            "order %s: more executions than it reported are listed, and it cannot be read (%s)", order.pk, error
        )
        return fills if total > order.count else []
    found = []
    for fill in fills:
        if count + fill.count <= most:
            count += fill.count
            found.append(fill)
        else:
            _name(row, order, fill, f"{order.pk}: {fill.count} on top of {count}, the order says {most}")
    return found


def _reads_are_behind(order: Order, listed: Collection[tuple[str, str]]) -> bool:
    """Whether an execution that a message named a moment ago is not listed yet."""
    named = order.fills.filter(source="websocket", created_at__gt=clock.now() - READS_BEHIND)
    return any((trade_id, order.exchange_order_id) not in listed for (trade_id,) in named.values_list("trade_id"))


def _take_back_names() -> None:
    """End the names of executions that are booked by now: the order's word was older than they were."""
    rows = list(Discrepancy.objects.filter(code=Discrepancy.Code.FILL_IMPOSSIBLE, resolved_at=None))
    if not rows:
        return
    fills = Fill.objects.filter(mode=Mode.LIVE, trade_id__in=[row.key for row in rows])
    booked = set(fills.values_list("trade_id", flat=True))
    for row in rows:
        if row.key in booked:
            discrepancies.disproved(row, "the execution is booked")


def _name(row: Reconciliation, order: Order, fill: ListedFill, text: str) -> None:
    discrepancies.found(row, Discrepancy.Code.FILL_IMPOSSIBLE, fill.fill_id, theirs=text, profile=order.profile)


def _book(row: Reconciliation, orders: Mapping[str, Order], fills: Sequence[ListedFill]) -> None:
    """Book fills of orders of ours, those of one position together; one that contradicts its order is named and keeps no other from it."""
    of_position: dict[int, list[ListedFill]] = {}
    for fill in fills:
        of_position.setdefault(orders[fill.order_id].position_id, []).append(fill)
    for whole in of_position.values():
        for batch in batched(whole, TOGETHER):
            try:
                row.repaired += _book_together(orders, batch)
            except BookingError:
                for fill in batch:
                    _book_alone(row, orders[fill.order_id], fill)


def _book_together(orders: Mapping[str, Order], fills: Sequence[ListedFill]) -> int:
    reports: dict[UUID, list[FillReport]] = {}
    for fill in fills:
        order = orders[fill.order_id]
        reports.setdefault(order.pk, []).append(report_of(fill, order.side))
    return booking.book_fills(reports, "rest")


def _book_alone(row: Reconciliation, order: Order, fill: ListedFill) -> None:
    try:
        row.repaired += booking.book_fill(order.pk, report_of(fill, order.side), "rest")
    except BookingError as error:
        _name(row, order, fill, str(error))


def _booked(orders: Iterable[Order]) -> set[tuple[str, str]]:
    """(trade id, exchange order id) of every fill of these orders that is booked."""
    ids = [order.pk for order in orders]
    found: set[tuple[str, str]] = set()
    for batch in batched(ids):
        fills = Fill.objects.filter(mode=Mode.LIVE, order_id__in=batch)
        found |= set(fills.values_list("trade_id", "order__exchange_order_id"))
    return found
