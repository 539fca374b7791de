"""How long and how often a phase waits, tries and sells: at the bound itself and one beside it, on one stopped clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strategies.models import Profile
from tests.trading import world
from tests.trading.stopped import NOW, TICK, after
from trading import states
from trading.books import live_books
from trading.denials import DenialCode, Refusal
from trading.execution import executor
from trading.execution.phases import buy, complete, opening
from trading.execution.sizing import baskets, recheck
from trading.models import Leg, Order, Position, PositionEvent
from trading.safety import halt
from trading.states import Lease


@pytest.fixture
def position(half_bought: Position) -> Position:
    return half_bought


# ---- completing


def test_what_passes_is_waited_for_at_growing_distances_and_costs_no_time_of_the_basket(position: Position) -> None:
    slow = Refusal(DenialCode.EXCHANGE_PAUSED, "shard 0")
    for wait in (1, 2, 4, 8, 16, 16):
        complete._wait_out(position, slow)
        assert position.next_step_at == after(wait)
    assert (position.waits, position.residual_code, position.residual) == (6, "exchange_paused", str(slow))
    assert position.deadline_at == after(30)
    assert PositionEvent.objects.filter(position=position, reason__startswith="waiting to complete").count() == 1
    assert complete._wait_out(position, Refusal(DenialCode.HALTED)) is False
    assert (position.next_step_at, position.waits) == (after(1), 7), "a halt is read every second"
    for given, kept in ((after(31), after(31)), (after(29), after(30)), (None, after(30))):
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
        assert (position.next_step_at, position.attempts) == (after(pause), attempts + 1)
        assert (position.waits, position.residual, position.residual_code) == (0, "", "")
    limited = Order(status="rejected", error_code="rate_limited")
    assert complete._after(position, [done, limited], True) is True, "one of them met the book"
    Position.objects.update(attempts=4)
    position.refresh_from_db()
    assert complete._after(position, [limited], True) is False
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
        found = complete._passing(world.add_order_of(position, status="rejected", error_code=code))
        assert (None if found is None else found.code) == passes, code


def test_the_legs_that_lack_something_are_those_below_the_fullest(position: Position) -> None:
    legs = list(position.legs.all())
    assert baskets.lacking(legs, position.target_count) == [legs[1]]
    legs[1].bought_count = 600
    assert baskets.lacking(legs, position.target_count) == []


def test_an_unwind_goes_back_to_completing_ten_times_and_after_a_pause(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    world.add_order_of(position, 0, action="sell", purpose="unwind", filled_count=0, is_final=True)
    assert complete.can_resume(position, legs), "a sale that took nothing sold nothing"
    last = world.add_order_of(position, 1, filled_count=0, is_final=True)
    for age, filled, resumes in ((2.0, 0, True), (1.999, 0, False), (0, 1_000, True), (0, 999, False)):
        Order.objects.filter(pk=last.pk).update(created_at=after(-age), filled_count=filled)
        Leg.objects.filter(position=position, sequence=1).update(bought_count=400)
        assert complete.can_resume(position, legs) is resumes, (age, filled)
    for sent, resumes in ((-9, True), (0, False)):
        Order.objects.filter(pk=last.pk).update(created_at=after(sent), filled_count=0)
        assert live_books.has_changed(position.event, "KXT-1-1", after(sent)) is resumes
    monkeypatch.setattr(complete, "RESUME_PAUSE", timedelta())
    assert not complete.can_resume(position, legs), "only a newer book than that of the last purchase counts"
    monkeypatch.undo()
    Order.objects.filter(pk=last.pk).update(status="rejected", error_code="insufficient_balance", created_at=after(-9))
    assert not complete.can_resume(position, legs)
    Order.objects.filter(pk=last.pk).update(error_code="unreachable")
    assert complete.can_resume(position, legs)


def test_a_halt_is_waited_out_even_where_time_and_tries_are_used_up(position: Position) -> None:
    Position.objects.update(attempts=5, deadline_at=after(-1), next_step_at=NOW)
    halt.set_state(state="halted", actor="ann", reason="r")
    found = executor.step(position.pk)
    assert (found.status, found.residual_code, found.attempts) == ("completing", "halted", 5)


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
        Position.objects.update(status="pending", created_at=after(-age), ended_at=None)
        position.refresh_from_db()
        with states.lease(position.pk) as lease:
            assert lease is not None
            assert buy.pending(position, lease)
        position.refresh_from_db()
        assert position.status == status, age
    assert (position.close_code, position.close_type) == ("too_late", "not_bought")


def test_clearance_of_admission_lasts_a_quarter_of_a_second_in_either_direction(position: Position) -> None:
    for ms, cleared in ((0, True), (249, True), (250, False), (-249, True), (-250, False), (900, False)):
        position.created_at = after(-ms / 1_000)
        assert recheck.is_cleared(position) is cleared, ms
