"""How long and how often a phase waits, tries and sells: at the bound itself and one beside it, on one stopped clock."""

from __future__ import annotations

from typing import Any

import pytest

from strategies.models import Profile
from tests.trading import world
from tests.trading.stopped import NOW, TICK, after
from trading import leases
from trading.accounting import ledger
from trading.books import live_books
from trading.denials import DenialCode, Refusal
from trading.execution import executor
from trading.execution.orders import inflight
from trading.execution.phases import buy, complete, opening, passing, rescue, resume
from trading.execution.sizing import baskets, recheck
from trading.leases import Lease
from trading.models import Leg, Order, Position, PositionEvent
from trading.safety import halt


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
    assert complete._is_over_time(position, [])
    for name, value in (("attempts", 0), ("deadline_at", NOW + TICK), ("residual_code", "exchange_paused")):
        before = getattr(position, name)
        setattr(position, name, value)
        assert not complete._is_over_time(position, []), name
        setattr(position, name, before)
    position.residual_code = "depth"
    assert complete._is_over_time(position, []), "the market's own reason does not pass"
    position.residual_code = "order_unsettled"
    assert complete._is_over_time(position, [Order(status="resting")]), "what rests waits for nothing else"
    assert not complete._is_over_time(position, [Order(status="done")])
    position.residual_code, position.deadline_at = "", None
    assert complete._is_over_time(position, [])


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
        "unreachable": "not_arrived",
        "not_sent": "not_arrived",
        "never_arrived": "not_arrived",
        "expired": "expired",
        "halted": "halted",
        "price_stale": "price_stale",
        "insufficient_balance": None,
        "depth": None,
        "": None,
    }
    for code, passes in wanted.items():
        found = passing.of_order(world.add_order_of(position, status="rejected", error_code=code))
        assert (None if found is None else found.code) == passes, code


def test_the_legs_that_lack_something_are_those_below_the_fullest(position: Position) -> None:
    legs = list(position.legs.all())
    assert baskets.lacking(legs, position.target_count) == [legs[1]]
    legs[1].bought_count = 600
    assert baskets.lacking(legs, position.target_count) == []


def test_an_order_of_unknown_fate_is_sent_again_to_complete_only_while_nothing_forbids_it(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = world.add_order_of(position, 1, filled_count=0, status="unknown")

    def advanced(orders: list[Order], *, wanted: Any, cancel: bool) -> bool:
        seen.append((wanted(order), cancel))
        return False

    seen: list[tuple[bool, bool]] = []
    monkeypatch.setattr(inflight, "advance_all", advanced)
    for refusal in (None, Refusal(DenialCode.HALTED, "trading is halted")):
        monkeypatch.setattr(buy, "blocked", lambda *args, found=refusal, **kwargs: found)
        Position.objects.filter(pk=position.pk).update(next_step_at=None, lease_token="", lease_until=None)
        executor.step(position.pk)
    assert seen == [(True, False), (False, True)]


def test_an_unwind_goes_back_to_completing_where_that_can_be_done_now(position: Position) -> None:
    legs = list(position.legs.select_related("market"))
    for status in ("inactive", "active"):
        legs[0].market.status = status
        legs[0].market.save()
        assert resume.can_resume(position, legs) is (status == "active")
    for _ in range(10):
        PositionEvent.objects.create(
            position=position, from_status="unwinding", to_status="completing", actor="kalbot", reason="again"
        )
    assert resume.can_resume(position, legs), "however often it was done before"
    world.add_order_of(position, 0, action="sell", purpose="unwind", filled_count=0, is_final=True)
    assert resume.can_resume(position, legs), "a sale that took nothing sold nothing"
    last = world.add_order_of(position, 1, filled_count=0, status="rejected", error_code="insufficient_balance")
    assert not resume.can_resume(position, legs)
    Order.objects.filter(pk=last.pk).update(error_code="unreachable")
    assert resume.can_resume(position, legs)
    Order.objects.filter(pk=last.pk).update(error_code="expired")
    assert resume.can_resume(position, legs), "one that was too old to be sent was never in the book"


def test_what_a_purchase_did_not_get_is_not_tried_again_on_the_same_book(position: Position) -> None:
    legs = list(position.legs.select_related("market"))
    shown = live_books.versions(position.event)["KXT-1-1"]
    last = world.add_order_of(position, 1, filled_count=0, is_final=True, book_version=shown)
    assert not resume.can_resume(position, legs)
    for changes, resumes in (
        ({"filled_count": 999}, False),
        ({"filled_count": 1_000}, True),
        ({"filled_count": 0, "status": "rejected", "error_code": "unreachable"}, True),
        ({"status": "done", "error_code": "", "purpose": "quote"}, True),
        ({"purpose": "entry"}, False),
        ({"price": 2_999}, True),
        ({"price": 3_001}, False),
        ({"book_version": "an older one"}, True),
    ):
        Order.objects.filter(pk=last.pk).update(**changes)
        Leg.objects.filter(position=position, sequence=1).update(bought_count=400)
        assert resume.can_resume(position, legs) is resumes, changes
    Order.objects.filter(pk=last.pk).update(book_version=shown, price=3_000)
    world.add_order_of(position, 0, filled_count=0, is_final=True, book_version="an older one")
    assert not resume.can_resume(position, legs), "the last of that leg"
    world.publish("KXT-1", world.quoted(position.event, [(2_900, 3_000)] * 3))
    assert not resume.can_resume(position, legs), "the same book, published again"
    world.publish("KXT-1", world.quoted(position.event, [(2_900, 3_000)] * 3, size=9_999))
    assert resume.can_resume(position, legs)


def test_a_second_try_waits_for_a_newer_book_than_the_first_one_saw(position: Position) -> None:
    """Both legs lack contracts that the books show: 600 and 400 of 1,000 are held."""
    ledger.ensure_funded(position.profile)
    legs = list(position.legs.all())
    shown = live_books.versions(position.event)
    Leg.objects.filter(position=position, sequence=0).update(
        bought_count=1_000, bought_cost=4_000_000, open_cost=4_000_000
    )
    columns = {"filled_count": 0, "count": 600, "is_final": True, "book_version": shown["KXT-1-1"]}
    first = world.add_order_of(position, 1, **columns)
    Position.objects.update(attempts=1, deadline_at=after(9), next_step_at=NOW)
    found = executor.step(position.pk)
    assert (found.status, found.attempts, found.next_step_at) == ("completing", 1, after(0.25))
    assert position.orders.count() == 1, "nothing is sent on the same book"
    world.publish("KXT-1", world.quoted(position.event, [(3_900, 4_000), (2_900, 3_000)], size=9_999))
    found = executor.step(position.pk)
    second = position.orders.exclude(pk=first.pk).get()
    assert (found.status, second.leg_id, second.count, second.filled_count) == ("open", legs[1].pk, 600, 600)
    assert second.book_version == live_books.versions(position.event)["KXT-1-1"] != first.book_version


@pytest.mark.parametrize(("deadline", "until"), [(-1, 30), (0, 30), (1, 1), (9, 9)])
def test_a_purchase_that_rests_has_the_time_that_is_left_and_after_a_late_start_all_of_it(
    position: Position, deadline: float, until: float
) -> None:
    ledger.ensure_funded(position.profile)
    Profile.objects.update(on_partial=Profile.PartialPolicy.HOLD)
    Position.objects.update(deadline_at=after(deadline), next_step_at=NOW)
    world.publish("KXT-1", world.quoted(position.event, [(3_900, 4_100), (2_900, 3_100)]))
    found = executor.step(position.pk)
    assert (found.status, found.deadline_at) == ("completing", after(until))
    grace = complete.GRACE.total_seconds()
    assert set(found.orders.values_list("status", "expires_at")) == {("resting", after(until + grace))}


@pytest.mark.parametrize(("age", "waits"), [(0.999999, True), (1.0, False), (-0.5, True), (-1.0, False)])
def test_a_newer_book_is_waited_for_a_second(position: Position, age: float, waits: bool) -> None:
    shown = live_books.versions(position.event)["KXT-1-1"]
    last = world.add_order_of(position, 1, filled_count=0, is_final=True, book_version=shown)
    Order.objects.filter(pk=last.pk).update(created_at=after(-age))
    Position.objects.update(attempts=1, deadline_at=after(9), next_step_at=NOW)
    found = executor.step(position.pk)
    assert (found.status == "completing") is waits
    assert position.orders.filter(purpose="complete").count() == 1


def test_an_unwind_goes_back_once_on_each_version_of_the_books(position: Position) -> None:
    ledger.ensure_funded(position.profile)
    Position.objects.update(status="unwinding")
    for size, goes_back in ((10_000, True), (10_000, False), (9_999, True), (9_999, False)):
        world.publish("KXT-1", world.quoted(position.event, [(3_900, 4_000), (2_900, 3_000)], size=size))
        position.refresh_from_db()
        legs = list(position.legs.select_related("market"))
        with leases.lease(position.pk) as lease:
            assert lease is not None
            assert resume.can_resume(position, legs)
            assert resume.resumed(position, lease, legs) is goes_back
        Position.objects.update(status="unwinding")


def test_above_its_limits_a_basket_is_completed_only_where_that_price_was_not_tried_on_the_same_book(
    position: Position,
) -> None:
    ledger.ensure_funded(position.profile)
    legs = list(position.legs.select_related("market"))
    found = rescue.find(position, legs)
    assert found is not None
    assert [(leg.sequence, count, price) for leg, count, price in found.purchases] == [(1, 200, 3_000)]
    shown = live_books.versions(position.event)["KXT-1-1"]
    assert legs[1].seen == shown
    last = world.add_order_of(position, 1, filled_count=0, is_final=True, book_version=shown)
    assert rescue.find(position, legs) is None
    Order.objects.filter(pk=last.pk).update(price=2_999)
    assert rescue.find(position, legs) is not None, "a higher price reaches what the last one did not"


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


def test_what_is_given_up_is_unwound_in_the_same_step(position: Position) -> None:
    assert opening.to_unwinding(position, None, Refusal(DenialCode.DEPTH)) is True
    assert (position.status, position.matched_count) == ("unwinding", 400)


def test_a_leg_has_cost_what_its_purchases_did_in_proportion_to_what_is_used_of_them(position: Position) -> None:
    leg = position.legs.get(sequence=0)
    first = world.add_order_of(position, 0, filled_count=400, reported_cost=1_000_000)
    second = world.add_order_of(position, 0, count=200, filled_count=0, reported_fill_count=200, reported_cost=800_000)
    other = world.add_order_of(position, 1, filled_count=400, reported_cost=9_000_000)
    orders = [first, second, other]
    for count, cost in ((600, 1_800_000), (300, 900_000), (1, 3_000), (1_000, 1_800_000)):
        assert recheck._spent(leg, orders, count, position.target_count, world.FEES) == cost, count
    assert recheck._spent(leg, [other], 600, position.target_count, world.FEES) == 0


@pytest.mark.parametrize(("budget", "held"), [(800_000, True), (799_999, False), (0, False)])
def test_orphans_are_held_up_to_their_budget(position: Position, budget: int, held: bool) -> None:
    """200 of the first leg are alone; they cost 0.80."""
    Position.objects.update(quoting="one_leg", status="unwinding")
    Profile.objects.update(orphans="hold", orphan_budget=budget)
    position = Position.objects.select_related("profile", "decision", "event").get()
    with leases.lease(position.pk) as lease:
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
        with leases.lease(position.pk) as lease:
            assert lease is not None
            assert buy.pending(position, lease)
        position.refresh_from_db()
        assert position.status == status, age
    assert (position.close_code, position.close_type) == ("too_late", "not_bought")


def test_clearance_of_admission_lasts_a_quarter_of_a_second_in_either_direction(position: Position) -> None:
    for ms, cleared in ((0, True), (249, True), (250, False), (-249, True), (-250, False), (900, False)):
        position.created_at = after(-ms / 1_000)
        assert recheck.is_cleared(position) is cleared, ms
