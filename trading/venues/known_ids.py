"""Which exchange ids of our rows a read has shown to be theirs: an answer may have named another order."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from markets.kalshi.schemas.orders import Order as ListedOrder
from trading.models import Order

KEPT: Final = 10_000
_known: dict[UUID, str] = {}


def remember(order: Order, listed: ListedOrder) -> bool:
    """Whether what is read under the row's exchange id has our client id; if so it is known from now on, in this process."""
    if listed.client_order_id != str(order.pk):
        return False
    if len(_known) >= KEPT:
        _known.clear()
    _known[order.pk] = listed.order_id
    return True


def is_known(order: Order) -> bool:
    """Whether the row's exchange id has been read as the one of our client id."""
    return _known.get(order.pk) == order.exchange_order_id
