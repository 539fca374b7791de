"""Everything that happened in a run, in its order: what two runs are compared by."""

from __future__ import annotations

from datetime import datetime

from strategies.models import Decision
from trading.models import Denial, Fill, Order


def ms(moment: datetime) -> int:
    """Unix milliseconds."""
    return round(moment.timestamp() * 1000)


def read() -> list[tuple[int, str]]:
    """(milliseconds, line) of every decision, denial, order and fill."""
    found: list[tuple[int, int, str]] = []
    for decision in Decision.objects.all():
        legs = ",".join(f"{leg['side']} {leg['ticker']} {leg['count']}@{leg['limit_price']}" for leg in decision.legs)
        text = f"decision {decision.event_id} {decision.kind} {decision.count} cost {decision.cost} [{legs}]"
        found.append((ms(decision.created_at), 0, text))
    found += [
        (ms(denial.at), 1, f"denial {denial.decision.event_id} {denial.code}")
        for denial in Denial.objects.select_related("decision")
    ]
    for order in Order.objects.select_related("leg"):
        text = f"order {order.leg.market_id} {order} {order.purpose} filled {order.filled_count} {order.status}"
        found.append((ms(order.created_at), 2, text))
    for fill in Fill.objects.select_related("order__leg"):
        text = f"fill {fill.order.leg.market_id} {fill.count}@{fill.price} fee {fill.fee}"
        found.append((ms(fill.created_at), 3, text))
    return [(at, text) for at, _, text in sorted(found)]
