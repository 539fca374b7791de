"""Several orders in one request: all rows are stored in one transaction before it leaves, and each order has its own outcome.

Accepted in part is the ordinary case. A request without an answer leaves every one of its orders unknown, and each is
resolved under its own id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from kalbot.common import clock
from kalbot.common.db import direct
from kalbot.common.db.pipeline import Statement
from trading.execution.orders import gate, record, submit
from trading.leases import Lease
from trading.models import Leg, Order, Position
from trading.venues import factory, grids
from trading.venues.protocol import Ack, Refused


@dataclass(frozen=True, slots=True)
class Wanted:
    """One order of a batch: ``count`` (1/100 contract) of the leg at ``price`` (its own side) or better."""

    leg: Leg
    price: int
    count: int


def place_all(
    lease: Lease, position: Position, wanted: Sequence[Wanted], *, keep_back: int = 0, **columns: Any
) -> list[Order]:
    """Store all orders, then send them together. Returns the rows as they are afterwards; never raises for what the venue
    answers. ``columns`` are those of every order. Overtaken if the lease is gone: then nothing is stored."""
    with transaction.atomic():
        lease.renew()
        orders = [submit.new_order(position, one.leg, price=one.price, count=one.count, **columns) for one in wanted]
        for order in orders:
            order.lease_token = lease.token
        direct.insert(orders)
        for order in orders:
            record.say(order)
    send_all(orders, keep_back)
    return orders


def send_all(orders: Sequence[Order], keep_back: int = 0, beside: list[Statement] | None = None) -> None:
    """Send orders stored as ``sending``. Those refused for the rate limit are tried again, under the same ids. ``beside``: see
    ``record.acknowledge_all``."""
    venue, todo, unclear = factory.venue_for(orders[0].mode), list(orders), []
    for pause in (*submit.SEND_WAITS, None):
        record.no_transaction()
        again = []
        answers = list(zip(todo, venue.create_many(todo, keep_back, gate.of_all(todo)), strict=True))
        record.acknowledge_all([(order, answer) for order, answer in answers if isinstance(answer, Ack)], beside)
        for order, answer in answers:
            if isinstance(answer, Ack):
                continue
            if isinstance(answer, Refused) and answer.retry and pause is not None:
                again.append(order)
            elif isinstance(answer, Refused):
                record.reject(order, answer, is_final=False)
                grids.refused(order)
            else:
                record.mark_unknown(order, answer)
                unclear.append(order)
        if not again or pause is None:
            break
        clock.sleep(pause)
        todo = [order for order in again if record.mark_resent(order)]
        if not todo:
            break
    for order in unclear:
        submit.resolve(order, wanted=True)
