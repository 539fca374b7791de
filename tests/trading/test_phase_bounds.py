"""How long and how often a phase waits, tries and sells: at the bound itself and one beside it, on one stopped clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import world
from trading import states
from trading.denials import DenialCode, Refusal
from trading.execution.orders import inflight, sell_ladder
from trading.execution.phases import buy, complete, opening, selling, unwind
from trading.execution.sizing import recheck
from trading.models import Leg, Lock, Order, Position, PositionEvent
from trading.states import Lease

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
TICK = timedelta(microseconds=1)


def _at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def position() -> Iterator[Position]:
    """Completing two legs of 1,000: one holds 600 at 0.40, the other 400 at 0.30; the clock stands."""
    with time_machine.travel(NOW, tick=False):
        event = world.add_event(outcomes=2)
        profile = world.add_profile(complete_seconds=30, leg_risk_budget=2 * world.DOLLAR)
        decision = world.decide(profile, event, {"KXT-1-0": 4_000, "KXT-1-1": 3_000})
        found = Position.objects.create(
            profile=profile,
            mode="sim",
            decision=decision,
            event=event,
            kind="all_yes",
            status="completing",
            target_count=1_000,
        )
        for number, (held, price) in enumerate(((600, 4_000), (400, 3_000))):
            Leg.objects.create(
                position=found,
                market_id=f"KXT-1-{number}",
                side="yes",
                sequence=number,
                target_count=1_000,
                limit_price=price,
                bought_count=held,
                bought_cost=held * price,
                open_cost=held * price,
            )
        world.publish(event.ticker, world.quoted(event, [(3_900, 4_000), (2_900, 3_000)]))
        yield found


def _order(position: Position, number: int = 0, **columns: Any) -> Order:
    leg = position.legs.get(sequence=number)
    defaults: dict[str, Any] = {
        "action": "buy",
        "purpose": "complete",
        "side": "yes",
        "price": leg.limit_price,
        "count": 1_000,
        "status": "done",
    }
    return Order.objects.create(
        position=position, leg=leg, profile=position.profile, mode="sim", **(defaults | columns)
    )


# ---- completing


def test_what_passes_is_waited_for_at_growing_distances_and_costs_no_time_of_the_basket(position: Position) -> None:
    slow = Refusal(DenialCode.EXCHANGE_PAUSED, "shard 0")
    for wait in (1, 2, 4, 8, 16, 16):
        complete._wait_out(position, slow)
        assert position.next_step_at == _at(wait)
    assert (position.waits, position.residual_code, position.residual) == (6, "exchange_paused", str(slow))
    assert position.deadline_at == _at(30)
    assert PositionEvent.objects.filter(position=position, reason__startswith="waiting to complete").count() == 1
    assert complete._wait_out(position, Refusal(DenialCode.HALTED)) is False
    assert (position.next_step_at, position.waits) == (_at(1), 7), "a halt is read every second"
    for given, kept in ((_at(31), _at(31)), (_at(29), _at(30)), (None, _at(30))):
        position.deadline_at = given
        complete._wait_out(position, slow)
        assert position.deadline_at == kept


def test_the_time_to_complete_is_used_up_at_its_deadline_by_tries_alone(position: Position) -> None:
    position.attempts, position.deadline_at = 1, NOW
    assert complete._is_over_time(position)
    for name, value in (("attempts", 0), ("deadline_at", NOW + TICK), ("residual_code", "exchange_paused")):
        before = getattr(position, name)
        setattr(position, name, value)
        assert not complete._is_over_time(position), name
        setattr(position, name, before)
    position.residual_code = "depth"
    assert complete._is_over_time(position), "the market's own reason does not pass"
    position.deadline_at = None
    assert complete._is_over_time(position)


def test_a_try_is_followed_at_once_unless_every_order_was_refused_and_the_policy_may_wait(position: Position) -> None:
    done, refused = Order(status="done"), Order(status="rejected", error_code="insufficient_balance")
    cases = (
        ([done, refused], True, 2, True, 0.25),
        ([refused, refused], False, 2, True, 0.25),
        ([refused, refused], True, 0, False, 0.25),
        ([refused], True, 3, False, 2.0),
    )
    for sent, holds, attempts, goes_on, pause in cases:
        position.attempts, position.waits, position.residual = attempts, 5, "text"
        assert complete._after(position, sent, holds) is goes_on
        assert (position.next_step_at, position.attempts) == (_at(pause), attempts + 1)
        assert (position.waits, position.residual, position.residual_code) == (0, "", "")
    assert complete._after(position, [Order(status="rejected", error_code="rate_limited")], True) is False
    assert (position.attempts, position.residual_code, position.waits) == (4, "rate_limit", 1), "no try"


def test_an_order_that_never_met_the_book_is_no_try(position: Position) -> None:
    wanted = {
        "trading_is_paused": "market_paused",
        "rate_limited": "rate_limit",
        "unreachable": "rate_limit",
        "not_sent": "rate_limit",
        "halted": "halted",
        "price_stale": "price_stale",
        "insufficient_balance": None,
        "depth": None,
        "": None,
    }
    for code, passes in wanted.items():
        found = complete._passing(_order(position, status="rejected", error_code=code))
        assert (None if found is None else found.code) == passes, code


def test_the_legs_that_lack_something_are_those_below_the_fullest(position: Position) -> None:
    legs = list(position.legs.all())
    assert complete._lacking(position, legs) == [legs[1]]
    legs[1].bought_count = 600
    assert complete._lacking(position, legs) == []


def test_an_unwind_goes_back_to_completing_ten_times_and_after_a_pause(position: Position) -> None:
    legs = list(position.legs.select_related("market"))
    assert complete.can_resume(position, legs)
    for status in ("inactive", "active"):
        legs[0].market.status = status
        legs[0].market.save()
        assert complete.can_resume(position, legs) is (status == "active")
    for number in range(10):
        assert complete.can_resume(position, legs), number
        PositionEvent.objects.create(
            position=position, from_status="unwinding", to_status="completing", actor="kalbot", reason="again"
        )
    assert not complete.can_resume(position, legs)
    PositionEvent.objects.filter(position=position).update(from_status="open")
    assert complete.can_resume(position, legs)
    last = _order(position, 1, filled_count=0, is_final=True)
    for age, filled, resumes in ((2.0, 0, True), (1.999, 0, False), (0, 1_000, True), (0, 999, False)):
        Order.objects.filter(pk=last.pk).update(created_at=_at(-age), filled_count=filled)
        Leg.objects.filter(position=position, sequence=1).update(bought_count=400)
        assert complete.can_resume(position, legs) is resumes, (age, filled)
    Order.objects.filter(pk=last.pk).update(status="rejected", error_code="insufficient_balance", created_at=_at(-9))
    assert not complete.can_resume(position, legs)
    Order.objects.filter(pk=last.pk).update(error_code="unreachable")
    assert complete.can_resume(position, legs)


# ---- opening


def test_balanced_is_a_basket_without_a_contract_too_many(position: Position) -> None:
    legs = list(position.legs.all())
    for first, second, balanced in (
        (600, 400, False),
        (600, 600, True),
        (600, 599, False),
        (0, 0, False),
        (1, 1, True),
    ):
        legs[0].bought_count, legs[1].bought_count = first, second
        assert opening.is_balanced(position, legs) is balanced


@pytest.mark.parametrize(("budget", "held"), [(800_000, True), (799_999, False), (0, False)])
def test_orphans_are_held_up_to_their_budget(position: Position, budget: int, held: bool) -> None:
    """200 of the first leg are alone; they cost 0.80."""
    Position.objects.update(quoting="one_leg", status="unwinding")
    Profile.objects.update(orphans="hold", orphan_budget=budget)
    position = Position.objects.select_related("profile", "decision", "event").get()
    with states.lease(position.pk) as lease:
        assert lease is not None
        position.quoting = ""
        assert not opening.hold_orphans(position, lease, position.legs.all())
        position.quoting, position.profile.orphans = "one_leg", "sell"
        assert not opening.hold_orphans(position, lease, position.legs.all())
        position.profile.orphans = "hold"
        assert opening.hold_orphans(position, lease, position.legs.all()) is held
    position.refresh_from_db()
    assert (position.status, position.orphan_limit, position.residual_code) == (
        ("open", 800_000, "orphans_held") if held else ("unwinding", 0, "")
    )


def test_a_whole_basket_alone_holds_no_orphans(position: Position) -> None:
    Leg.objects.update(bought_count=600)
    position.quoting, position.profile.orphans, position.profile.orphan_budget = "one_leg", "hold", 10**9
    assert not opening.hold_orphans(position, Lease(position.pk, "x"), position.legs.all())


# ---- buying


def test_what_waited_too_long_for_its_first_order_is_given_up(position: Position) -> None:
    """In either direction: a row of the future was written before a clock was set back."""
    for age, status in ((20, "executing"), (20.001, "aborted"), (-20, "executing"), (-20.001, "aborted")):
        Position.objects.update(status="pending", created_at=_at(-age), ended_at=None)
        position.refresh_from_db()
        with states.lease(position.pk) as lease:
            assert lease is not None
            assert buy.pending(position, lease)
        position.refresh_from_db()
        assert position.status == status, age
    assert (position.close_code, position.close_type) == ("too_late", "not_bought")


def test_clearance_of_admission_lasts_a_quarter_of_a_second_in_either_direction(position: Position) -> None:
    for ms, cleared in ((0, True), (249, True), (250, False), (-249, True), (-250, False), (900, False)):
        position.created_at = _at(-ms / 1_000)
        assert recheck.is_cleared(position) is cleared, ms


# ---- selling


def test_a_book_that_takes_nothing_is_read_less_and_less_often_and_once_a_minute_at_least(position: Position) -> None:
    refusal = Refusal(DenialCode.NO_BID, "nobody")
    for wait in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60):
        assert selling.stuck(position, refusal) is False
        assert position.next_step_at == _at(wait)
    assert (position.waits, position.residual, position.residual_code) == (12, str(refusal), "no_bid")
    assert PositionEvent.objects.filter(position=position, reason__startswith="contracts are left").count() == 1
    assert Lock.objects.count() == 1
    Lock.objects.all().delete()
    for passing in (DenialCode.PRICE_STALE, DenialCode.ORDER_UNSETTLED):
        selling.stuck(position, Refusal(passing))
        assert not Lock.objects.exists(), "the profile is not locked for what passes by itself"


def test_the_next_rung_is_a_second_later_and_counts_a_try_unless_sales_take_nothing(position: Position) -> None:
    Position.objects.update(waits=3, residual="text", residual_code="no_bid", deadline_at=_at(9), attempts=2)
    position.refresh_from_db()
    found = selling.next_rung(position)
    assert isinstance(found, list)
    assert [leg.sequence for leg in found] == [0, 1]
    assert (position.next_step_at, position.attempts, position.waits) == (_at(1), 3, 0)
    assert (position.residual, position.residual_code, position.deadline_at) == ("", "", None)
    for number in range(8):
        assert isinstance(selling.next_rung(position), list), number
        _order(position, number % 2, action="sell", purpose="unwind")
    refusal = selling.next_rung(position)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, position.attempts) == ("no_bid", 12)
    newest = position.orders.order_by("-created_at", "-id")[0]
    for columns in ({"filled_count": 1}, {"status": "rejected"}):
        kept = {name: getattr(newest, name) for name in columns}
        Order.objects.filter(pk=newest.pk).update(**columns)
        assert not selling._takes_nothing(position, 2), columns
        Order.objects.filter(pk=newest.pk).update(**kept)
    assert selling._takes_nothing(position, 2)
    assert not selling._takes_nothing(position, 3)


def test_between_two_tries_is_a_second_and_a_proof_that_the_books_are_newer(position: Position) -> None:
    live = selling.books(position, [], None)
    assert not selling.must_pause(position, live), "nothing was sold yet"
    sale = _order(position, action="sell", purpose="unwind", sent_at=_at(-1))
    for age, status, pauses in ((1, "done", False), (0.999, "done", True), (0.5, "rejected", False)):
        Order.objects.filter(pk=sale.pk).update(sent_at=_at(-age), status=status)
        assert selling.must_pause(position, live) is pauses, (age, status)
    Order.objects.filter(pk=sale.pk).update(sent_at=_at(-2), status="done")
    for old_ms, pauses in ((2_000, False), (2_001, True)):
        world.publish("KXT-1", world.quoted(position.event, [(3_900, 4_000), (2_900, 3_000)]), age_ms=old_ms)
        assert selling.must_pause(position, selling.books(position, [], None)) is pauses


# ---- unwinding


def test_the_budget_of_an_unwind_shrinks_by_what_was_lost_and_grows_by_no_gain() -> None:
    position = Position(profile=Profile(leg_risk_budget=2_000))
    for realised, left in ((0, 2_000), (-1, 1_999), (-3_000, -1_000), (500, 2_000)):
        position.realised = realised
        assert unwind.budget_left(position) == left


def test_sales_share_one_budget_and_the_leg_that_loses_least_a_contract_goes_first(position: Position) -> None:
    legs = list(position.legs.all())
    world.publish("KXT-1", {"KXT-1-0": (((3_000, 9_000),), ()), "KXT-1-1": (((2_800, 9_000),), ())})
    live = selling.books(position, legs, None)
    wanted = [(legs[0], 600), (legs[1], 400)]
    first, second = (
        sell_ladder.loss_bound(leg, count, bid, world.FEES)
        for (leg, count), bid in zip(wanted, (3_000, 2_800), strict=True)
    )
    assert 0 < second < first

    def sold(allowed: int) -> list[tuple[int, int, int]]:
        return [(sale.leg.sequence, sale.count, sale.least) for sale in unwind.within_budget(wanted, live, allowed)]

    assert sold(first + second) == [(1, 400, 2_800), (0, 600, 3_000)]
    part = sold(first + second - 1)
    assert part[0] == (1, 400, 2_800)
    assert part[1:] == [(0, 500, 3_000)], "whole contracts, and never more than is left"
    assert sold(second) == [(1, 400, 2_800)]
    assert sold(second - 1)[0][1] == 300
    assert sold(-1) == []


# ---- orders on their way


def test_what_an_order_filled_is_what_is_booked_or_reported_whichever_is_more(position: Position) -> None:
    leg, other = position.legs.all()
    orders = [
        Order(leg=leg, action="buy", filled_count=300, reported_fill_count=None),
        Order(leg=leg, action="buy", filled_count=100, reported_fill_count=250),
        Order(leg=leg, action="sell", filled_count=40, reported_fill_count=70),
        Order(leg=other, action="buy", filled_count=900, reported_fill_count=900),
        Order(leg=other, action="sell", filled_count=900, reported_fill_count=900),
    ]
    assert inflight.bought(leg, orders) == 550
    for sold, kept in ((0, 480), (70, 480), (71, 479), (600, 0)):
        leg.sold_count = sold
        assert inflight.kept(leg, orders) == kept


def test_an_order_is_short_that_ended_with_less_and_not_finally() -> None:
    done: dict[str, Any] = {"action": "buy", "status": "done", "count": 100, "filled_count": 99, "is_final": False}
    assert inflight.is_short(Order(**done))
    for columns in ({"filled_count": 100}, {"is_final": True}, {"status": "booking"}, {"action": "sell"}):
        assert not inflight.is_short(Order(**(done | columns))), columns
    assert inflight.is_short(Order(**(done | {"action": "sell"})), "sell")


def test_a_phase_that_waits_is_stepped_after_its_seconds(position: Position) -> None:
    assert inflight.wait(position) is False
    assert position.next_step_at == _at(1)
    assert inflight.wait(position, 7.5) is False
    assert position.next_step_at == clock.now() + timedelta(seconds=7.5)
