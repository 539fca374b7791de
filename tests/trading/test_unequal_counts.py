"""A NO basket whose legs have different counts, from decision to settlement: whole baskets are shares of all its legs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.models import Event, Market
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.struck import Striking, StruckTwin
from trading.accounting import balance_check
from trading.closing import exits, settlement
from trading.execution import executor
from trading.execution.sizing import walk
from trading.models import Denial, Order, Position
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection

COUNTS = {"KXT-1-0": 3_000, "KXT-1-1": 3_000, "KXT-1-2": 1_000}
LIMITS = {"KXT-1-0": 4_000, "KXT-1-1": 4_000, "KXT-1-2": 7_000}
FLOOR = 40 * world.DOLLAR  # 30 + 30 + 10 less the largest


def _decide(profile: Profile, event: Event, counts: dict[str, int], limits: dict[str, int]) -> Decision:
    legs = [{"ticker": t, "side": "no", "count": counts[t], "limit_price": limits[t]} for t in limits]
    cost = sum(walk.most_for(limits[t], counts[t], world.FEES) for t in limits)
    sums = {"cost": cost, "max_cost": cost, "floor": FLOOR, "guaranteed": True}
    return world.decide(profile, event, limits, max(counts.values()), "all_no", "no", legs=legs, **sums)


def _offered(sizes: dict[str, int]) -> None:
    """NO is offered at its limit in these sizes, and bid two cents below."""
    books = {
        ticker: (((10_000 - LIMITS[ticker], size),) if size else (), ((LIMITS[ticker] - 200, 100_000),))
        for ticker, size in sizes.items()
    }
    world.publish("KXT-1", books)


def _bought(sizes: dict[str, int], **columns: Any) -> Position:
    profile, event = world.add_profile(**columns), world.add_event()
    _offered(sizes)
    position = executor.execute(_decide(profile, event, COUNTS, LIMITS).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def _held(position: Position) -> dict[str, int]:
    return {leg.market_id: leg.held for leg in position.legs.all()}


def test_each_leg_is_bought_in_its_own_count() -> None:
    position = _bought(COUNTS)
    assert (position.status, position.matched_count, position.floor) == ("open", 3_000, FLOOR)
    assert _held(position) == COUNTS
    assert position.floor - position.cost == 7_845_000


@pytest.mark.parametrize("winner, paid", [("KXT-1-0", 40), ("KXT-1-2", 60), (None, 70)])
def test_settlement_pays_what_each_leg_holds_and_never_less_than_the_floor(winner: str | None, paid: int) -> None:
    position = _bought(COUNTS)
    cost = position.cost
    for market in Market.objects.all():
        won = market.ticker == winner
        market.status, market.result, market.settlement_value_e6 = "finalized", "yes" if won else "no", 10**6 * won
        market.save()
    settlement.run()
    position.refresh_from_db()
    assert (position.status, position.payout) == ("settled", paid * world.DOLLAR)
    assert position.realised == paid * world.DOLLAR - cost
    assert balance_check.summary(position.profile)["difference"] == 0


def test_a_smaller_basket_is_the_same_share_of_every_leg() -> None:
    position = _bought({"KXT-1-0": 1_500, "KXT-1-1": 3_000, "KXT-1-2": 1_000})
    assert (position.status, position.matched_count) == ("open", 1_500)
    assert _held(position) == {"KXT-1-0": 1_500, "KXT-1-1": 1_500, "KXT-1-2": 500}
    assert position.floor == FLOOR // 2


@pytest.fixture
def twin(settings: Any) -> StruckTwin:
    settings.KALBOT_LIVE = True
    found = StruckTwin()
    for count, limit in zip(COUNTS.values(), LIMITS.values(), strict=True):
        found.add_market([(10_000 - limit, count)], [(10_200 - limit, 100_000)])
    found.session = Striking(found.exchange)
    connection.use(found.client())
    live_readiness.require_reconciliation()
    found.sync()
    return found


def test_a_leg_that_fills_less_leaves_the_same_share_of_every_leg(twin: StruckTwin) -> None:
    """Two legs alone cost more than the dollar that they pay."""
    limits = dict(zip(twin.markets, (5_600, 5_600, 3_000), strict=True))
    for ticker, limit in limits.items():
        for side in ("bid", "ask"):
            twin.cancel_makers(ticker, side)
        twin.quote(ticker, "bid", 10_000 - limit, 100_000)
        twin.quote(ticker, "ask", 10_200 - limit, 100_000)
    twin.sync()

    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "bid")
        twin.quote(twin.markets[2], "bid", 10_000 - limits[twin.markets[2]], 400)
        twin.sync()

    twin.session.before = {3: thin}
    profile = world.add_profile("live", mode="live")
    counts = dict(zip(twin.markets, COUNTS.values(), strict=True))
    position = executor.execute(_decide(profile, twin.row, counts, limits).pk)
    assert position is not None
    with time_machine.travel(clock.now() + timedelta(seconds=2)):
        twin.sync()
        position = executor.step(position.pk)
    assert (position.status, position.matched_count) == ("open", 1_200)
    assert twin.held() == dict(zip(twin.markets, (-1_200, -1_200, -400), strict=True))
    assert position.floor == FLOOR * 12 // 30
    assert reconcile.run("live", "test").differences == 0
    assert balance_check.summary(position.profile)["difference"] == 0


def test_exit_sells_every_leg_whatever_its_count() -> None:
    position = _bought(COUNTS)
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="needed elsewhere")
    position = executor.step(position.pk)
    assert position.status == "closed"
    sold = {o.leg.market_id: o.filled_count for o in Order.objects.filter(action="sell").select_related("leg")}
    assert sold == COUNTS
