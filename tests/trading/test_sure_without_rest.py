"""Legs of NO in an exclusive event pay all but one of them: what pays more than it cost is kept without the rest, never sold at a loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.trading import world
from tests.trading.struck import StruckTwin
from trading import sweeper
from trading.accounting import booking
from trading.closing import settlement
from trading.execution import executor
from trading.models import Position
from trading.reconciliation import late_fills

NO_ASKS = (4_000, 4_500, 6_000)
"""Two of them cost 0.85 and pay a dollar in every state; with the third all three cost 1.45 and pay two."""


@pytest.fixture
def twin(struck: StruckTwin) -> StruckTwin:
    """NO offered at 0.40, 0.45 and 0.60, and bid for ten cents below."""
    for ticker, ask in zip(struck.markets, NO_ASKS, strict=True):
        for side in ("bid", "ask"):
            struck.cancel_makers(ticker, side)
        struck.quote(ticker, "bid", 10_000 - ask, 2_000)
        struck.quote(ticker, "ask", 11_000 - ask, 2_000)
    struck.sync()
    return struck


def _begin(twin: StruckTwin, before: dict[int, Callable[[], object]]) -> Position:
    twin.session.before = before
    profile = world.add_profile("live", mode="live", leg_risk_budget=50 * world.DOLLAR)
    limits = dict(zip(twin.markets, NO_ASKS, strict=True))
    position = executor.execute(world.decide(profile, twin.row, limits, 1_000, "all_no", "no").pk)
    assert position is not None
    return position


def _gone(twin: StruckTwin, number: int) -> Callable[[], None]:
    def gone() -> None:
        for ticker in twin.markets[number:]:
            twin.cancel_makers(ticker, "bid")
        twin.sync()

    return gone


def test_two_legs_that_pay_more_than_they_cost_are_kept_when_the_third_is_gone(twin: StruckTwin) -> None:
    position = _begin(twin, {3: _gone(twin, 2)})
    assert (position.status, position.residual_code, position.guaranteed) == ("open", "held_for_floor", True)
    assert sorted(twin.held().values()) == [-1_000, -1_000]
    assert position.floor - position.cost > 0
    assert not position.orders.filter(action="sell").exists()
    assert (late_fills.reopen_all(), sweeper.sweep()) == (0, 0)
    twin.finish(winner=twin.markets[0])
    settlement.run()
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.realised > 0


def test_one_leg_alone_pays_nothing_for_sure_and_is_sold(twin: StruckTwin) -> None:
    position = _begin(twin, {2: _gone(twin, 1)})
    assert (position.status, position.close_type) == ("aborted", "unwound")
    assert twin.held() == {}


def test_where_a_sale_brings_more_than_what_is_sure_it_is_sold(twin: StruckTwin) -> None:
    def higher_bids() -> None:
        _gone(twin, 2)()
        for ticker in twin.markets[:2]:
            twin.cancel_makers(ticker, "bid")
            twin.cancel_makers(ticker, "ask")
            twin.quote(ticker, "ask", 3_000, 2_000)  # NO is bid for at 0.70
        twin.sync()

    position = _begin(twin, {3: higher_bids})
    assert (position.status, twin.held()) == ("aborted", {})
    assert position.realised > 0


def test_what_is_left_after_somebody_sold_one_of_the_kept_legs_is_dealt_with(twin: StruckTwin) -> None:
    position = _begin(twin, {3: _gone(twin, 2)})
    leg = position.legs.get(market=twin.markets[0])
    booking.correct(leg.pk, count=leg.held, proceeds=3_000_000, key="sold", evidence={}, actor="ann", reason="sold it")
    position.refresh_from_db()
    assert (position.residual_code, position.guaranteed) == ("", False)
    assert late_fills.reopen_all() == 1
    position.refresh_from_db()
    assert position.status == "unwinding"
