"""A quoted basket over the real client against the simulated exchange: what tests of quotes begin with and ask."""

from __future__ import annotations

from typing import Any

from kalbot.common import clock
from strategies.models import Decision, Profile
from tests.trading import live_twin, world
from tests.trading.twin import Twin
from trading.accounting import balance_check
from trading.execution import executor
from trading.execution.orders import quote
from trading.models import Denial, Discrepancy, Order, Position
from trading.reconciliation import inbox, reconcile

DEPTH = 10_000
NO_BIDS, NO_ASKS = (5_500, 5_800, 6_400), (6_400, 6_600, 7_200)
"""Taking NO on all costs 2.02 and pays 2; at the best bids it costs 1.77."""


def begin(settings: Any) -> Twin:
    """A simulated exchange on which taking NO on all legs does not pay and resting it does."""
    quotes = [(10_000 - ask, 10_000 - bid) for bid, ask in zip(NO_BIDS, NO_ASKS, strict=True)]
    found = live_twin.connect(settings, Twin(), quotes, DEPTH)
    quote._checked.clear()
    return found


def profile(name: str = "maker", **columns: Any) -> Profile:
    quoting = {"quoting": "all_legs", "quote_min_margin_ppm": 10_000, "quote_stop_seconds": 3_600}
    budgets = {"orphan_budget": 20 * world.DOLLAR, "orphan_budget_day": 50 * world.DOLLAR}
    return world.add_profile(name, **{"mode": "live"} | quoting | budgets | columns)


def decision(profile: Profile, twin: Twin, count: int = 1_000, **quote_columns: Any) -> Decision:
    limits: dict[str, int] = dict(zip(twin.markets, NO_BIDS if profile.quoting == "all_legs" else NO_ASKS, strict=True))
    until = clock.now_ms() + 86_400_000
    leg = twin.markets[0] if profile.quoting == "one_leg" else ""
    if profile.quoting != "all_legs":
        limits[twin.markets[0]] = 5_600
    meant = {"way": profile.quoting, "leg": leg, "until_ms": until, "orphans": 13 * world.DOLLAR} | quote_columns
    most = count * 20_000 * 1_000_000 // 1_010_000
    return world.decide(profile, twin.row, limits, count, kind="all_no", side="no", quote=meant, max_cost=most)


def begun(twin: Twin, profile: Profile, **columns: Any) -> Position:
    position = executor.execute(decision(profile, twin, **columns).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert position.status == "quoting"
    return position


def step(twin: Twin, position: Position) -> Position:
    """Books and messages of now, then one step."""
    twin.sync()
    twin.send_fills()
    inbox.apply_waiting()
    quote._checked.clear()
    return executor.step(position.pk)


def resting(position: Position) -> dict[str, tuple[int, int]]:
    rows = position.orders.filter(status="resting").order_by("leg_id")
    return {row.leg.market_id: (row.price, left_of(row)) for row in rows}


def left_of(order: Order) -> int:
    return order.count - order.filled_count


def rests_at_the_exchange(twin: Twin) -> int:
    return sum(order.status == "resting" for order in twin.exchange.ledger.orders.values())


def sell_no(twin: Twin, number: int, price: int, count: int) -> None:
    """Somebody sells NO at ``price``: he buys YES at the rest of a dollar, behind whom rests at that price before us."""
    twin.quote(twin.markets[number], "bid", 10_000 - price, count, rest=False)


def held(position: Position) -> list[int]:
    return [leg.held for leg in position.legs.all()]


def agree(profile: Profile) -> None:
    row = reconcile.run("live", "test")
    assert row.error == ""
    assert list(Discrepancy.objects.values_list("code", "key", "ours", "theirs")) == []
    assert balance_check.summary(profile)["difference"] == 0
