"""What a step of a quote goes by, read in one message: its orders and legs, what else of ours is at work or bids in its markets, and
whether somebody wants to leave it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.db import fetch
from trading.books import others_books, own_orders
from trading.books.others_books import Beside
from trading.denials import Refusal
from trading.execution.orders import inflight
from trading.execution.phases import selling
from trading.models import ExitRequest, Leg, Order, OrderStatus, Position
from trading.safety import live_readiness

REFUSED: Final = timedelta(seconds=60)
"""So long a refused quote may hold back its leg."""


@dataclass(frozen=True, slots=True)
class QuoteRows:
    """``orders``: oldest first, without those that are over and say nothing any more; ``legs``: as they are bought. ``stopped``: why bids
    may not rest for what else of ours is at work; ``beside``: what else the account bids in the markets. ``is_reconciled``: whether live
    books were compared lately."""

    orders: list[Order]
    legs: list[Leg]
    request: ExitRequest | None
    stopped: Refusal | None
    beside: Beside
    is_reconciled: bool


def read(position: Position) -> QuoteRows:
    """As they are now."""
    now = clock.now()
    orders, legs, requests, at_work, beside, is_reconciled = fetch.together(
        inflight.reading(position, now - others_books.SHOWN_FOR, now - REFUSED),
        inflight.reading_legs(position),
        selling.reading_request(position),
        own_orders.reading_work(position),
        others_books.reading(position),
        live_readiness.reading(),
    )
    orders = inflight.attached(orders, position, legs)
    if any(one.status == OrderStatus.REJECTED or one.shrunk_to is not None for one in orders):
        orders = inflight.orders_of(position)  # how often it was refused, and what filled after, says the whole of them
    return QuoteRows(orders, legs, requests, own_orders.stopped_by(legs, at_work), beside, is_reconciled)
