"""The places of our quotes in the queues of the exchange: how many contracts stand before each, read now and then."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from kalbot.common import cache, clock
from kalbot.common.db.prepared import Prepared
from markets.kalshi.errors import KalshiError
from strategies.models import Mode
from trading.models import Order, OrderStatus
from trading.venues import connection

EVERY: Final = 10
"""Seconds between two reads of a subaccount: one request for all of its quotes."""
STALE: Final = timedelta(seconds=45)
"""An older place says nothing any more."""
log = logging.getLogger(__name__)


def measure() -> int:
    """Read the places of all live quotes, one request a subaccount. Returns how many were read; 0 while another worker does it."""
    found: dict[int | None, list[Order]] = {}
    for order in _RESTING.rows():
        found.setdefault(order.subaccount, []).append(order)
    return sum(_read(subaccount, orders) for subaccount, orders in found.items() if _is_due(subaccount))


_RESTING: Final = Prepared(
    lambda: (
        Order.objects.filter(mode=Mode.LIVE, purpose=Order.Purpose.QUOTE, status=OrderStatus.RESTING)
        .exclude(exchange_order_id="")
        .select_related("leg")
    )
)


def _is_due(subaccount: int | None) -> bool:
    """Whether nobody has read them within ``EVERY`` seconds."""
    return bool(cache.prices().set(cache.key(f"queue positions:{subaccount}"), 1, nx=True, ex=EVERY))


def _read(subaccount: int | None, orders: list[Order]) -> int:
    tickers = sorted({order.leg.market_id for order in orders})
    try:
        places = connection.client().orders.queue_positions(market_tickers=tickers, subaccount=subaccount)
    except KalshiError as error:
        log.warning("queue positions not read: %s", error)
        return 0
    ahead, now = {place.order_id: place.ahead for place in places}, clock.now()
    for order in orders:
        if order.exchange_order_id in ahead:
            Order.objects.filter(pk=order.pk).update(queue_ahead=ahead[order.exchange_order_id], queue_at=now)
    return len(ahead)
