"""Whether an order may leave now: checked before its first request and before each further one, at the moment of signing.

A row that was written is no permission to send. Between the two a worker may have slept (SIGSTOP, a closed lid), a person may have
halted trading, another worker may have taken the position over or ended it. One statement reads all of it. For orders that were stored
this moment it leaves behind their COMMIT in the same message, which saves the way to the database and back; it is read again where
signing comes later than ``AS_GOOD_AS_NOW`` after that message left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from django.db.models import CharField, F, QuerySet, UUIDField

from kalbot.common import clock
from kalbot.common.db import pipeline
from kalbot.common.db.direct import Message
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param, Prepared
from markets.book import Side
from trading.books import live_books
from trading.denials import DenialCode, Denied
from trading.execution.orders import record
from trading.leases import Lease
from trading.limits import risk
from trading.models import ExitRequest, Order, OrderStatus, PositionStatus
from trading.safety import halt
from trading.venues import wire
from trading.venues.protocol import Refused

BUY_LIFE: Final = timedelta(seconds=5)
SALE_LIFE: Final = timedelta(seconds=20)
"""So long after its row was written an order may be sent; a sale longer, for its price was accepted and it takes risk away."""
AS_GOOD_AS_NOW: Final = timedelta(milliseconds=20)
"""By both clocks. A halt is no faster, and nobody else may have the lease; a process that slept in between reads again."""
STATUS_OF: Final = {
    Order.Purpose.ENTRY: PositionStatus.EXECUTING,
    Order.Purpose.QUOTE: PositionStatus.QUOTING,
    Order.Purpose.COMPLETE: PositionStatus.COMPLETING,
    Order.Purpose.UNWIND: PositionStatus.UNWINDING,
    Order.Purpose.EXIT: PositionStatus.EXITING,
}
"""What a position must be doing for an order of each purpose still to have its reason."""


class _Read(NamedTuple):
    """A message that reads the rows of orders behind their COMMIT, and when it was made by both clocks."""

    message: Message
    at: datetime
    monotonic: float


def ask(orders: Sequence[Order], message: Message | None) -> None:
    """Have ``message``, which stores the orders, read behind its COMMIT what the next check of them depends on. None: there is no such
    message."""
    if orders and message is not None:
        message.after = _reading(orders)
        orders[0].gate_read = _Read(message, clock.now(), clock.monotonic())


def of(order: Order) -> Callable[[], None]:
    """The check to call just before the order's request is signed: raises Refused for what must not be sent now."""
    return lambda: check(order)


def of_all(orders: Sequence[Order]) -> Callable[[], None]:
    """The same for several orders of one position and request: one that must not leave holds back all."""
    return lambda: check(*orders)


def nothing() -> None:
    """The check of a search that sends nothing."""
    raise Refused(DenialCode.EXPIRED, "it is only searched for")


def of_probe(order: Order) -> Callable[[], None]:
    """The check of a request that only finds out what became of ``order``: nothing at all leaves while trading is halted, nor where it
    might trade."""

    def check_probe() -> None:
        try:
            risk.may_send(order.profile, reduces=True)
            _meets_nobody(order)
        except Denied as denied:
            raise Refused(denied.code, denied.detail) from None

    return check_probe


def of_prolonging(order: Order, lease: Lease) -> Callable[[], None]:
    """The check of a request that lets a quote rest for longer: raises Refused where it rests no more, its basket is not quoted any more,
    another worker has taken that over, or nothing new may be sent."""

    def check_prolonging() -> None:
        row = _stored([order]).get(order.pk)
        now = None if row is None else (row.status, row.of_position, row.of_lease)
        if row is None or now != (OrderStatus.RESTING, PositionStatus.QUOTING, lease.token):
            raise Refused(DenialCode.EXPIRED, "the quote is not this worker's to prolong any more")
        _may_leave(order, row, reduces=False)

    return check_prolonging


def _meets_nobody(order: Order) -> None:
    """Raises Denied unless a living book shows nobody who would trade at the end of the market's grid: 0.01 contract bought of a leg that
    costs no more can be sold to nobody, and would be completed to 0.01 basket."""
    probe = wire.harmless(order)
    if probe is None:
        return
    live, ticker = live_books.read(order.position.event), order.leg.market_id
    unusable = live.why_unusable(ticker, order.profile.max_price_age_ms)
    if unusable not in (None, DenialCode.PRICE_NO_SIDE):
        raise Denied(unusable, ticker)
    book, side = live.depth(ticker), Side(order.side)
    buys = order.action == Order.Action.BUY
    best = next(iter(book.asks(side) if buys else book.bids(side)), None)
    if best is not None and (best[0] <= probe.price if buys else best[0] >= probe.price):
        raise Denied(DenialCode.DEPTH, f"somebody trades {ticker} at the end of its grid")


def check(*orders: Order) -> None:
    """Raises Refused, with the denial code, if one of the orders of a position must not be sent now."""
    for order in orders:
        life = BUY_LIFE if order.action == Order.Action.BUY else SALE_LIFE
        if _age(order) > life:
            raise Refused(DenialCode.EXPIRED, f"the order is older than {life.total_seconds():g} s")
    stored = _read_with_commit(orders) or _stored(orders)
    for order in orders:
        row = stored.get(order.pk)
        if row is None or row.status not in (OrderStatus.SENDING, OrderStatus.UNKNOWN):
            raise Refused(DenialCode.EXPIRED, "another worker has dealt with the order")
        if row.of_position != STATUS_OF.get(Order.Purpose(order.purpose)):
            raise Refused(DenialCode.EXPIRED, f"the position is {row.of_position} by now")
        if order.lease_token and row.of_lease != order.lease_token:
            raise Refused(DenialCode.EXPIRED, "another worker has taken the position over")
        if order.purpose == Order.Purpose.EXIT and not _is_requested(order):
            raise Refused(DenialCode.REQUEST_WITHDRAWN)
        reduces = order.action == Order.Action.SELL or order.purpose == Order.Purpose.COMPLETE
        _may_leave(order, row, reduces=reduces)
    for order in orders:
        record.leaving(order)


def _may_leave(order: Order, row: Any, *, reduces: bool) -> None:
    """Raises Refused where the trading states of ``row`` or the switches of live forbid it."""
    try:
        risk.allows(halt.stricter(row.global_state, row.own_state), order.profile, reduces=reduces)
    except Denied as denied:
        raise Refused(denied.code, denied.detail) from None


def _stored(orders: Sequence[Order]) -> dict[object, Any]:
    """The rows of the orders with what their position does, who has its lease, and the trading states."""
    (rows,) = pipeline.rows_of(_reading(orders))
    return {row.pk: row for row in _query(len(orders)).made(rows)}


def _reading(orders: Sequence[Order]) -> Statement:
    keys = {f"order{number}": order.pk for number, order in enumerate(orders)}
    return _query(len(orders)).statement(scope=halt.scope_of(orders[0].profile), **keys)


def _read_with_commit(orders: Sequence[Order]) -> dict[object, Any] | None:
    """The same as it was read with the commit of just these orders; once, and None where it is too old or did not leave."""
    read, orders[0].gate_read = orders[0].gate_read, None
    if read is None or read.message.read is None:
        return None
    aged = max(abs(clock.now() - read.at), timedelta(seconds=clock.monotonic() - read.monotonic))
    made = _query(len(orders)).made(read.message.read) if aged < AS_GOOD_AS_NOW else []
    rows: dict[object, Any] = {row.pk: row for row in made}
    return rows if rows.keys() == {order.pk for order in orders} else None


@cache
def _query(count: int) -> Prepared[Order]:
    def build() -> QuerySet[Order]:
        wanted: list[Any] = [Param(f"order{number}", UUIDField()) for number in range(count)]
        return (
            Order.objects.filter(pk__in=wanted)
            .only("id", "status")
            .annotate(of_position=F("position__status"), of_lease=F("position__lease_token"))
            .annotate(**halt.stored(Param("scope", CharField())))
        )

    return Prepared(build)


def _age(order: Order) -> timedelta:
    """By the wall clock, which counts a suspended machine, and by the monotonic one, which nobody sets; the longer counts. A row from
    the future was written before a clock was set back: how far lies as much in the dark as its age."""
    by_wall = abs(clock.now() - order.created_at)
    if order.begun is None:
        return by_wall
    return max(by_wall, timedelta(seconds=clock.monotonic() - order.begun))


def _is_requested(order: Order) -> bool:
    """Whether the exit that the order was written for is still wanted: one that took its place may accept less or sell less."""
    wanted = ExitRequest.objects.filter(position=order.position_id, status=ExitRequest.Status.OPEN)
    return wanted.filter(created_at__lte=order.created_at).exists()
