"""The fills of several orders are read and booked together; what contradicts one order is no harm to the others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kalbot.common import clock
from tests.trading import world
from tests.trading.struck import StruckTwin
from trading.accounting import ledger
from trading.execution.orders import fills, inflight
from trading.models import Discrepancy, Fill, Leg, Order, OrderStatus, Position
from trading.reconciliation import reconcile

pytestmark = pytest.mark.django_db(transaction=True)


def _two_orders(twin: StruckTwin) -> list[Order]:
    """Two purchases of one position that the exchange is said to have filled whole."""
    profile = world.add_profile("live", mode="live")
    ledger.ensure_funded(profile)
    decision = world.decide(profile, twin.row, dict.fromkeys(twin.markets[:2], 3_200), 100)
    position = Position.objects.create(
        profile=profile, mode="live", decision=decision, event=twin.row, kind="all_yes", target_count=100
    )
    made = []
    for number, market in enumerate(twin.markets[:2]):
        leg = Leg.objects.create(
            position=position, market_id=market, side="yes", sequence=number, target_count=100, limit_price=3_200
        )
        columns: dict[str, Any] = {"action": "buy", "purpose": "entry", "side": "yes", "price": 3_200, "count": 100}
        columns |= {"status": OrderStatus.BOOKING, "exchange_order_id": f"o{number}", "reported_fill_count": 100}
        made.append(Order.objects.create(profile=profile, mode="live", position=position, leg=leg, **columns))
    return made


def _listed(order: str, ticker: str, count: str) -> dict[str, Any]:
    return {
        "fill_id": f"t-{order}",
        "trade_id": f"t-{order}",
        "order_id": order,
        "ticker": ticker,
        "market_ticker": ticker,
        "side": "yes",
        "outcome_side": "yes",
        "book_side": "bid",
        "action": "buy",
        "count_fp": count,
        "yes_price_dollars": "0.3000",
        "no_price_dollars": "0.7000",
        "fee_cost": "0.01",
        "is_taker": True,
        "created_time": "2026-11-23T12:00:00Z",
    }


def _show(twin: StruckTwin, *counts: str) -> None:
    listed = [_listed(f"o{n}", twin.markets[n], count) for n, count in enumerate(counts)]
    twin.session.answers["/portfolio/fills"] = msgspec.json.encode({"fills": listed, "cursor": ""})


def test_all_orders_are_booked_and_ended_together(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    _show(struck, "1.00", "1.00")
    seen: list[int] = []
    assert fills.collect_all(orders, lambda booking: seen.append(len(booking.orders)))
    assert seen == [2]
    assert {order.status for order in orders} == set(Order.objects.values_list("status", flat=True)) == {"done"}
    assert Fill.objects.count() == 2


def test_the_fills_of_several_orders_are_one_request(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    _show(struck, "1.00", "1.00")
    struck.session.sent.clear()
    assert fills.collect_all(orders)
    assert [path for _, path, _ in struck.session.sent if path.endswith("/fills")] == ["/trade-api/v2/portfolio/fills"]


def test_a_listing_of_several_orders_that_cannot_be_read_is_no_harm_to_one_that_can(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    unreadable = msgspec.json.encode({"fills": [_listed("o0", struck.markets[0], "much")], "cursor": ""})
    readable = msgspec.json.encode({"fills": [_listed("o1", struck.markets[1], "1.00")], "cursor": ""})
    real = struck.session.send

    def of_each(request: Any, **kwargs: Any) -> Any:
        struck.session.answers["/portfolio/fills"] = readable if "order_id=o1" in request.url else unreadable
        return real(request, **kwargs)

    struck.session.send = of_each  # type: ignore[method-assign]
    assert not fills.collect_all(orders, waits=(0.0,))
    assert [order.status for order in orders] == ["booking", "done"]


def test_an_old_order_among_several_is_read_from_the_history_too(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    Order.objects.update(created_at=clock.now() - timedelta(hours=2))
    for order in orders:
        order.refresh_from_db()
    struck.session.answers["/portfolio/fills"] = msgspec.json.encode({"fills": [], "cursor": ""})
    listed = [_listed(f"o{n}", struck.markets[n], "1.00") for n in range(2)]
    struck.session.answers["/historical/fills"] = msgspec.json.encode({"fills": listed, "cursor": ""})
    assert fills.collect_all(orders)
    assert Fill.objects.count() == 2


def test_fills_that_contradict_one_order_are_no_harm_to_the_other(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    _show(struck, "1.50", "1.00")
    assert not inflight.collect_all(orders)
    assert list(Fill.objects.values_list("order", flat=True)) == [orders[1].pk]
    assert [order.status for order in orders] == ["booking", "done"]


def test_nothing_follows_while_one_order_lacks_a_fill(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    _show(struck, "1.00", "0.50")
    seen: list[object] = []
    assert not fills.collect_all(orders, seen.append, waits=(0.0, 0.0))
    assert seen == []
    assert [order.status for order in orders] == ["done", "booking"]
    assert sorted(Order.objects.values_list("filled_count", flat=True)) == [50, 100]


def test_an_order_that_more_was_reported_of_meanwhile_is_not_ended(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    Order.objects.filter(pk=orders[0].pk).update(count=200, reported_fill_count=200)
    _show(struck, "1.00", "1.00")
    assert not fills.collect_all(orders, waits=(0.0,))
    assert [order.status for order in orders] == ["booking", "done"]
    assert orders[0].reported_fill_count == 200


def test_a_comparison_books_a_position_together_and_names_what_contradicts_its_order(struck: StruckTwin) -> None:
    orders = _two_orders(struck)
    _show(struck, "1.50", "1.00")
    reconcile.run("live", "test")
    assert list(Fill.objects.values_list("order", flat=True)) == [orders[1].pk]
    assert list(Discrepancy.objects.filter(code=Discrepancy.Code.FILL_IMPOSSIBLE).values_list("key", flat=True)) == [
        "t-o0"
    ]
    assert Order.objects.get(pk=orders[1].pk).status == "done"
    _show(struck, "1.00", "1.00")
    reconcile.run("live", "again")
    assert Fill.objects.count() == 2
    assert set(Order.objects.values_list("status", flat=True)) == {"done"}
