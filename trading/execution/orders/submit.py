"""One order from its row to its end: stored, sent once, asked about if unclear, and its fills booked.

The row is committed before the request leaves. Every step is a guarded update, so that a worker that takes over goes on
from the row alone:

=========  =====================================================================================================
status     what a worker that finds it does
=========  =====================================================================================================
new        stored and never sent: drop it (its id is simply not used)
sending    sent or not, nobody knows: ask
unknown    asked in vain so far: ask again
resting    look at it, cancel it when its time is up
booking    terminal at the venue: fetch fills until they add up to what the venue reported
done       nothing
rejected   nothing: the venue refused it, or it was never sent
=========  =====================================================================================================
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.db import connection, transaction

from kalbot.common import clock
from trading import booking, pace
from trading.models import Leg, Order, OrderStatus, Position
from trading.states import Lease
from trading.venues import protocol
from trading.venues.protocol import Ack, Refused, Unresolved, Venue

S = OrderStatus
OPEN_STATUSES: Final = (S.NEW, S.SENDING, S.UNKNOWN, S.RESTING, S.BOOKING)
FILL_WAITS: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between reads of fills: the exchange's reads lag behind its answers."""
MOVING: Final = (
    "status",
    "exchange_order_id",
    "reported_fill_count",
    "reported_cost",
    "filled_count",
    "error_code",
    "sent_at",
)
"""Columns that other workers may change."""
SEND_WAITS: Final = (0.1, 0.25, 0.5)
log = logging.getLogger(__name__)


def place(
    held: Lease,
    position: Position,
    leg: Leg,
    *,
    action: str,
    purpose: str,
    price: int,
    count: int,
    keep_back: int = 0,
    reason: str = "",
    actor: str = "kalbot",
    **columns: Any,
) -> Order:
    """Store an order and send it. Returns the row as it stands afterwards; never raises for what the venue says.

    ``price`` is the limit in the leg's own side, ``count`` in 1/100 contract. Overtaken if the lease is gone.
    """
    with transaction.atomic():
        held.renew()
        order = row(position, leg, action=action, purpose=purpose, price=price, count=count, reason=reason, **columns)
        order.actor = actor
        order.save(force_insert=True)
    send(order, keep_back)
    return order


def row(position: Position, leg: Leg, *, reason: str = "", **columns: Any) -> Order:
    """An order of the leg, about to be sent, not stored yet."""
    return Order(
        profile=position.profile,
        mode=position.mode,
        position=position,
        leg=leg,
        side=leg.side,
        exchange_index=leg.market.exchange_index,
        subaccount=position.profile.subaccount,
        reason=reason[:300],
        status=S.SENDING,
        sent_at=clock.now(),
        attempts=1,
        **columns,
    )


def send(order: Order, keep_back: int = 0) -> None:
    """Send an order stored as ``sending``; tried again under the same id only after a refusal that says so."""
    venue = venue_of(order)
    for pause in (*SEND_WAITS, None):
        try:
            no_transaction()
            answer = venue.create(order, keep_back)
        except Refused as refusal:
            if refusal.retry and pause is not None:
                pace.wait(pause)
                if not goes_again(order):
                    return
                continue
            reject(order, refusal)
            return
        except Unresolved as unclear:
            doubt(order, unclear)
            ask(order, wanted=True)
            return
        record(order, answer)
        return


def goes_again(order: Order) -> bool:
    """Mark that the order's request leaves once more. False when another worker has brought it on meanwhile."""
    return _move(order, (S.SENDING,), S.SENDING, sent_at=clock.now(), attempts=order.attempts + 1)


def doubt(order: Order, unclear: Unresolved) -> None:
    """Nobody knows what became of the order: from now on it is asked about."""
    log.warning("order %s: outcome unknown (%s)", order.pk, unclear)
    _move(order, (S.SENDING,), S.UNKNOWN, error_detail=str(unclear)[:500])


def ask(order: Order, wanted: bool) -> bool:
    """Ask what became of an order that may or may not exist. True when that is known now."""
    venue = venue_of(order)
    try:
        no_transaction()
        answer = venue.resolve(order, wanted)
    except Refused as refusal:
        log.warning("order %s: still unknown (%s)", order.pk, refusal)
        return False
    except Unresolved as doubt:
        log.warning("order %s: still unknown (%s)", order.pk, doubt)
        return False
    if answer is None:
        _move(order, (S.SENDING, S.UNKNOWN), S.REJECTED, error_code="never_arrived", ended_at=clock.now())
    else:
        record(order, answer)
    return True


def record(order: Order, answer: Ack) -> None:
    """Write down what the venue said. Its fills are booked by ``collect``, when there is time."""
    columns: dict[str, Any] = {
        "exchange_order_id": answer.exchange_order_id,
        "reported_fill_count": max(answer.fill_count, order.filled_count),
    }
    if answer.spent is not None:
        columns["reported_cost"] = answer.spent
    to = S.RESTING if answer.remaining_count else S.BOOKING
    _move(order, (S.SENDING, S.UNKNOWN, S.RESTING), to, **columns)


def collect(order: Order, waits: tuple[float, ...] = FILL_WAITS) -> bool:
    """Book what filled. True when the fills add up to the venue's own count (and a terminal order is done)."""
    venue = venue_of(order)
    for pause in waits:
        pace.wait(pause)
        order.refresh_from_db(fields=MOVING)
        if order.filled_count < (order.reported_fill_count or 0):
            try:
                no_transaction()
                reports = venue.fills(order)
            except (Refused, Unresolved) as error:
                log.warning("order %s: fills cannot be read (%s)", order.pk, error)
                continue
            source = "rest" if order.mode == "live" else "paper"
            for report in reports:
                booking.book_fill(order.pk, report, source)
            order.refresh_from_db(fields=MOVING)
        if order.filled_count >= (order.reported_fill_count or 0):
            finish(order)
            return True
    return False


def finish(order: Order) -> None:
    """The order is terminal and its fills are all booked."""
    _move(order, (S.BOOKING,), S.DONE, ended_at=clock.now())


def settle(order: Order, *, wanted: bool, cancel: bool) -> bool:
    """Bring an order that another step left behind towards its end. True when it has ended.

    ``wanted``: an order of unknown outcome may still be placed; ``cancel``: a resting one is to go.
    """
    if order.status == S.NEW:
        _move(order, (S.NEW,), S.REJECTED, error_code="not_sent", ended_at=clock.now())
    if order.status in (S.SENDING, S.UNKNOWN):
        _move(order, (S.SENDING,), S.UNKNOWN)
        ask(order, wanted)
    if order.status == S.RESTING:
        _look(order, cancel)
    if order.status == S.BOOKING:
        collect(order)
    return order.status not in OPEN_STATUSES


def _look(order: Order, cancel: bool) -> None:
    venue = venue_of(order)
    try:
        no_transaction()
        answer = venue.cancel(order) if cancel else venue.look(order)
    except (Refused, Unresolved) as error:
        log.warning("order %s: state not known (%s)", order.pk, error)
        return
    if answer.fill_count > (order.reported_fill_count or 0) or not answer.remaining_count:
        record(order, answer)
    collect(order, waits=(0.0,))


def reject(order: Order, refusal: Refused) -> None:
    """The venue said no: nothing happened."""
    _move(
        order,
        (S.SENDING,),
        S.REJECTED,
        error_code=refusal.code[:80],
        error_detail=refusal.detail[:500],
        ended_at=clock.now(),
    )
    log.warning("order %s was refused: %s", order.pk, refusal)


def _move(order: Order, expected: tuple[str, ...], to: str, **columns: Any) -> bool:
    won = Order.objects.filter(pk=order.pk, status__in=expected).update(status=to, **columns)
    if won:
        for name, value in {"status": to, **columns}.items():
            setattr(order, name, value)
    else:
        order.refresh_from_db(fields=MOVING)
    return bool(won)


def venue_of(order: Order) -> Venue:
    """Where the order goes, by its row's mode."""
    return protocol.of(order.mode)


def no_transaction() -> None:
    """No transaction may be open across a network call. RuntimeError if one is."""
    # a test case's own surrounding transaction is not ours
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("a database transaction is open across a network call")
