"""Several orders in one request: all rows are stored in one transaction before it leaves, and each order has a fate of its own.

Accepted in part is the ordinary case. A request without an answer leaves every one of its orders unclear, and each is asked
about under its own id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from trading import pace
from trading.execution.orders import submit
from trading.models import Leg, Order, Position
from trading.states import Lease
from trading.venues.protocol import Ack, Refused


@dataclass(frozen=True, slots=True)
class Wanted:
    """One order of a batch: ``count`` (1/100 contract) of the leg at ``price`` (its own side) or better."""

    leg: Leg
    price: int
    count: int


def place_all(
    held: Lease, position: Position, wanted: Sequence[Wanted], *, keep_back: int = 0, **columns: Any
) -> list[Order]:
    """Store all orders, then send them together. Returns the rows as they stand afterwards; never raises for what the venue
    says. ``columns`` are those of every order. Overtaken if the lease is gone: then nothing is stored."""
    with transaction.atomic():
        held.renew()
        rows = [submit.row(position, one.leg, price=one.price, count=one.count, **columns) for one in wanted]
        orders = Order.objects.bulk_create(rows)
    send_all(orders, keep_back)
    return orders


def send_all(orders: Sequence[Order], keep_back: int = 0) -> None:
    """Send orders stored as ``sending``. Those refused in a way that says so are tried again, under the same ids."""
    venue, todo, unclear = submit.venue_of(orders[0]), list(orders), []
    for pause in (*submit.SEND_WAITS, None):
        submit.no_transaction()
        again = []
        for order, answer in zip(todo, venue.create_many(todo, keep_back), strict=True):
            if isinstance(answer, Ack):
                submit.record(order, answer)
            elif isinstance(answer, Refused) and answer.retry and pause is not None:
                again.append(order)
            elif isinstance(answer, Refused):
                submit.reject(order, answer)
            else:
                submit.doubt(order, answer)
                unclear.append(order)
        if not again or pause is None:
            break
        pace.wait(pause)
        todo = [order for order in again if submit.goes_again(order)]
        if not todo:
            break
    for order in unclear:
        submit.ask(order, wanted=True)
