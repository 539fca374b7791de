"""What waits for too long is named, goes on where that is possible, and the name ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.units import Money
from markets import exchange_hours
from markets.models import Market
from simulator.control.exchange_actions import set_status
from strategies.models import Profile
from tests.trading import world
from tests.trading.struck import StruckTwin, execute
from trading import sweeper
from trading.accounting import balance_check
from trading.closing import exits
from trading.execution import executor
from trading.execution.phases import exit
from trading.models import Denial, Discrepancy, Fill, Leg, Order, Position
from trading.reconciliation import inbox, overdue, reconcile
from trading.safety import discrepancies, halt, live_readiness, resolution
from trading.venues import averages, connection
from trading.venues.protocol import Unresolved

NO_FILLS = b'{"fills": [], "cursor": ""}'
Code = Discrepancy.Code


def _later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds))


def _open(code: str) -> list[Discrepancy]:
    return list(Discrepancy.objects.filter(code=code, resolved_at=None))


def _sweep(twin: StruckTwin) -> None:
    twin.sync()
    sweeper.sweep()


def test_fills_that_are_never_listed_are_booked_from_the_orders_own_totals(struck: StruckTwin) -> None:
    first = struck.markets[0]
    struck.cancel_makers(first, "ask")
    struck.quote(first, "ask", 2_900, 300)  # two levels: an average that is no price
    struck.quote(first, "ask", 3_000, 2_000)
    struck.sync()
    struck.session.answers["/portfolio/fills"] = NO_FILLS
    position = execute(struck)
    assert position.status == "executing"
    with _later(60):
        _sweep(struck)
        assert not Fill.objects.exists()
    with _later(130):
        live_readiness.require_reconciliation()
        for _ in range(6):
            _sweep(struck)
            Position.objects.update(next_step_at=None)
        position = Position.objects.get()
        assert position.status in ("open", "unwinding", "aborted", "completing")
        orders = list(Order.objects.filter(status="done"))
        assert {fill.source for fill in Fill.objects.all()} == {"averages"}
        assert len(_open(Code.FILLS_UNLISTED)) == len(orders) > 0
        assert halt.current(position.profile) == "reducing"
        # later the exchange lists them after all, by message and by REST: nothing is booked twice, and the names end
        struck.session.answers.clear()
        booked = Fill.objects.count()
        struck.send_fills()
        inbox.apply_waiting()
        row = reconcile.run("live", "test")
        assert Fill.objects.filter(order__in=orders).count() == booked
        assert (row.error, row.balance_difference) == ("", 0), list(Discrepancy.objects.values_list("code", "theirs"))
        assert _open(Code.FILLS_UNLISTED) == []
        assert not Discrepancy.objects.filter(code=Code.FILL_IMPOSSIBLE).exists()
        assert balance_check.summary(position.profile)["difference"] == 0


@pytest.mark.parametrize("side", ["yes", "no"])
def test_totals_of_purchases_and_sales_say_what_their_fills_say(struck: StruckTwin, side: str) -> None:
    profile = world.add_profile("live", mode="live", kinds=["coverage"])
    ticker = struck.markets[0]
    for book_side, prices in (("ask", (3_010 // 10 * 10 + 90, 3_200)), ("bid", (2_700, 2_500))):
        for price in prices:
            struck.quote(ticker, book_side, price, 700)
    struck.sync()
    limit = 3_200 if side == "yes" else 7_600
    decision = world.decide(profile, struck.row, {ticker: limit}, 2_500, kind="coverage", side=side)
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    exits.request_exit(
        position_id=position.pk, actor="ann", reason="out", least_prices={(ticker, side): 1}, below_floor="test"
    )
    position = executor.step(position.pk)
    for order in position.orders.all():
        fills = list(order.fills.values_list("price", "count", "fee"))
        assert fills
        reports = averages.reports(order, connection.client().orders.get(order.exchange_order_id), [])
        assert sum(r.count for r in reports) == sum(count for _, count, _ in fills)
        assert sum(r.price * r.count for r in reports) == sum(price * count for price, count, _ in fills)
        assert sum(r.fee for r in reports) == sum(fee for _, _, fee in fills)


def test_totals_that_contradict_the_order_are_not_booked(struck: StruckTwin) -> None:
    position = execute(struck)
    order = position.orders.order_by("created_at")[0]
    listed = connection.client().orders.get(order.exchange_order_id)
    order.price = 1_000
    with pytest.raises(Unresolved, match="contradicts the limit"):
        averages.reports(order, listed, [])
    with pytest.raises(Unresolved, match="contradicts the limit"):  # the costs are optional on the wire
        averages.reports(order, msgspec.structs.replace(listed, taker_fill_cost=Money(0)), [])
    with pytest.raises(Unresolved, match="more is booked"):
        averages.reports(order, listed, [(3_000, listed.fill_count + 1, 0)])


def _unknown(struck: StruckTwin) -> Order:
    """A purchase that nobody answered, and that cannot be looked up either."""

    def go_silent() -> None:
        struck.exchange.faults.add(kind="timeout", method="POST", count=9)
        struck.exchange.faults.add(kind="error", status=503, method="GET", path="/portfolio/orders", count=10_000)

    struck.session.before = {1: go_silent}
    return execute(struck).orders.get()


def test_an_order_of_unknown_outcome_is_named_until_it_is_known(struck: StruckTwin) -> None:
    order = _unknown(struck)
    assert order.status == "unknown"
    overdue.act()
    assert _open(Code.ORDER_UNRESOLVED) == []
    with _later(310):
        overdue.act()
        (row,) = _open(Code.ORDER_UNRESOLVED)
        assert row.key == str(order.pk)
        other = world.add_profile("other", mode="live")
        denied = world.decide(other, struck.row, dict(zip(struck.markets, (3_000, 3_200, 3_100), strict=True)), 100)
        struck.sync()
        assert executor.execute(denied.pk) is None
        with pytest.raises(resolution.CannotResolve):
            resolution.resolve(row.pk, actor="ann", reason="is it there?")
        struck.exchange.faults.clear()
        resolution.resolve(row.pk, actor="ann", reason="is it there?")
        order.refresh_from_db()
        assert order.status == "rejected"
        overdue.act()
        assert _open(Code.ORDER_UNRESOLVED) == []


def test_a_search_for_an_order_sends_nothing_however_new_the_order_is(struck: StruckTwin) -> None:
    order = _unknown(struck)
    row = discrepancies.found(
        None, Code.ORDER_UNRESOLVED, str(order.pk), ours="", theirs="", profile=order.profile, tightens=False
    )
    struck.exchange.faults.clear()
    sent = len(struck.session.sent)
    with pytest.raises(resolution.CannotResolve):
        resolution.resolve(row.pk, actor="ann", reason="is it there?")
    with _later(60):
        assert "Rejected" in resolution.resolve(row.pk, actor="ann", reason="is it there?")
    assert {method for method, *_ in struck.session.sent[sent:]} == {"GET"}
    order.refresh_from_db()
    assert (order.status, order.error_code, struck.held()) == ("rejected", "never_arrived", {})


def test_a_position_with_which_nothing_happens_is_named_and_new_baskets_wait(struck: StruckTwin) -> None:
    struck.session.before = {2: lambda: set_status(struck.exchange, {"trading_paused": True})}
    position = execute(struck)
    with _later(605):
        struck.sync()
        executor.step(position.pk)
        overdue.act()
        (row,) = _open(Code.POSITION_WAITING)
        assert (row.key, row.ours, row.theirs) == (str(position.pk), "Completing", "exchange_paused")
        assert halt.current(position.profile) == "active"
        for code in ("price_stale", "no_bid", "price_stale"):
            Position.objects.filter(pk=position.pk).update(residual_code=code, residual=code)
            overdue.act()
            assert [(one.pk, one.theirs) for one in _open(Code.POSITION_WAITING)] == [(row.pk, code)], "one incident"
        set_status(struck.exchange, {"trading_paused": False})
        assert resolution.resolve(row.pk, actor="ann", reason="the pause is over") == "it is tried again now"
        exchange_hours.forget()
        live_readiness.require_reconciliation()
        _sweep(struck)
        position.refresh_from_db()
        assert position.status == "open"
        overdue.act()
        assert _open(Code.POSITION_WAITING) == []


def test_patience_for_bids_does_not_run_while_the_feed_is_away(struck: StruckTwin) -> None:
    position = execute(struck)
    least: dict[Any, int] = {(leg.market_id, leg.side): 9_000 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=least, below_floor="")
    world.publish(struck.event, struck.books(), lease=None)
    assert executor.step(position.pk).residual_code == "price_dead_epoch"
    patience = exit.EXIT_PATIENCE.total_seconds()
    with _later(patience + 60):
        struck.sync()
        assert executor.step(position.pk).status == "exiting", "no bid was missed while there was no book"
    with _later(patience + 90):
        world.publish(struck.event, struck.books(), lease=None)
        executor.step(position.pk)
    with _later(2 * patience + 80):
        struck.sync()
        assert executor.step(position.pk).status == "exiting"
    with _later(3 * patience + 90):
        struck.sync()
        position = executor.step(position.pk)
        assert (position.status, position.residual_code) == ("open", "no_bid")
        assert Profile.objects.get().name == "live"


def test_orders_that_take_nothing_are_no_progress(struck: StruckTwin) -> None:
    position = execute(struck)
    Position.objects.update(status="unwinding")
    order = position.orders.all()[0]
    with _later(605):
        Order.objects.filter(pk=order.pk).update(filled_count=0, created_at=clock.now())
        overdue.act()
        assert [row.key for row in _open(Code.POSITION_WAITING)] == [str(position.pk)]
        Order.objects.filter(pk=order.pk).update(filled_count=1)
        overdue.act()
        assert _open(Code.POSITION_WAITING) == []
        Order.objects.filter(pk=order.pk).update(filled_count=0, status="resting")
        overdue.act()
        assert _open(Code.POSITION_WAITING) == []


def test_completing_and_unwinding_that_take_turns_for_ever_are_no_progress(struck: StruckTwin) -> None:
    """The rest is offered again and again, and each time it is gone when the order arrives; nobody bids for what is held."""

    def vanish() -> None:
        struck.cancel_makers(struck.markets[2], "ask")
        for ticker in struck.markets:
            struck.cancel_makers(ticker, "bid")
        struck.sync()

    struck.session.before = {3: vanish}
    with time_machine.travel(clock.now(), tick=False) as now:
        position = execute(struck)
        for number in range(16):
            now.shift(timedelta(seconds=48))
            struck.quote(struck.markets[2], "ask", 3_100, 1_000 + number)
            struck.sync()
            struck.session.before = {
                struck.session.posts + 1: lambda: struck.cancel_makers(struck.markets[2], "ask"),
            }
            executor.step(position.pk)
            now.shift(timedelta(seconds=2))
            struck.sync()
            position = executor.step(position.pk)
            overdue.act()
            assert bool(_open(Code.POSITION_WAITING)) is (number >= 12), number
    assert position.events.filter(from_status="unwinding", to_status="completing").count() > 10
    assert not position.orders.filter(
        created_at__gt=position.created_at, filled_count__gt=0, purpose="complete"
    ).exists()
    assert [row.key for row in _open(Code.POSITION_WAITING)] == [str(position.pk)]


def test_a_held_market_without_a_result_long_after_its_times_is_named_until_it_has_one(struck: StruckTwin) -> None:
    """Nothing is at work there, so nothing else would ever say so. It keeps nobody from other events, and comes again if it is over."""
    position = execute(struck)
    profile, ticker = position.profile, struck.markets[0]
    assert position.status == "open"
    close = Market.objects.get(pk=ticker).close_time
    assert close is not None

    def named_at(days: float) -> list[str]:
        with time_machine.travel(close + timedelta(days=days)):
            overdue.act()
        return [row.ours for row in _open(Code.RESULT_WAITING)]

    Market.objects.exclude(pk=ticker).update(latest_expiration_time=close + timedelta(days=300))
    assert named_at(1.99) == []
    assert named_at(2.01) == [f"10 YES {ticker}"]
    assert named_at(30) == [f"10 YES {ticker}"], "one incident"
    assert halt.current(profile) == "active"
    (row,) = _open(Code.RESULT_WAITING)
    assert not discrepancies.binds(row, profile)
    resolution.resolve(row.pk, actor="ann", reason="it rained: they play next week")
    assert named_at(30) == []
    Market.objects.filter(pk=ticker).update(expected_expiration_time=close + timedelta(days=40))
    assert named_at(41) == []
    assert named_at(42.01) == [f"10 YES {ticker}"], "and that was not what was accepted"
    Leg.objects.filter(market=ticker).update(settled_count=1_000)
    assert named_at(43) == []
