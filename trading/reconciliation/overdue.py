"""Nothing waits for ever in silence: what is older than its limit is named, and goes on where that is possible.

Fills that the exchange reported and never listed are booked from the order's own totals. An order of unknown outcome and a position at
work with which nothing happens are named; the name goes when they move on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from django.conf import settings
from django.db.models import CharField, DateTimeField, F, Q, QuerySet
from django.db.models.functions import Coalesce

from kalbot.common import clock
from kalbot.common.db.prepared import Param, Prepared
from trading.accounting import booking
from trading.accounting.fill_reports import BookingError
from trading.denials import OF_ONE_EXIT
from trading.execution.orders import record
from trading.models import (
    ACTIVE,
    OPEN_ORDERS,
    Discrepancy,
    Leg,
    Order,
    OrderStatus,
    Position,
    PositionEvent,
    PositionStatus,
)
from trading.safety import discrepancies
from trading.venues import factory
from trading.venues.protocol import Refused, Unresolved

RESULT_AFTER: Final = timedelta(days=2)
"""So long after its close, and after the times at which its result was expected, a market is waited for before that is named."""
log = logging.getLogger(__name__)
Code = Discrepancy.Code
UNCLEAR = (OrderStatus.SENDING, OrderStatus.UNKNOWN)


def act() -> int:
    """Name everything that is overdue, take back the names of what is not, and book what can be booked. Returns how many orders
    were booked."""
    _name(
        Code.ORDER_UNRESOLVED,
        {str(order.pk): order for order in _older(UNCLEAR, settings.KALBOT_UNKNOWN_LIMIT_SECONDS)},
    )
    waiting = _waiting()
    of_exits = {one.pk for one in waiting if one.status == PositionStatus.EXITING and one.residual_code in OF_ONE_EXIT}
    _name(Code.EXIT_WAITING, {str(one.pk): one for one in waiting if one.pk in of_exits})
    _name(Code.POSITION_WAITING, {str(one.pk): one for one in waiting if one.pk not in of_exits})
    _name_late_results()
    return sum(_book(order) for order in _older((OrderStatus.BOOKING,), settings.KALBOT_BOOKING_LIMIT_SECONDS))


def _before(seconds: int) -> datetime:
    return clock.now() - timedelta(seconds=seconds)


def _older(statuses: tuple[OrderStatus, ...], seconds: int) -> list[Order]:
    return _orders(statuses).rows(before=_before(seconds))


@cache
def _orders(statuses: tuple[OrderStatus, ...]) -> Prepared[Order]:
    def build() -> QuerySet[Order]:
        since = Coalesce("moved_at", "sent_at", "created_at")
        found = Order.objects.filter(status__in=statuses).annotate(since=since)
        return found.filter(since__lt=Param("before", DateTimeField())).select_related("profile", "leg", "position")

    return Prepared(build)


def _waiting() -> list[Position]:
    """Positions at work that neither changed their status nor traded, or had an order out, for longer than the limit, and that no person
    had tried again since. Another reason to wait is no progress, nor is one more order that takes nothing, nor are completing and unwinding
    that take turns. A quote rests until an end of its own."""
    limit = _before(settings.KALBOT_WAITING_LIMIT_SECONDS)
    at_work = _AT_WORK.rows(before=limit)
    if not at_work:
        return []
    events = PositionEvent.objects.filter(position__in=at_work, at__gte=limit)
    moved = events.exclude(_STANDS | _TAKES_TURNS, actor="kalbot").values_list("position_id", flat=True)
    traded = (
        Order.objects.filter(position__in=at_work, created_at__gte=limit)
        .filter(Q(status__in=OPEN_ORDERS) | Q(filled_count__gt=0))
        .values_list("position_id", flat=True)
    )
    progressed = {*moved, *traded}
    return [one for one in at_work if one.pk not in progressed]


_STANDS: Final = Q(from_status=F("to_status"))
_TAKES_TURNS: Final = Q(from_status=PositionStatus.COMPLETING, to_status=PositionStatus.UNWINDING) | Q(
    from_status=PositionStatus.UNWINDING, to_status=PositionStatus.COMPLETING
)


def _at_work() -> QuerySet[Position]:
    still = (PositionStatus.OPEN, PositionStatus.QUOTING)
    older = Position.objects.filter(status__in=ACTIVE, created_at__lt=Param("before", DateTimeField()))
    return older.exclude(status__in=still).select_related("profile")


_AT_WORK: Final = Prepared(_at_work)


def _name_late_results() -> None:
    """Name the open positions of which a market is held that should have ended long ago: nothing else says so where the exchange takes its
    time, or has lost the market."""
    late: dict[str, tuple[Position, list[str]]] = {}
    for leg in _LATE.rows(before=clock.now() - RESULT_AFTER):
        late.setdefault(str(leg.position_id), (leg.position, []))[1].append(f"{leg.held / 100:g} {leg}")
    for key, (position, held) in late.items():
        discrepancies.found(
            None,
            Code.RESULT_WAITING,
            key,
            ours=", ".join(held),
            theirs=f"no result {RESULT_AFTER.days} days after the last of its times",
            profile=position.profile,
            tightens=False,
        )
    discrepancies.resolved(Code.RESULT_WAITING, "", except_for=late)


def _late() -> QuerySet[Leg]:
    """Legs of open positions that hold something of a market whose times have all passed."""
    before = Param("before", DateTimeField())
    held = Leg.objects.filter(
        position__status=PositionStatus.OPEN, bought_count__gt=F("sold_count") + F("settled_count")
    )
    past = Q(market__close_time__lt=before)
    for name in ("expected_expiration_time", "latest_expiration_time"):
        past &= Q(**{f"market__{name}": None}) | Q(**{f"market__{name}__lt": before})
    return held.filter(past).select_related("market", "position__profile").order_by("position_id", "sequence")


_LATE: Final = Prepared(_late)


def _name(code: Discrepancy.Code, overdue: Mapping[str, Order | Position]) -> None:
    for key, row in overdue.items():
        theirs = row.error_detail if isinstance(row, Order) else row.residual_code or row.residual
        discrepancies.found(
            None, code, key, ours=row.get_status_display(), theirs=theirs, profile=row.profile, tightens=False
        )
    for known in _NAMED.rows(code=code):
        if known.key not in overdue:
            discrepancies.close(known, actor=discrepancies.ACTOR, resolution="it has moved on")


_NAMED: Final = Prepared(lambda: Discrepancy.objects.filter(code=Param("code", CharField()), resolved_at=None))


def _book(order: Order) -> bool:
    """Book what the order filled from its own totals, and say so. Where those cannot be read the order waits, named."""
    missing = (order.reported_fill_count or 0) - order.filled_count
    try:
        record.no_transaction()
        reports = factory.venue_for(order.mode).by_averages(order)
        count = sum(booking.book_fill(order.pk, report, booking.AVERAGES) for report in reports)
    except (Refused, Unresolved, BookingError) as error:
        log.error("order %s: its fills are not listed and its totals are no help (%s)", order.pk, error)
        _name_unlisted(order, missing, str(error))
        return False
    Order.objects.filter(pk=order.pk, reported_fill_count__gt=F("filled_count")).update(
        reported_fill_count=F("filled_count")
    )
    order.refresh_from_db(fields=record.CHANGEABLE)
    record.finish(order)
    _name_unlisted(order, missing, f"{count} booked from the order's own totals")
    return True


def _name_unlisted(order: Order, missing: int, text: str) -> None:
    discrepancies.found(
        None,
        Code.FILLS_UNLISTED,
        str(order.pk),
        ours=f"{missing} reported and not listed",
        theirs=text,
        amount=missing,
        profile=order.profile,
    )
