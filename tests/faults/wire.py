"""What must hold for each request that leaves, and for each answer: checked at the wire, where nothing can be explained away."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from kalbot.common.units import parse_count, parse_price
from trading.books import live_books
from trading.execution.sizing import walk
from trading.models import ExitRequest, Leg, Order, Position
from trading.safety import halt

if TYPE_CHECKING:
    from tests.faults.harness import Run

HUNDREDTH = 1


def check_sending(run: Run, url: str, body: Any) -> None:
    """Nothing leaves under HALTED, no new risk under REDUCING, no sale below its accepted least price, and no purchase that leaves a
    half-filled basket beyond the budget. A quote that is to rest for longer is new risk too."""
    if urlsplit(url).path.endswith("/amend"):
        moved = Order.objects.select_related("profile").get(exchange_order_id=urlsplit(url).path.split("/")[-2])
        state = halt.current(moved.profile)
        assert state == halt.State.ACTIVE, f"{moved} is prolonged under {state}"
    for order in _orders(body):
        row = Order.objects.select_related("profile", "leg").filter(pk=order["client_order_id"]).first()
        assert row is not None, f"an order leaves that no row knows: {order}"
        state = halt.current(row.profile)
        assert state != halt.State.HALTED, f"{row} leaves under {state}"
        spends_id = parse_count(order["count"]) == HUNDREDTH
        reduces = row.action == Order.Action.SELL or row.purpose == Order.Purpose.COMPLETE or spends_id
        assert reduces or state == halt.State.ACTIVE, f"{row} leaves under {state}"
        if row.purpose == Order.Purpose.EXIT:
            _check_least(row, parse_price(order["price"]))
    check_budget(run, body)


def _orders(body: Any) -> list[dict[str, Any]]:
    wire = msgspec.json.decode(body) if body else {}
    found: list[dict[str, Any]] = wire.get("orders", [wire]) if "client_order_id" in wire or "orders" in wire else []
    return found


def _check_least(row: Order, yes_price: int) -> None:
    price = yes_price if row.side == "yes" else 10_000 - yes_price
    request = ExitRequest.objects.filter(position=row.position).order_by("-id").first()
    assert request is not None, f"{row} is an exit that nobody requested"
    least = {(one["ticker"], one["side"]): one["price"] for one in request.least_prices}
    accepted = least.get((row.leg.market_id, row.side))
    assert accepted is not None, f"{row} has no accepted price"
    assert price >= accepted, f"{row} is sold at {price}, accepted was {accepted}"


def check_answer(run: Run, status: int, body: bytes) -> None:
    """Cash is promised once: the exchange never lacks it, unless somebody took it away or a fault says so."""
    short = status == 400 and b"insufficient_balance" in body
    assert not short or run.harsh.has_actor, "an order was sent for which there is no cash"


def check_budget(run: Run, body: Any) -> None:
    """Before a purchase: selling everything held and this order at the books the bot can see stays within the budget,
    unless the basket is then whole. Of several orders in one request any may fill: the most expensive of all their subsets counts."""
    orders = _orders(body)
    position = Position.objects.filter(decision=run.decision, orders__in=[o["client_order_id"] for o in orders]).first()
    if not orders or orders[0].get("reduce_only") or position is None or parse_count(orders[0]["count"]) == HUNDREDTH:
        return
    quoted = live_books.read(run.twin.row)
    if not quoted.prices.live or run.disturbed or "jumps" in run.harsh.troubles or "ends" in run.harsh.troubles:
        return  # the books moved after the plan was made: what counts then is the loss at the end
    legs = list(position.legs.all())
    for size in range(1, len(orders) + 1):
        for filled in combinations(orders, size):
            ordered: dict[str, int] = {order["ticker"]: parse_count(order["count"]) for order in filled}
            loss, lacking = _half_filled(legs, ordered, quoted)
            if lacking:
                budget = run.profile.leg_risk_budget
                assert loss <= budget, f"half-filled for {loss} of {budget}, {sorted(ordered)}"


def _half_filled(legs: list[Leg], ordered: dict[str, int], quoted: live_books.LiveBooks) -> tuple[int, int]:
    """(loss of selling what is bought and what is ordered, legs that would still be empty)."""
    loss, lacking = 0, 0
    for leg in legs:
        bought = [max(o.filled_count, o.reported_fill_count or 0) for o in leg.orders.filter(action="buy")]
        count = sum(bought) + ordered.get(leg.market_id, 0)
        lacking += count == 0
        paid = walk.buy(quoted.asks(leg.market_id, leg.side), count, leg.limit_price, quoted.fee(leg.market_id)).cost
        loss += paid - walk.sell(quoted.bids(leg.market_id, leg.side), count, 1, quoted.fee(leg.market_id)).proceeds
    return loss, lacking
