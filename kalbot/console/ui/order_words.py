"""How an order ended, in words for people: that it is over says little, whether it was filled says what happened."""

from __future__ import annotations

from typing import Final

from trading.models import Order, OrderStatus

ENDED: Final = {
    "filled": "It ended; all of it was filled.",
    "partly filled": "It ended; the rest was not to be had at its limit price in time, or was cancelled.",
    "not filled": "It ended: when it arrived nobody traded at its limit price.",
    "cancelled": "It rested and was cancelled before anything of it was filled; the events of its position say why.",
    "expired": "It rested until it expired, and nothing of it was filled.",
}


def outcome(order: Order) -> str:
    """A word of ``ENDED`` for an order that has come to its end with its fills booked, else its status."""
    if order.status != OrderStatus.DONE:
        return str(order.status)
    if order.filled_count >= order.count:
        return "filled"
    if order.filled_count:
        return "partly filled"
    if order.rested_at is None:
        return "not filled"
    until, ended = order.expires_at, order.ended_at
    return "expired" if until is not None and ended is not None and ended >= until else "cancelled"
