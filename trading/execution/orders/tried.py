"""Whether a purchase has been tried on the very book that is shown now: what it did not get there is not there, until the book changes."""

from __future__ import annotations

from collections.abc import Iterable

from trading.books import live_books
from trading.models import Leg, Order, OrderStatus, Position


def on_these_books(position: Position, wanted: Iterable[tuple[Leg, int]], orders: Iterable[Order]) -> bool:
    """Whether one of ``wanted`` (leg, price) was to be bought at that price or more on the version of its book that is shown now, by the
    last of ``orders`` that was to take something, which did not get all of it."""
    last = {o.leg_id: o for o in orders if o.action == Order.Action.BUY and o.purpose != Order.Purpose.QUOTE}
    short = [(leg, last[leg.pk], price) for leg, price in wanted if leg.pk in last and _is_short(last[leg.pk])]
    now = live_books.versions(position.event) if short else {}
    return any(order.book_version == now.get(leg.market_id) and order.price >= price for leg, order, price in short)


def at_limits(position: Position, legs: Iterable[Leg], orders: Iterable[Order]) -> bool:
    """The same of legs that are to be bought at their limits."""
    return on_these_books(position, [(leg, leg.limit_price) for leg in legs], orders)


def _is_short(order: Order) -> bool:
    """Whether the order met the book and took less than it wanted."""
    return order.status == OrderStatus.DONE and order.filled_count < order.count
