"""What an order's row says: every change is one conditional update, so that a worker that lost the race changes nothing.

=========  =====================================================================================================
status     what a worker that finds the row does
=========  =====================================================================================================
new        stored and never sent: drop it (its id is simply not used)
sending    sent or not, nobody knows: resolve it with the venue
unknown    not resolved so far: try again
resting    refresh it, cancel it when its time is up
booking    terminal at the venue: fetch fills until they add up to what the venue reported
done       nothing
rejected   nothing: the venue refused it, or it was never sent
=========  =====================================================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.db import IntegrityError, connection
from django.db.models import UUIDField

from kalbot.common import clock, events, trace
from kalbot.common.db import direct, pipeline
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Among
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.trace import Stage
from markets import exchange_hours
from strategies.models import Mode
from trading.models import Order, OrderError, OrderStatus
from trading.venues.protocol import Ack, Refused, Unresolved

CHANGEABLE: Final = (
    "status",
    "count",
    "shrunk_to",
    "exchange_order_id",
    "reported_fill_count",
    "reported_cost",
    "filled_count",
    "is_final",
    "error_code",
    "sent_at",
    "moved_at",
)
"""Columns that other workers may change."""
_ROWS: Final = PreparedColumns(
    lambda: Order.objects.filter(pk__in=Among("keys", UUIDField())).values_list("pk", *CHANGEABLE)
)
log = logging.getLogger(__name__)


_COMPLETE: Final = "reported_fill_count IS NULL OR filled_count >= reported_fill_count"
ANSWERABLE: Final = (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.RESTING)


def acknowledge(order: Order, answer: Ack, beside: list[Statement] | None = None) -> None:
    """Store what the venue answered; why it was unclear before is in the log. ``fills.collect`` books the fills when there is time."""
    acknowledge_all([(order, answer)], beside)


def acknowledge_all(answers: Sequence[tuple[Order, Ack]], beside: list[Statement] | None = None) -> None:
    """The same of several orders, in one transaction. ``beside``: statements of the same transaction, no more there afterwards. An answer
    that names another order of ours says nothing: that one's outcome is unknown.

    The disk is not waited for. Should the database's machine fail before it has them, the orders are sent and not answered, as if the
    worker had died just before: they are resolved with the venue. What is booked of them is stored later, and never without them.
    """
    if not answers:
        return
    changes = [(order, _answered(order, answer)) for order, answer in answers]
    moving = [_moving(order, ANSWERABLE, columns) for order, columns in changes]
    try:
        found = pipeline.rows_soon(*moving, *(beside or ()))
    except IntegrityError as error:
        _acknowledge_each(answers, beside, error)
        return
    if beside is not None:
        beside.clear()
    for (order, columns), won in zip(changes, found, strict=False):
        _moved(order, columns, bool(won))


def _acknowledge_each(
    answers: Sequence[tuple[Order, Ack]], beside: list[Statement] | None, error: IntegrityError
) -> None:
    """One answer after the other, once one of them cannot be stored because its order's id is another one's."""
    if len(answers) > 1:
        for one in answers:
            acknowledge_all([one], beside)
        return
    order, answer = answers[0]
    mark_unknown(order, Unresolved(f"answered as {answer.exchange_order_id}, which is another order of ours: {error}"))


def _answered(order: Order, answer: Ack) -> dict[str, Any]:
    """The columns that the answer changes."""
    columns: dict[str, Any] = {
        "exchange_order_id": answer.exchange_order_id,
        "reported_fill_count": max(answer.fill_count, order.filled_count),
        "error_code": "",
        "error_detail": "",
    }
    if answer.spent is not None:
        columns["reported_cost"] = answer.spent
    total = answer.fill_count + answer.remaining_count
    if is_resized(order, answer):
        columns |= {"count": max(order.count, total), "shrunk_to": total if total < order.count else None}
    if answer.withdrawn and answer.withdrawn + answer.fill_count == order.size:
        columns["is_final"] = True
    if _is_traced(order):
        trace.mark(order.position.trace, Stage.ACKNOWLEDGED, again=True)
    to = OrderStatus.RESTING if answer.remaining_count else OrderStatus.BOOKING
    if to == OrderStatus.RESTING and order.rested_at is None:
        columns["rested_at"] = clock.now()
    return {"status": to, **columns, "moved_at": clock.now()}


def is_resized(order: Order, answer: Ack) -> bool:
    """Whether the order is larger, or rests with less in all, than was known: somebody has changed it at the exchange."""
    total = answer.fill_count + answer.remaining_count
    is_changed = total > order.size or (answer.remaining_count > 0 and total < order.size)
    return order.time_in_force == "good_till_canceled" and is_changed


def leaving(order: Order) -> None:
    """The order's request is about to be signed: a stage of its position's trace."""
    if _is_traced(order):
        trace.mark(order.position.trace, Stage.SENT)
        trace.mark(order.position.trace, Stage.ALL_SENT, again=True)


def _is_traced(order: Order) -> bool:
    return order.purpose == Order.Purpose.ENTRY and Stage.STORED not in order.position.trace


def reject(order: Order, refusal: Refused, *, is_final: bool) -> None:
    """The venue refused the order. ``is_final``: the answer was its own, with a status, so nothing has happened for certain."""
    move(
        order,
        (OrderStatus.SENDING,),
        OrderStatus.REJECTED,
        error_code=refusal.code[:80],
        error_detail=refusal.detail[:500],
        ended_at=clock.now(),
        is_final=is_final,
    )
    if refusal.code == OrderError.PAUSED and order.mode == Mode.LIVE:
        exchange_hours.refused(order.position.event.exchange_index, order.sent_at)
    log.warning("order %s rejected: %s", order.pk, refusal)


def mark_unknown(order: Order, unclear: Unresolved) -> None:
    """It is not known what became of the order: from now on it is to be resolved."""
    log.warning("order %s: outcome unknown (%s)", order.pk, unclear)
    move(order, (OrderStatus.SENDING,), OrderStatus.UNKNOWN, error_detail=str(unclear)[:500])


def mark_resent(order: Order) -> bool:
    """Count that the order's request leaves once more. False when another worker has moved it on meanwhile."""
    return move(order, (OrderStatus.SENDING,), OrderStatus.SENDING, sent_at=clock.now(), attempts=order.attempts + 1)


def revive(order: Order) -> bool:
    """An order that we held for rejected exists after all: its fills are to be booked. False when it has moved on."""
    return move(order, (OrderStatus.REJECTED,), OrderStatus.UNKNOWN, ended_at=None, is_final=False)


def rests_after_all(order: Order) -> bool:
    """An order that we held for ended is in the book after all: it is to be read and withdrawn. False when it has moved on."""
    return move(order, (OrderStatus.DONE, OrderStatus.REJECTED), OrderStatus.RESTING, ended_at=None)


def disclaim(order: Order) -> bool:
    """The exchange's id that the row has is another order's: from now on it is to be found by our own. False when it has moved on."""
    expected = (OrderStatus.RESTING, OrderStatus.BOOKING, OrderStatus.DONE, OrderStatus.UNKNOWN)
    return move(order, expected, OrderStatus.UNKNOWN, exchange_order_id="", ended_at=None, is_final=False)


def confirm(order: Order) -> None:
    """What the order has not filled it never will; nothing happens where it has filled more, or moved on, meanwhile, and to one that has
    not ended."""
    if order.status not in (OrderStatus.DONE, OrderStatus.REJECTED):
        return
    same = Order.objects.filter(pk=order.pk, status=order.status, filled_count=order.filled_count)
    if same.update(is_final=True):
        order.is_final = True


def finish(order: Order) -> None:
    """The order is terminal and its fills are all booked."""
    move(order, (OrderStatus.BOOKING,), OrderStatus.DONE, ended_at=clock.now())


def finish_all(orders: Sequence[Order]) -> None:
    """The same of several orders, as far as their rows say so too: an order of which the row knows more reported fills goes on."""
    finishing(orders)()


def finishing(orders: Sequence[Order]) -> Callable[[], None]:
    """The same with other statements (``direct.together``): what it returns has the orders show it, to be called once they have left and
    their transaction has ended."""
    booking = [order for order in orders if order.status == OrderStatus.BOOKING]
    if not booking:
        return lambda: None
    changes: dict[str, Any] = dict.fromkeys(("ended_at", "moved_at"), clock.now()) | {"status": OrderStatus.DONE}
    pks = tuple(order.pk for order in booking)
    ended = direct.ask(direct.updating(Order, changes, _COMPLETE, id=pks, status=OrderStatus.BOOKING))

    def finished() -> None:
        if len(ended.rows or ()) < len(booking):
            refresh(booking)
        else:
            for order in booking:
                show(order, changes)
        for order in booking:
            if order.status == OrderStatus.DONE:
                say(order)

    return finished


def refresh(orders: Sequence[Order]) -> None:
    """Show the rows as they are, in one statement."""
    rows = {pk: columns for pk, *columns in _ROWS.rows(keys=[order.pk for order in orders])}
    for order in orders:
        show(order, dict(zip(CHANGEABLE, rows[order.pk], strict=True)))


def show(order: Order, columns: Mapping[str, Any]) -> None:
    """Let the object have these columns, as its row has them."""
    for name, value in columns.items():
        setattr(order, name, value)


def move(order: Order, expected: tuple[str, ...], to: str, **columns: Any) -> bool:
    """Change the row if its status is one of ``expected``; the object then shows the row as it is. Whether it was changed."""
    columns = {"status": to, **columns, "moved_at": clock.now()}
    (won,) = pipeline.rows_of(_moving(order, expected, columns))
    _moved(order, columns, bool(won))
    return bool(won)


def _moving(order: Order, expected: tuple[str, ...], columns: Mapping[str, Any]) -> Statement:
    """The statement of ``move``: it returns a row if it has changed it."""
    return direct.updating(Order, columns, id=order.pk, status=expected)


def _moved(order: Order, columns: Mapping[str, Any], won: bool) -> None:
    """Let the object show the row as it is after ``_moving``."""
    if won:
        show(order, columns)
        say(order)
    else:
        order.refresh_from_db(fields=CHANGEABLE)


def say(order: Order) -> None:
    """The order's line in the log of events: it was stored, or its status changed."""
    events.emit(
        events.Event.ORDER,
        order=order.pk,
        position=order.position_id,
        profile=order.profile_id,
        mode=order.mode,
        market=order.leg.market_id,
        action=order.action,
        side=order.side,
        price=order.price,
        count=order.count,
        status=order.status,
        attempts=order.attempts,
        code=order.error_code or None,
    )


def no_transaction() -> None:
    """No transaction may be open across a network call. RuntimeError if one is."""
    # a test case's own surrounding transaction is not ours
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("a database transaction is open across a network call")
