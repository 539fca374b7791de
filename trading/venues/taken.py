"""What orders on paper took from the displayed book lately: a real book would not show it any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import Q

from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE
from markets.book import Level, Side
from trading.models import Order, PaperOrder

MEMORY_SECONDS: Final = 60
"""How long a level that we took from counts as taken. A real book refills or moves on within that time."""


def left_of(paper: PaperOrder, order: Order, levels: list[Level], taken: dict[tuple[str, int], int]) -> list[Level]:
    """What of ``levels`` (price, count) is left for this order: less what is ``taken``, at most what it still wants."""
    found, wanted = [], paper.remaining_count
    for price, displayed in levels:
        count = min(wanted, displayed - taken.get(_bid_price(order.side, order.action, price), 0))
        if count > 0:
            found.append((price, count))
            wanted -= count
    return found


def lately(order: Order) -> dict[tuple[str, int], int]:
    """What the profile took from each level that an execution of its met lately, whenever its order was placed. Trades that reached a
    resting order took nothing that is displayed."""
    since = clock.now() - timedelta(seconds=MEMORY_SECONDS)
    since_ms = int(since.timestamp() * 1000)
    late = Q(at__gte=since) | Q(is_open=True) | Q(order__moved_at__gte=since)
    rows = PaperOrder.objects.filter(late, profile=order.profile, market=order.leg.market)
    taken: dict[tuple[str, int], int] = {}
    for side, action, fills in rows.values_list("side", "action", "fills"):
        for _, price, count, _fee, _is_taker, at_ms, *met in fills:
            found = met[0] if met else price  # rows of earlier releases know no other
            if found is not None and at_ms >= since_ms:
                level = _bid_price(side, action, found)
                taken[level] = taken.get(level, 0) + count
    return taken


def _bid_price(side: str, action: str, price: int) -> tuple[str, int]:
    """The level of the book that an execution took from, as (side, price) of the bid that stood there."""
    if action == Order.Action.SELL:
        return side, price
    return Side(side).other.value, DOLLAR_PRICE - price
