"""Bounds that one line keeps: each of these tests fails without that line (``bin/mutants --known``)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import world
from tests.trading.struck import LIMITS, StruckTwin, execute
from trading import leases
from trading.accounting import booking, ledger
from trading.books import live_books
from trading.closing import exits, settlement
from trading.closing.finals import FinalResult
from trading.execution import admission, executor
from trading.execution.orders import inflight
from trading.execution.phases import rescue, selling
from trading.execution.sizing import recheck
from trading.models import Discrepancy, Leg, Order, Position, Settlement
from trading.reconciliation import reconcile
from trading.safety import halt

pytestmark = pytest.mark.alike

DOLLAR = world.DOLLAR


def _later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds))


def _half_bought(twin: StruckTwin, **columns: Any) -> Position:
    """Two legs are held, the third is not offered any more, and hardly anybody bids."""

    def vanish() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        for ticker in twin.markets:
            twin.cancel_makers(ticker, "bid")
        twin.sync()

    twin.session.before = {3: vanish}
    position = execute(twin, **columns)
    assert position.status == "unwinding"
    assert set(twin.held()) == set(twin.markets[:2])
    return position


def test_a_basket_is_not_completed_for_a_loss_beyond_the_leg_risk_budget(struck: StruckTwin) -> None:
    position = _half_bought(struck, leg_risk_budget=2 * DOLLAR)
    legs = list(position.legs.select_related("market"))
    struck.quote(struck.markets[2], "ask", 7_000, 5_000)
    struck.sync()
    live = live_books.read(position.event)
    assert rescue.unwind_result(live, position, legs) < -5 * DOLLAR, "selling loses even more"
    assert rescue.find(position, legs) is None
    struck.quote(struck.markets[2], "ask", 4_500, 5_000)
    struck.sync()
    found = rescue.find(position, legs)
    assert found is not None
    assert -2 * DOLLAR <= found.result < 0


def test_losses_already_taken_are_part_of_what_completing_may_lose(struck: StruckTwin) -> None:
    position = _half_bought(struck, leg_risk_budget=2 * DOLLAR)
    legs = list(position.legs.select_related("market"))
    struck.quote(struck.markets[2], "ask", 4_500, 5_000)
    struck.sync()
    position.realised = -1_500_000
    assert rescue.find(position, legs) is None
    position.realised = 0
    assert rescue.find(position, legs) is not None


@pytest.mark.parametrize("budget", [1_500_000, 1_900_000])
def test_what_completing_in_part_lost_is_no_more_left_for_selling_the_rest(struck: StruckTwin, budget: int) -> None:
    """The last leg is bought at a loss, of which half is there. The whole baskets have lost by then what selling the rest may not lose
    once more."""

    def rising() -> None:
        for ticker, bid in zip(struck.markets, (2_000, 2_200, 2_000), strict=True):
            struck.cancel_makers(ticker, "bid")
            struck.quote(ticker, "bid", bid, 5_000)
        _offer(struck, 5_000)
        struck.sync()

    struck.session.before = {3: rising, 4: lambda: _offer(struck, 500)}
    position = execute(struck, leg_risk_budget=budget)
    legs = list(position.legs.all())
    assert (position.status, [leg.held for leg in legs]) == ("completing", [1_000, 1_000, 500])
    for seconds in range(3, 30, 3):
        with _later(seconds):
            struck.sync()
            position = executor.step(position.pk)
    assert position.matched_count == 500
    whole = sum(leg.open_cost - booking.cost_share(leg, leg.held - 500)[0] for leg in position.legs.all())
    lost_whole, lost_sold = whole - position.decision.floor // 2, -position.realised
    assert lost_whole > 0
    assert budget - 300_000 < lost_whole + lost_sold <= budget, "as much is sold as the budget carries"


def _offer(twin: StruckTwin, count: int) -> None:
    twin.cancel_makers(twin.markets[2], "ask")
    twin.quote(twin.markets[2], "ask", 4_700, count)


def _sell_some(twin: StruckTwin, position: Position) -> Position:
    """The unwind sells a part of one leg far below what it cost."""
    twin.quote(twin.markets[0], "bid", 2_600, 200)
    with _later(3):
        twin.sync()
        position = executor.step(position.pk)
    assert (position.status, position.realised < 0) == ("unwinding", True)
    return position


@pytest.mark.parametrize("kind", ["all_yes", "coverage"])
def test_what_an_unwind_sold_is_bought_again_only_where_the_whole_is_better(struck: StruckTwin, kind: str) -> None:
    """All legs are offered again within their limits. A sure floor makes it worth while; a bet is not bought back."""
    position = _sell_some(struck, _half_bought(struck, kind=kind))
    sold = set(position.orders.filter(action="sell", filled_count__gt=0).values_list("leg__market_id", flat=True))
    assert sold == {struck.markets[0]}
    for ticker, limit in zip(struck.markets, LIMITS, strict=True):
        struck.quote(ticker, "ask", limit, 5_000)
    with _later(10):
        struck.sync()
        position = executor.step(position.pk)
        bought_back = position.orders.filter(action="buy", leg__market_id__in=sold, purpose="complete")
        if kind == "coverage":
            assert (position.status, bought_back.exists()) == ("unwinding", False)
        else:
            assert (position.status, struck.held()) == ("open", dict.fromkeys(struck.markets, 1_000))


def test_what_was_sold_is_no_part_of_what_the_basket_has(struck: StruckTwin) -> None:
    """A leg that sold some needs an offer for them, like any that it lacks."""
    position = _sell_some(struck, _half_bought(struck))
    legs, orders = list(position.legs.select_related("market")), inflight.orders_of(position)
    struck.quote(struck.markets[2], "ask", 3_100, 5_000)
    struck.sync()
    assert recheck.achievable(position, legs, orders, 1_000) == 1_000, "what was sold is offered again"
    struck.cancel_makers(struck.markets[0], "ask")
    struck.sync()
    position.profile.leg_risk_budget = 1
    assert recheck.achievable(position, legs, orders, 1_000) == 800, "what is held is at risk as it is"


def _suspect_last(twin: StruckTwin) -> None:
    world.publish(twin.event, twin.books(), lease=None)


def _paused_last(twin: StruckTwin) -> None:
    statuses = {twin.markets[2]: "inactive"}
    world.publish(twin.event, twin.books(), statuses=statuses)


@pytest.mark.parametrize("trouble", [_suspect_last, _paused_last])
def test_completing_is_not_given_up_for_what_passes(struck: StruckTwin, trouble: Callable[[StruckTwin], None]) -> None:
    def thin() -> None:
        struck.cancel_makers(struck.markets[2], "ask")
        struck.quote(struck.markets[2], "ask", 3_100, 300)
        trouble(struck)

    struck.session.before = {3: thin}
    position = execute(struck)
    assert position.status == "completing"
    assert not position.orders.filter(action="sell").exists()
    struck.quote(struck.markets[2], "ask", 3_100, 5_000)
    with _later(3):
        struck.sync()
        position = executor.step(position.pk)
        assert (position.status, position.matched_count) == ("open", 1_000)


def test_reserving_again_adds_only_what_is_missing(struck: StruckTwin) -> None:
    position = execute(struck)
    for wanted, reserved in ((3, 3), (5, 5), (4, 5)):
        ledger.reserve_up_to(position, wanted * DOLLAR)
        position.refresh_from_db()
        assert position.reserved == reserved * DOLLAR
    assert ledger.balance_of(position.profile).reserved == 5 * DOLLAR


@pytest.mark.parametrize(("lost", "waits"), [(0, True), (1_500_000, False)])
def test_losses_already_taken_end_the_wait_for_a_resting_purchase_sooner(
    struck: StruckTwin, lost: int, waits: bool
) -> None:
    struck.session.before = {3: lambda: struck.cancel_makers(struck.markets[2], "ask")}
    position = execute(struck, on_partial=Profile.PartialPolicy.HOLD, leg_risk_budget=2 * DOLLAR)
    assert (position.status, position.orders.filter(status="resting").count()) == ("completing", 1)
    Position.objects.filter(pk=position.pk).update(realised=-lost)
    with _later(2):
        struck.sync()
        executor.step(position.pk)
        assert Order.objects.filter(status="resting").exists() is waits


def test_a_book_without_a_recent_proof_of_life_is_not_sold_on(struck: StruckTwin) -> None:
    position = execute(struck)
    limit = position.profile.max_price_age_ms
    wanted = [(leg, leg.held) for leg in position.legs.select_related("market")]
    for age, code in ((limit - 1_000, None), (limit + 1_000, "price_stale")):
        world.publish(struck.event, struck.books(), age_ms=age)
        now, refusal = selling.ready(position, wanted, live_books.read(position.event), [])
        assert (len(now), refusal and refusal.code) == ((3, None) if code is None else (0, code))


def test_between_two_rungs_there_is_a_pause_and_a_book_newer_than_the_last_sale(struck: StruckTwin) -> None:
    position = execute(struck)
    assert not selling.must_pause(position, live_books.read(position.event))
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="I need the cash")
    for ticker in struck.markets:
        struck.cancel_makers(ticker, "bid")
        struck.quote(ticker, "bid", 3_000, 200)
    struck.sync()
    executor.step(position.pk)
    assert position.orders.filter(action="sell").exists()
    with _later(0.5):
        struck.sync()
        assert selling.must_pause(position, live_books.read(position.event)), "too soon"
    with _later(2):
        world.publish(struck.event, struck.books(), age_ms=4_000)
        assert selling.must_pause(position, live_books.read(position.event)), "the book is older than the sale"
        struck.sync()
        assert not selling.must_pause(position, live_books.read(position.event))


def test_a_guaranteed_basket_is_sold_leg_by_leg_only_for_a_persons_words(struck: StruckTwin) -> None:
    position = execute(struck)
    assert position.guaranteed
    for ticker in struck.markets:
        struck.cancel_makers(ticker, "ask")
        struck.quote(ticker, "bid", 3_600, 5_000)
    struck.sync()
    exits.request_exit(position_id=position.pk, actor="ann", reason="out")
    struck.cancel_makers(struck.markets[1], "bid")
    struck.sync()
    position = executor.step(position.pk)
    assert position.status == "exiting"
    assert struck.held() == dict.fromkeys(struck.markets, 1_000), "nothing, or whole baskets"
    struck.quote(struck.markets[1], "bid", 3_600, 5_000)
    with _later(2):
        struck.sync()
        position = executor.step(position.pk)
        assert (position.status, struck.held()) == ("closed", {})
        assert position.proceeds >= 1_000 * 10_000


@pytest.mark.parametrize(("waited", "opened"), [(0.1, True), (1.0, False)])
def test_what_admission_cleared_is_checked_again_after_a_moment(
    struck: StruckTwin, waited: float, opened: bool
) -> None:
    """A limit lowered between admission and the first order is seen, unless both are one and the same moment."""
    reconcile.run("live", "test")
    profile = world.add_profile("live", mode="live")
    decision = world.decide(profile, struck.row, dict(zip(struck.markets, LIMITS, strict=True)))
    with time_machine.travel(clock.now(), tick=False) as traveller:
        admitted = admission.take_up(decision)
        assert admitted is not None
        with leases.given_back(admitted.lease) if admitted.lease else leases.lease(admitted.position.pk):
            Order.objects.filter(position=admitted.position).delete()  # a worker that died before it stored one
        Profile.objects.filter(pk=profile.pk).update(max_per_position=DOLLAR)
        traveller.shift(waited)
        struck.sync()
        position = executor.step(admitted.position.pk)
    assert (position.status == "open") is opened
    assert bool(struck.held()) is opened


def _finish(twin: StruckTwin) -> FinalResult:
    twin.finish(twin.markets[0])
    return FinalResult("yes", DOLLAR)


def test_no_leg_is_settled_while_an_order_of_its_own_is_open(struck: StruckTwin) -> None:
    position = execute(struck)
    leg = position.legs.get(market_id=struck.markets[0])
    Order.objects.filter(leg=leg).update(status="unknown")
    final = _finish(struck)
    assert not settlement.settle_leg(leg.pk, final)
    Order.objects.filter(leg=leg).update(status="done")
    assert settlement.settle_leg(leg.pk, final)


def test_what_the_exchange_credited_is_shared_out_after_every_order_of_the_market_has_ended(
    struck: StruckTwin,
) -> None:
    """Two positions of one account hold the market, and one of them waits for an order: what it filled is part of the credit."""
    first = execute(struck)
    assert reconcile.run("live", "test").error == ""
    Position.objects.filter(pk=first.pk).update(status="aborted")
    waiting = first.legs.get(market_id=struck.markets[0])
    other = Position.objects.get(pk=first.pk)
    other.pk, other._state.adding, other.status = None, True, "open"
    decision = world.decide(first.profile, struck.row, dict(zip(struck.markets, LIMITS, strict=True)))
    other.decision = decision
    other.save()
    leg = Leg.objects.get(pk=waiting.pk)
    leg.pk, leg._state.adding, leg.position = None, True, other
    leg.save()
    Order.objects.filter(leg=waiting).update(status="unknown")
    struck.finish(struck.markets[0])
    settlement.run("live")
    assert not Settlement.objects.filter(leg__market_id=struck.markets[0]).exists()
    assert not Discrepancy.objects.filter(code="settlement_count").exists()


@pytest.mark.parametrize(("subaccount", "code"), [(0, "discrepancy"), (1, "orders_per_minute")])
def test_a_difference_named_for_one_profile_binds_the_others_of_its_account(
    struck: StruckTwin, subaccount: int, code: str
) -> None:
    """A profile that was made after the alarm has neither its lock nor its trading state."""
    execute(struck)
    assert reconcile.run("live", "test").error == ""
    first = Profile.objects.get(name="live")
    Position.objects.update(status="closed")
    Discrepancy.objects.create(code="position", key="0:KXT-1-1", mode="live", profile=first, ours="10", theirs="9")
    other = world.add_profile("other", mode="live", subaccount=subaccount, max_orders_per_minute=0)
    decision = world.decide(other, struck.row, dict(zip(struck.markets, LIMITS, strict=True)), 100)
    assert executor.execute(decision.pk) is None
    assert decision.denial.code == code


@pytest.mark.parametrize(("ask", "left"), [(3_200, 0), (3_200, 300), (3_900, 0), (3_900, 300)])
def test_what_completes_a_basket_is_bought_no_further_than_what_was_bought_before_it(
    struck: StruckTwin, ask: int, left: int
) -> None:
    """Two legs are missing, at their limits or at a loss, and of the first of them nobody offers as much any more when its order arrives:
    more of the other one would be alone, too."""

    def gone() -> None:
        struck.cancel_makers(struck.markets[1], "ask")
        if left:
            struck.quote(struck.markets[1], "ask", ask, left)

    struck.session.before = {1: lambda: halt.set_state(state="halted", actor="ann", reason="stop")}
    position = execute(struck, leg_risk_budget=20 * DOLLAR)
    assert (position.status, struck.held()) == ("completing", {struck.markets[0]: 1_000})
    halt.set_state(state="active", actor="ann", reason="go on")
    for ticker in struck.markets:
        struck.cancel_makers(ticker, "bid")
        struck.quote(ticker, "bid", 1_000, 5_000)
    struck.cancel_makers(struck.markets[1], "ask")
    struck.quote(struck.markets[1], "ask", ask, 2_000)
    struck.session.before = {struck.session.posts + 1: gone}
    with _later(3):
        struck.sync()
        position = executor.step(position.pk)
    first, second = position.orders.filter(purpose="complete").order_by("created_at"), struck.held()
    assert (first[0].leg.market_id, first[0].count, first[0].filled_count) == (struck.markets[1], 1_000, left)
    assert second.get(struck.markets[2], 0) == second.get(struck.markets[1], 0) == left
