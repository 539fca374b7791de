"""Orders that the simulated exchange has filled and we have only the rows of, as if every answer had been lost."""

from __future__ import annotations

from typing import Any


def place_many(twin: Any, profile: Any, market: str, count: int) -> list[Any]:
    """``count`` purchases of one hundredth in ``market``; returns their keys."""
    from kalbot.common import clock
    from simulator.rest.app import handle
    from tests.trading import world
    from trading.accounting import ledger
    from trading.models import Leg, Order, Position

    ledger.ensure_funded(profile)
    decision = world.decide(profile, twin.row, {market: 4_200}, kind="coverage")
    position = Position.objects.create(
        profile=profile, mode="live", decision=decision, event=twin.row, kind="coverage", target_count=count
    )
    leg = Leg.objects.create(position=position, market_id=market, side="yes", target_count=count, limit_price=4_200)
    rows = [
        Order(
            profile=profile,
            mode="live",
            position=position,
            leg=leg,
            action="buy",
            purpose="entry",
            side="yes",
            price=4_200,
            count=1,
            status="unknown",
            sent_at=clock.now(),
        )
        for _ in range(count)
    ]
    Order.objects.bulk_create(rows, batch_size=500)
    for order in rows:
        body = {
            "ticker": market,
            "side": "bid",
            "price": "0.4200",
            "count": "0.01",
            "client_order_id": str(order.pk),
            "time_in_force": "immediate_or_cancel",
            "self_trade_prevention_type": "taker_at_cross",
        }
        handle(twin.exchange, "POST", "/portfolio/events/orders", "", {}, body)
    return [order.pk for order in rows]
