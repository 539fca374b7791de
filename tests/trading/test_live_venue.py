"""What the exchange's answers mean for money."""

from __future__ import annotations

from typing import Any

import pytest

from markets.kalshi.errors import (
    AlreadyExists,
    InsufficientBalance,
    KalshiError,
    LocallyRateLimited,
    MarketInactive,
    OutcomeUnknown,
    Paused,
    RateLimited,
    Rejected,
    SchemaError,
    Unreachable,
)
from markets.kalshi.order_entry import Buy, Sell
from tests.trading import world
from trading.models import Leg, Order, Position
from trading.venues import wire as wire_orders
from trading.venues.live import LiveVenue
from trading.venues.protocol import Refused, Unresolved


@pytest.fixture
def order() -> Any:
    profile, event = world.add_profile(mode="live", subaccount=3), world.add_event(outcomes=1)
    decision = world.decide(profile, event, {"KXT-1-0": 4_000}, kind="coverage")
    position = Position.objects.create(
        profile=profile, mode="live", decision=decision, event=event, kind="coverage", target_count=100
    )

    def make(action: str = "buy", side: str = "yes", price: int = 4_000) -> Order:
        leg, _ = Leg.objects.get_or_create(
            position=position, market_id="KXT-1-0", side=side, defaults={"target_count": 100, "limit_price": price}
        )
        return Order.objects.create(
            profile=profile,
            mode="live",
            position=position,
            leg=leg,
            action=action,
            purpose="entry",
            side=side,
            price=price,
            count=100,
            exchange_index=2,
            subaccount=3,
        )

    return make


class _Failing:
    """A client whose every order call fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.orders = self

    def create(self, *args: Any, **kwargs: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (RateLimited(429, "too_many_requests"), True),
        (LocallyRateLimited("no tokens"), True),
        (Unreachable("no route"), True),
        (Paused(409, "trading_is_paused"), False),
        (MarketInactive(400, "market_inactive"), False),
        (InsufficientBalance(400, "insufficient_balance"), False),
        (Rejected(400, "invalid_price"), False),
    ],
)
def test_definite_no(order: Any, error: KalshiError, retry: bool) -> None:
    with pytest.raises(Refused) as refused:
        LiveVenue(_Failing(error)).create(order())  # type: ignore[arg-type]
    assert refused.value.retry is retry


@pytest.mark.parametrize(
    "error", [OutcomeUnknown("time-out"), OutcomeUnknown("503", 503), AlreadyExists(409, "x"), SchemaError("?")]
)
def test_anything_else_is_not_a_no(order: Any, error: KalshiError) -> None:
    with pytest.raises(Unresolved):
        LiveVenue(_Failing(error)).create(order())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "side", "book_side", "yes_price"),
    [
        ("buy", "yes", "bid", "0.4000"),
        ("buy", "no", "ask", "0.6000"),
        ("sell", "yes", "ask", "0.4000"),
        ("sell", "no", "bid", "0.6000"),
    ],
)
def test_a_sale_is_a_reduce_only_order_of_the_other_direction(
    order: Any, action: str, side: str, book_side: str, yes_price: str
) -> None:
    row = order(action, side)
    wire = wire_orders.to_wire(row)
    assert type(wire) is (Sell if action == "sell" else Buy)
    body = wire.to_wire()
    assert (body["side"], body["price"]) == (book_side, yes_price)
    assert body.get("reduce_only", False) is (action == "sell")
    assert body["client_order_id"] == str(row.pk)
    assert (body["exchange_index"], body["subaccount"]) == (2, 3)


@pytest.mark.parametrize(("action", "side"), [("buy", "yes"), ("buy", "no"), ("sell", "yes"), ("sell", "no")])
def test_spending_an_id_can_trade_only_at_a_cent(order: Any, action: str, side: str) -> None:
    row = order(action, side)
    probe = wire_orders.harmless(row)
    assert probe is not None
    body = probe.to_wire()
    own = body["price"] if side == "yes" else f"{1 - float(body['price']):.4f}"
    assert own == ("0.0100" if action == "buy" else "0.9900")
    assert body["client_order_id"] == str(row.pk)
    assert body["time_in_force"] == "immediate_or_cancel"
