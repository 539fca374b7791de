"""An order's executions by the totals of its own listing, where the executions themselves are never listed."""

from __future__ import annotations

from collections.abc import Sequence

from kalbot.common import clock
from kalbot.common.units import DOLLAR_PRICE
from markets.kalshi.schemas.orders import Order as ListedOrder
from trading.accounting.fill_reports import FillReport
from trading.models import Order
from trading.venues.protocol import Unresolved


def reports(order: Order, listed: ListedOrder, booked: Sequence[tuple[int, int, int]]) -> list[FillReport]:
    """What ``listed`` filled beyond the ``booked`` (price, count, fee) of ``order``, in at most two executions whose sum is exact.

    Costs are those of the outcome that the order moves the account towards: of a sale, of the other side. Unresolved if
    less is listed than booked, or if the average price is outside of the order's limit.
    """
    count = listed.fill_count - sum(count for _, count, _ in booked)
    if count <= 0:
        if count < 0:
            raise Unresolved(f"the exchange lists {listed.fill_count} filled, more is booked")
        return []
    cost = listed.taker_fill_cost + listed.maker_fill_cost
    total = cost if listed.outcome_side == order.side else DOLLAR_PRICE * listed.fill_count - cost
    total -= sum(price * count for price, count, _ in booked)
    fee = listed.fees - sum(fee for _, _, fee in booked)
    low, more = divmod(total, count)
    high = low + (more > 0)
    is_within = high <= order.price if order.action == Order.Action.BUY else low >= order.price
    if not is_within or low <= 0:
        raise Unresolved(
            f"an average of {total / count / 10_000:.4f} dollars contradicts the limit {order.price / 10_000:.4f}"
        )
    parts = [(low, count - more), (high, more)]
    is_taker = bool(listed.taker_fill_cost)
    return [
        FillReport(f"averages-{number}", price, part, fee if number == 0 else 0, is_taker, clock.now_ms())
        for number, (price, part) in enumerate(parts)
        if part
    ]
