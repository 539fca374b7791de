"""No leg is left behind: baskets that fill in part are completed, unwound within the budget, or explained."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.units import Count
from strategies.models import Profile
from tests.trading import world
from tests.trading.struck import StruckTwin, execute
from trading import sweeper
from trading.accounting import balance_check
from trading.closing import exits
from trading.denials import DenialCode, Refusal
from trading.execution import executor
from trading.execution.orders import sell_ladder, submit
from trading.models import Discrepancy, ExitRequest, Lock, Order, Position, PositionStatus
from trading.reconciliation import reconcile
from trading.safety import halt
from trading.venues import connection

pytestmark = pytest.mark.alike
RESTS = "good_till_canceled"


@pytest.fixture
def twin(struck: StruckTwin) -> StruckTwin:
    return struck


def _later(seconds: float) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(seconds=seconds))


def _in_agreement(twin: StruckTwin, position: Position) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0), list(
        Discrepancy.objects.values_list("code", "key", "ours", "theirs")
    )
    assert balance_check.summary(position.profile)["difference"] == 0


def test_leg_that_vanishes_after_the_first_fill_is_unwound(twin: StruckTwin) -> None:
    def vanish() -> None:
        for ticker in twin.markets:
            twin.cancel_makers(ticker, "ask")
        twin.sync()

    twin.session.before = {2: vanish}
    position = execute(twin, leg_risk_budget=5 * world.DOLLAR)
    assert position.status == "aborted"
    assert twin.held() == {}
    assert -position.profile.leg_risk_budget <= position.realised < 0
    assert position.close_type == "unwound"
    _in_agreement(twin, position)


def test_partial_second_leg_keeps_the_whole_baskets_and_sells_the_rest(twin: StruckTwin) -> None:
    def thin() -> None:
        for ticker in twin.markets[1:]:
            twin.cancel_makers(ticker, "ask")
            twin.quote(ticker, "ask", {1: 3_200, 2: 3_100}[twin.markets.index(ticker)], 400)
        twin.sync()

    twin.session.before = {2: thin}
    position = execute(twin)
    assert position.status == "completing", "a newer book is waited for"
    with _later(2):
        twin.sync()
        position = executor.step(position.pk)
    assert position.status == "open"
    assert position.matched_count == 400
    assert set(twin.held().values()) == {400}
    assert position.orders.filter(purpose="unwind", action="sell").count() == 1
    assert position.guaranteed == (position.floor > position.cost)
    _in_agreement(twin, position)


def test_refused_leg_is_a_reason_to_unwind_not_to_hope(twin: StruckTwin) -> None:
    def close() -> None:
        twin.exchange.markets[twin.markets[1]].ranges = [[0, 10_000, 500]]

    twin.session.before = {2: close}
    position = execute(twin, leg_risk_budget=5 * world.DOLLAR)
    assert position.status in ("aborted", "open")
    assert position.orders.filter(error_code="invalid_price").exists()
    held = set(twin.held().values())
    assert held in (set(), {position.matched_count})
    _in_agreement(twin, position)


def test_unwind_never_loses_more_than_its_budget_and_says_what_is_left(twin: StruckTwin) -> None:
    def crash() -> None:
        for ticker in twin.markets:
            twin.cancel_makers(ticker, "ask")
            twin.cancel_makers(ticker, "bid")
            twin.quote(ticker, "bid", 500, 5_000)
        twin.sync()

    twin.session.before = {2: crash}
    position = execute(twin, leg_risk_budget=world.DOLLAR)
    assert position.status == "unwinding"
    assert -world.DOLLAR <= position.realised < -world.DOLLAR // 2, "what the budget carries is sold at once"
    with _later(5):
        twin.sync()
        position = executor.step(position.pk)
        assert position.residual_code == "no_bid"
        assert position.next_step_at is not None
        assert position.realised >= -world.DOLLAR
        assert Lock.objects.filter(profile=position.profile, code="residual").exists()
        for ticker in twin.markets:
            twin.quote(ticker, "bid", 3_600, 5_000)
        twin.sync()
    with _later(90):
        twin.sync()
        position = executor.step(position.pk)
        assert position.status == "aborted"
        assert position.realised >= -world.DOLLAR
        _in_agreement(twin, position)


def test_rate_limit_in_the_middle_of_an_unwind_is_waited_out(twin: StruckTwin) -> None:
    def trouble() -> None:
        for ticker in twin.markets:
            twin.cancel_makers(ticker, "ask")
        twin.sync()

    twin.session.before = {2: trouble, 3: lambda: twin.exchange.faults.add(kind="rate_limit", method="POST", count=2)}
    position = execute(twin)
    assert position.status == "aborted"
    assert twin.held() == {}
    _in_agreement(twin, position)


def test_kill_switch_in_mid_basket_forgets_nothing(twin: StruckTwin) -> None:
    twin.session.before = {2: lambda: halt.set_state(state="halted", actor="ann", reason="stop")}
    position = execute(twin)
    sent = twin.session.posts
    for _ in range(3):
        position = executor.step(position.pk)
    assert position.status == "completing"
    assert position.residual_code == "halted"
    assert twin.session.posts == sent, "nothing leaves while trading is halted"
    halt.set_state(state="reducing", actor="ann", reason="let it out")
    position = executor.step(position.pk)
    assert (position.status, position.matched_count) == ("open", 1_000), "a halt is no reason to sell half a basket"
    assert set(twin.held().values()) in (set(), {position.matched_count})
    _in_agreement(twin, position)


def test_hold_and_complete_rests_then_completes(twin: StruckTwin) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    twin.session.before = {3: thin}
    position = execute(twin, on_partial=Profile.PartialPolicy.HOLD)
    assert position.status == "completing"
    resting = position.orders.get(status="resting")
    assert (resting.count, resting.price) == (700, 3_100)
    twin.quote(twin.markets[2], "ask", 3_100, 5_000)
    position = executor.step(position.pk)
    assert position.status == "open"
    assert position.matched_count == 1_000
    _in_agreement(twin, position)


def test_hold_and_complete_gives_up_at_its_deadline(twin: StruckTwin) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    twin.session.before = {3: thin}
    position = execute(twin, on_partial=Profile.PartialPolicy.HOLD, complete_seconds=5)
    assert position.status == "completing"
    with time_machine.travel(clock.now() + timedelta(seconds=30)):
        twin.sync()
        assert sweeper.due_positions() == [position.pk]
        position = executor.step(position.pk)
        assert position.status == "open"
        assert position.matched_count == 300
        assert set(twin.held().values()) == {300}
        assert not Order.objects.filter(status="resting").exists()


def test_an_order_of_a_worker_that_comes_back_late_rests_as_long_as_any(twin: StruckTwin) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)
        halt.set_state(state="halted", actor="ann", reason="stop")

    twin.session.before = {3: thin}
    position = execute(twin, on_partial=Profile.PartialPolicy.HOLD, complete_seconds=5)
    halt.set_state(state="active", actor="ann", reason="go on")
    with time_machine.travel(clock.now() + timedelta(seconds=60), tick=False) as traveller:
        twin.sync()
        position = executor.step(position.pk)
        order = position.orders.get(status="resting")
        assert order.expires_at == clock.now() + timedelta(seconds=7)
        for seconds, rests in ((4.9, True), (0.2, False)):
            traveller.shift(seconds)
            twin.sync()
            executor.step(position.pk)
            order.refresh_from_db()
            assert (order.status == "resting") is rests, seconds


def test_an_order_that_was_called_ended_and_rests_after_all_is_cancelled_at_its_deadline(twin: StruckTwin) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    twin.session.before = {3: thin}
    position = execute(twin, on_partial=Profile.PartialPolicy.HOLD, complete_seconds=5)
    assert position.orders.filter(status="resting").count() == 1
    # its answer and a read after it said that it had ended, and that was waited for, until it was seen in the book
    waited = {"residual_code": DenialCode.ORDER_UNSETTLED, "residual": "order unsettled"}
    Position.objects.filter(pk=position.pk).update(waits=1, deadline_at=clock.now() + timedelta(seconds=5), **waited)
    with time_machine.travel(clock.now(), tick=False) as traveller:
        for seconds, rests in ((4, True), (2, False)):
            traveller.shift(seconds)
            twin.sync()
            executor.step(position.pk)
            assert position.orders.filter(status="resting").exists() is rests, seconds


def test_a_purchase_that_was_to_take_at_once_and_rests_is_cancelled_when_its_time_is_over(
    twin: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    place = submit.place
    monkeypatch.setattr(submit, "place", lambda *rest, **named: place(*rest, **named, time_in_force=RESTS))
    twin.session.before = {3: thin}
    position = execute(twin)
    assert (position.status, position.orders.get(status="resting").purpose) == ("executing", "entry")
    monkeypatch.undo()
    with time_machine.travel(clock.now(), tick=False) as traveller:
        for seconds, rests in ((15, True), (10, False)):
            traveller.shift(seconds)
            twin.sync()
            executor.step(position.pk)
            assert position.orders.filter(status="resting").exists() is rests, seconds
    position.refresh_from_db()
    assert position.status == "open"
    _in_agreement(twin, position)


def test_halt_with_cancel_takes_resting_orders_out(twin: StruckTwin) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    twin.session.before = {3: thin}
    position = execute(twin, on_partial=Profile.PartialPolicy.HOLD)
    halt.set_state(state="halted", actor="ann", reason="stop", cancel_resting=True)
    executor.step(position.pk)
    assert not Order.objects.filter(status="resting").exists()
    assert not twin.exchange.ledger.all_open()


def test_exit_of_a_market_that_closed_is_an_explicit_residual(twin: StruckTwin) -> None:
    position = execute(twin)
    assert position.status == "open"
    twin.exchange.markets[twin.markets[0]].close_ms = 0
    from simulator.listing import lifecycle

    for ticker in twin.markets:
        lifecycle.close_market(twin.exchange, twin.exchange.markets[ticker])
    from markets.models import Market

    Market.objects.update(status="closed")
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    twin.sync()
    position = executor.step(position.pk)
    assert position.status == "open"
    assert position.residual_code == "market_closed"
    assert ExitRequest.objects.get().status == "done"
    assert ExitRequest.objects.get().outcome == "residual"


def test_exit_respects_the_least_price_and_survives_a_restart(twin: StruckTwin) -> None:
    position = execute(twin)
    least = {(leg.market_id, leg.side): 3_050 for leg in position.legs.all()}
    bid_for = twin.markets[1]
    twin.cancel_makers(bid_for, "bid")
    for price, count in ((3_100, 300), (3_000, 5_000)):
        twin.quote(bid_for, "bid", price, count)
    twin.sync()
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", least_prices=least, below_floor="cash")
    position = executor.step(position.pk)
    assert position.status == "exiting"
    sold = position.orders.filter(action="sell").values_list("leg__market_id", "price", "filled_count")
    assert list(sold) == [(bid_for, 3_100, 300)], "not at 0.30, which is within the first step below the best bid"
    for ticker in twin.markets:
        twin.quote(ticker, "bid", 3_100, 5_000)
    with _later(2):
        twin.sync()
        position = executor.step(position.pk)
        assert position.status == "closed"
        _in_agreement(twin, position)


def test_second_exit_request_is_the_first_and_closed_positions_refuse(twin: StruckTwin) -> None:
    position = execute(twin)
    first = exits.request_exit(position_id=position.pk, actor="ann", reason="a", below_floor="the person said so")
    assert exits.request_exit(position_id=position.pk, actor="bob", reason="b") == first
    executor.step(position.pk)
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="bob", reason="b")
    assert refused.value.code is DenialCode.ENDED
    assert not position.exit_requests.filter(reason="b").exists()


@pytest.mark.parametrize("status", PositionStatus.values)
def test_a_request_is_refused_exactly_where_the_rule_says_so(twin: StruckTwin, status: str) -> None:
    position = execute(twin)
    Position.objects.filter(pk=position.pk).update(status=status)
    position.refresh_from_db()
    refusal = exits.why_not(position)
    if refusal is None:
        assert exits.request_exit(position_id=position.pk, actor="ann", reason="out").position == position
        return
    assert refusal.code in (DenialCode.ENDED, DenialCode.STILL_BUYING)
    with pytest.raises(exits.CannotExit) as refused:
        exits.request_exit(position_id=position.pk, actor="ann", reason="out")
    assert refused.value.refusal == refusal


def test_an_exit_that_the_exchange_refuses_as_closed_ends_with_a_residual_whatever_the_words(
    twin: StruckTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = execute(twin)
    real = sell_ladder.refused_sales
    reworded: list[Refusal] = []

    def other_words(error_code: str) -> Refusal:
        reworded.append(Refusal(real(error_code).code, "in other words"))
        return reworded[-1]

    monkeypatch.setattr(sell_ladder, "refused_sales", other_words)
    for ticker in twin.markets:
        twin.exchange.markets[ticker].close_ms = 0
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    position = executor.step(position.pk)
    assert reworded
    assert (position.status, position.residual_code) == ("open", "market_closed")
    assert ExitRequest.objects.get().outcome == "residual"


def test_sweeper_takes_up_what_a_dead_worker_left(twin: StruckTwin) -> None:
    position = execute(twin)
    exits.request_exit(position_id=position.pk, actor="ann", reason="want out", below_floor="the person said so")
    Position.objects.update(lease_token="dead", lease_until=clock.now() + timedelta(seconds=40))
    assert sweeper.sweep() == 0
    Position.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert sweeper.sweep() == 1
    position.refresh_from_db()
    assert position.status == "closed"


def test_completing_at_a_loss_is_chosen_where_an_unwind_loses_more(twin: StruckTwin) -> None:
    last = twin.markets[2]

    def more_expensive() -> None:
        for ticker in twin.markets[1:]:
            twin.cancel_makers(ticker, "ask")
        twin.quote(twin.markets[1], "ask", 3_200, 2_000)
        twin.quote(last, "ask", 3_800, 2_000)
        for ticker in twin.markets:
            twin.cancel_makers(ticker, "bid")
            twin.quote(ticker, "bid", 2_000, 5_000)
        twin.sync()

    twin.session.before = {3: more_expensive}
    position = execute(twin, leg_risk_budget=20 * world.DOLLAR)
    assert position.status == "open"
    assert set(twin.held().values()) == {1_000}
    assert position.orders.filter(purpose="complete", price=3_800, status="done").exists()
    assert not position.orders.filter(action="sell").exists()
    assert not position.guaranteed
    assert position.floor - position.cost > -2 * world.DOLLAR
    _in_agreement(twin, position)


def test_what_stops_new_baskets_does_not_strand_half_of_one(twin: StruckTwin) -> None:
    def lock() -> None:
        from markets.models import Market

        Lock.objects.create(code="x", reason="y", until=clock.now() + timedelta(minutes=5))
        Market.objects.update(close_time=clock.now() + timedelta(seconds=30))

    twin.session.before = {2: lock}
    position = execute(twin)
    assert position.status == "open"
    assert position.matched_count == 1_000


def test_a_person_may_force_out_what_an_unwind_holds_back(twin: StruckTwin) -> None:
    def crash() -> None:
        for ticker in twin.markets:
            twin.cancel_makers(ticker, "ask")
            twin.cancel_makers(ticker, "bid")
            twin.quote(ticker, "bid", 500, 5_000)
        twin.sync()

    twin.session.before = {2: crash}
    position = execute(twin, leg_risk_budget=world.DOLLAR)
    assert position.status == "unwinding"
    exits.request_exit(position_id=position.pk, actor="ann", reason="out, at the bids of now")
    with _later(2):
        twin.sync()
        position = executor.step(position.pk)
        assert position.status == "closed"
        assert twin.held() == {}
        _in_agreement(twin, position)


def test_a_resting_order_that_somebody_made_smaller_is_read_back_when_it_is_cancelled(twin: StruckTwin) -> None:
    def thin() -> None:
        twin.cancel_makers(twin.markets[2], "ask")
        twin.quote(twin.markets[2], "ask", 3_100, 300)

    twin.session.before = {3: thin}
    position = execute(twin, on_partial=Profile.PartialPolicy.HOLD, complete_seconds=5)
    resting = position.orders.get(status="resting")
    connection.client().orders.decrease(resting.exchange_order_id, twin.markets[2], 0, reduce_to=Count(200))
    with _later(30):
        twin.sync()
        position = executor.step(position.pk)
        assert (position.status, position.matched_count) == ("open", 300)
        resting.refresh_from_db()
        assert (resting.reported_fill_count, resting.status) == (0, "done")
        _in_agreement(twin, position)


def test_time_in_which_nobody_could_try_does_not_end_the_completing_of_a_basket(twin: StruckTwin) -> None:
    """A halt, and then a worker that is away for longer than completing may take."""
    twin.session.before = {2: lambda: halt.set_state(state="halted", actor="ann", reason="stop")}
    position = execute(twin)
    assert (position.status, position.residual_code) == ("completing", "halted")
    halt.set_state(state="active", actor="ann", reason="go on")
    with _later(300):
        twin.sync()
        position = executor.step(position.pk)
        assert (position.status, position.matched_count) == ("open", 1_000)
        assert not position.events.filter(to_status="unwinding").exists()
        last = position.orders.filter(purpose="complete").latest("created_at")
        assert last.reason == "completing 10 baskets", "at its limits, not as a rescue"
