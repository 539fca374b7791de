"""What ended with less than it wanted may have filled all the same: nothing is bought or sold a second time before its end is final."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.units import Count, Price
from markets.kalshi.order_entry import AmendOrder
from markets.kalshi.vocabulary import Side
from simulator.accounts.records import Position as TwinPosition
from simulator.faults.trouble import CREATE
from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading import sweeper
from trading.closing import exits
from trading.execution import executor
from trading.execution.orders import finality
from trading.models import Discrepancy, Leg, Lock, Order, Position
from trading.reconciliation import inbox, reconcile
from trading.safety import live_readiness
from trading.venues import connection

pytestmark = pytest.mark.alike

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PRICES = ((2_900, 3_000), (3_100, 3_200), (3_000, 3_100))


class Clocked:
    """An exchange and a worker on one clock that the test moves."""

    def __init__(self, traveller: Any) -> None:
        self.traveller = traveller
        self.twin = Twin(manual=True)
        for bid, ask in PRICES:
            self.twin.add_market([(bid, 5_000)], [(ask, 5_000)])
        client = self.twin.client()
        client.transport.sleep = self.traveller.shift
        connection.use(client)
        live_readiness.require_reconciliation()
        self.twin.sync()

    def buy(self, **columns: Any) -> Position:
        profile = Profile.objects.filter(name="live").first() or world.add_profile("live", mode="live", **columns)
        limits = {ticker: ask for ticker, (_, ask) in zip(self.twin.markets, PRICES, strict=True)}
        position = executor.execute(world.decide(profile, self.twin.row, limits, 1_000).pk)
        assert position is not None
        return position

    def lies(self, delay_ms: int, *, skip: int = 0, path: str = CREATE) -> None:
        """An order is answered with nothing, reads say so too, and it is executed so much later."""
        self.twin.exchange.faults.add(kind="zero_answer", method="POST", path=path, skip=skip, delay_ms=delay_ms)

    def goes_on(self, seconds: float, *, listens: bool = True) -> None:
        """Time passes second by second, with what the tasks do in it. ``listens``: messages of fills arrive."""
        for _ in range(int(seconds)):
            self.traveller.shift(1)
            self.twin.exchange.clock.set(clock.now_ms())  # type: ignore[attr-defined]
            self.twin.exchange.advance()
            self.twin.sync()
            if listens:
                self.twin.send_fills()
                inbox.apply_waiting()
            sweeper.sweep()


@pytest.fixture
def clocked(settings: Any) -> Iterator[Clocked]:
    settings.KALBOT_LIVE = True
    settings.KALBOT_FINAL_AFTER_SECONDS = 6.0
    with time_machine.travel(START, tick=False) as traveller:
        world.active()
        yield Clocked(traveller)


def _bought(position: Position) -> list[int]:
    return [leg.bought_count for leg in position.legs.order_by("sequence")]


@pytest.mark.parametrize(
    ("sending", "delay_ms", "listens"),
    [("thinnest_first", 5_000, True), ("all_at_once", 700, True), ("all_at_once", 5_000, False)],
)
def test_a_leg_that_fills_after_it_was_answered_with_nothing_is_not_bought_twice(
    clocked: Clocked, sending: str, delay_ms: int, listens: bool
) -> None:
    clocked.lies(delay_ms, skip=1, path=CREATE + ("/batched/item" if sending == "all_at_once" else ""))
    position = clocked.buy(sending=sending)
    assert position.status == "completing"
    clocked.goes_on(12, listens=listens)
    position.refresh_from_db()
    assert (position.status, position.matched_count, _bought(position)) == ("open", 1_000, [1_000] * 3)
    assert clocked.twin.held() == dict.fromkeys(clocked.twin.markets, 1_000)
    assert not Discrepancy.objects.exists()


def test_a_leg_of_which_nothing_was_left_is_bought_once_that_is_final_and_not_before(clocked: Clocked) -> None:
    leg = clocked.twin.markets[1]
    clocked.twin.cancel_makers(leg, "ask")  # gone, and the feed has not said so yet
    position = clocked.buy(sending="all_at_once")
    assert position.status == "completing"
    clocked.twin.quote(leg, "ask", 3_200, 5_000)
    clocked.goes_on(4)
    position.refresh_from_db()
    assert (position.status, position.residual_code) == ("completing", "order_unsettled")
    assert position.orders.filter(leg__market_id=leg).count() == 1
    clocked.goes_on(6)
    position.refresh_from_db()
    assert (position.status, _bought(position)) == ("open", [1_000] * 3)
    assert position.orders.filter(leg__market_id=leg).count() == 2
    assert set(position.orders.filter(filled_count=0).values_list("is_final", flat=True)) == {True}


def test_contracts_that_only_the_account_shows_hold_the_second_purchase_back(clocked: Clocked) -> None:
    """Neither the order nor its fills are listed as they are: what the account holds of the market says more."""
    leg = clocked.twin.markets[1]
    clocked.twin.cancel_makers(leg, "ask")
    position = clocked.buy(sending="all_at_once")
    clocked.twin.quote(leg, "ask", 3_200, 5_000)
    clocked.twin.exchange.ledger.positions[0, leg] = TwinPosition(leg, clocked.twin.event, 0, 0, count=1_000)
    clocked.goes_on(12)
    position.refresh_from_db()
    assert (position.status, position.residual_code) == ("completing", "order_unsettled")
    assert position.orders.filter(leg__market_id=leg).count() == 1


def test_contracts_that_cannot_be_read_hold_the_second_purchase_back(clocked: Clocked) -> None:
    leg = clocked.twin.markets[1]
    clocked.twin.cancel_makers(leg, "ask")
    position = clocked.buy(sending="all_at_once")
    clocked.twin.quote(leg, "ask", 3_200, 5_000)
    clocked.twin.exchange.faults.add(kind="error", method="GET", path="/portfolio/positions", status=503, count=0)
    clocked.goes_on(9)
    position.refresh_from_db()
    assert (position.status, position.residual_code) == ("completing", "order_unsettled")
    assert position.orders.filter(leg__market_id=leg).count() == 1


def test_what_a_sale_may_still_sell_is_its_count_less_what_it_has_sold() -> None:
    leg, sale = Leg(pk=1), Order(leg_id=1, count=1_000, filled_count=300)
    assert finality.most_to_sell(leg, 900, [sale]) == 200
    assert finality.most_to_sell(leg, 600, [sale]) == 0
    assert finality.most_to_sell(leg, 600, [Order(leg_id=2, count=1_000)]) == 600


def test_a_purchase_waited_for_is_given_up_when_leaving_gets_costly(clocked: Clocked) -> None:
    leg = clocked.twin.markets[1]
    clocked.twin.cancel_makers(leg, "ask")
    position = clocked.buy(sending="all_at_once", leg_risk_budget=2 * world.DOLLAR)
    assert position.status == "completing"
    for ticker, (bid, _) in zip(clocked.twin.markets, PRICES, strict=True):
        clocked.twin.cancel_makers(ticker, "bid")
        clocked.twin.quote(ticker, "bid", bid - 700, 5_000)
    clocked.goes_on(3)
    position.refresh_from_db()
    assert position.status != "completing"
    assert position.realised >= -2 * world.DOLLAR


def test_what_somebody_adds_to_a_resting_order_is_booked_and_sold_again(clocked: Clocked) -> None:
    leg = clocked.twin.markets[2]
    clocked.twin.cancel_makers(leg, "ask")
    position = clocked.buy(sending="all_at_once", on_partial=Profile.PartialPolicy.HOLD, complete_seconds=60)
    clocked.goes_on(8)
    resting = position.orders.get(status="resting")
    connection.client().orders.amend(
        AmendOrder(
            order_id=resting.exchange_order_id,
            ticker=leg,
            outcome_side=Side.YES,
            price=Price(resting.price),
            count=Count(1_500),
            exchange_index=0,
        )
    )
    clocked.twin.quote(leg, "ask", 3_100, 5_000)
    clocked.goes_on(6)
    position.refresh_from_db()
    assert (position.status, position.matched_count, _bought(position)) == ("open", 1_000, [1_000, 1_000, 1_500])
    assert set(clocked.twin.held().values()) == {1_000}
    assert reconcile.run("live", "test").differences == 0


def test_an_unwind_beside_a_sale_that_fills_late_stays_within_its_budget(clocked: Clocked) -> None:
    clocked.twin.cancel_makers(clocked.twin.markets[1], "ask")
    position = clocked.buy(sending="all_at_once", leg_risk_budget=world.DOLLAR)
    for ticker, (bid, _) in zip(clocked.twin.markets, PRICES, strict=True):
        clocked.twin.cancel_makers(ticker, "bid")
        clocked.twin.quote(ticker, "bid", bid - 1_500, 5_000)
    clocked.lies(5_000)
    clocked.goes_on(16)
    position.refresh_from_db()
    assert position.orders.filter(action="sell").count() == 1, "what it may still lose is all that the budget has"
    assert -world.DOLLAR <= position.realised < -world.DOLLAR // 2
    assert (position.status, position.residual_code) == ("unwinding", "no_bid"), "the rest is held, inside the budget"


def test_a_part_is_not_sold_twice(clocked: Clocked) -> None:
    position = clocked.buy()
    assert position.status == "open"
    clocked.lies(5_000)
    counts = {(leg.market_id, leg.side): 300 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="a part", counts=counts, below_floor="fewer")
    clocked.goes_on(14)
    position.refresh_from_db()
    assert (position.status, position.matched_count) == ("open", 700)
    assert [(leg.bought_count, leg.sold_count) for leg in position.legs.all()] == [(1_000, 300)] * 3
    assert set(clocked.twin.held().values()) == {700}


@pytest.mark.parametrize("others", [0, 4_000])
def test_what_is_held_is_not_sold_twice(clocked: Clocked, others: int) -> None:
    """Reduce-only caps an order when it is accepted, by what the whole account holds: two may sell more than the position has."""
    position = clocked.buy()
    leg = clocked.twin.markets[0]
    if others:
        terms = {"tickers": [leg], "side": "bid", "price": 3_000, "count": others, "rest": False}
        assert second_actor.act(clocked.twin.exchange, "buy", terms, Random(1))["filled"] == others
        assert reconcile.run("live", "test").error == ""
    clocked.lies(5_000)
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="less")
    clocked.goes_on(14)
    position.refresh_from_db()
    assert position.status == "closed"
    assert clocked.twin.held() == ({leg: others} if others else {})


def test_a_sale_that_took_nothing_is_made_again_once_that_is_final(clocked: Clocked) -> None:
    position = clocked.buy()
    for ticker in clocked.twin.markets:
        clocked.twin.cancel_makers(ticker, "bid")  # the feed shows them still
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="less")
    executor.step(position.pk)
    for ticker, (bid, _) in zip(clocked.twin.markets, PRICES, strict=True):
        clocked.twin.quote(ticker, "bid", bid, 5_000)
    clocked.goes_on(4)
    position.refresh_from_db()
    assert (position.status, position.residual_code) == ("exiting", "order_unsettled")
    assert not Lock.objects.exists()
    clocked.goes_on(6)
    position.refresh_from_db()
    assert position.status == "closed"
