"""How an order ended, in words for people: that it is over says little, whether it was filled says what happened."""

from __future__ import annotations

from typing import Final

from markets.kalshi.vocabulary import TimeInForce
from trading.execution.orders import inflight
from trading.models import OPEN_ORDERS, Order, OrderStatus

ENDED: Final = {
    "filled": "It ended; all of it was filled.",
    "partly filled": "It ended; the rest was not to be had at its limit price in time, or was cancelled.",
    "not filled": "It ended: when it arrived nobody traded at its limit price.",
    "cancelled": "It rested and was cancelled before anything of it was filled; the events of its position say why.",
    "expired": "It rested until it expired, and nothing of it was filled.",
}

IN_FORCE: Final = {
    TimeInForce.IOC: "immediate or cancel: what is not filled at once is cancelled",
    TimeInForce.FOK: "fill or kill: all of it at once, or nothing",
    TimeInForce.GTC: "good till cancelled: it rests in the book until it is filled, cancelled or expires",
}


def in_force(code: str) -> str:
    """How long the exchange tries to fill an order, in words; a code that is not known stays as it is."""
    return next((words for known, words in IN_FORCE.items() if known == code), code)


def can_fill_more(order: Order) -> str:
    """Whether more of an order can still come. The column ``is_final`` alone would say no of one that was filled."""
    if order.filled_count >= order.count:
        return "no: all of it was filled"
    if order.status in OPEN_ORDERS:
        return "yes: it has not ended"
    if inflight.is_refused_in_batch(order) or any(inflight.is_short(order, action) for action in Order.Action.values):
        return "not known: no later read of the exchange has confirmed its end yet"
    return "no: the exchange confirmed its end" if order.is_final else "no: it did not reach the exchange"


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
