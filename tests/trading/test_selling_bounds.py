"""How often a sale is tried, what an unwind may lose, and what orders on their way have filled: at the bound, on a stopped clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from tests.trading import world
from tests.trading.stopped import after
from trading.accounting import leg_risk
from trading.closing import exits
from trading.denials import DenialCode, Refusal
from trading.execution import executor
from trading.execution.orders import inflight, sell_ladder
from trading.execution.phases import selling, unwind
from trading.models import Lock, Order, Position, PositionEvent
from trading.venues import connection


@pytest.fixture
def position(half_bought: Position) -> Position:
    return half_bought


# ---- selling


def test_a_book_that_takes_nothing_is_read_less_and_less_often_and_once_a_minute_at_least(position: Position) -> None:
    refusal = Refusal(DenialCode.NO_BID, "nobody")
    for wait in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60):
        assert selling.stuck(position, refusal) is False
        assert position.next_step_at == after(wait)
    assert (position.waits, position.residual, position.residual_code) == (12, str(refusal), "no_bid")
    assert PositionEvent.objects.filter(position=position, reason__startswith="contracts are left").count() == 1
    assert Lock.objects.count() == 1
    Lock.objects.all().delete()
    for passing in (DenialCode.PRICE_STALE, DenialCode.ORDER_UNSETTLED):
        selling.stuck(position, Refusal(passing))
        assert not Lock.objects.exists(), "the profile is not locked for what passes by itself"


def test_the_next_rung_is_a_second_later_and_counts_a_try_unless_sales_take_nothing(position: Position) -> None:
    Position.objects.update(waits=3, residual="text", residual_code="no_bid", deadline_at=after(9), attempts=2)
    position.refresh_from_db()
    found = selling.next_rung(position)
    assert isinstance(found, list)
    assert [leg.sequence for leg in found] == [0, 1]
    assert (position.next_step_at, position.attempts, position.waits) == (after(1), 3, 0)
    assert (position.residual, position.residual_code, position.deadline_at) == (
        str(selling.SENT),
        "order_unsettled",
        None,
    )
    for number in range(8):
        assert isinstance(selling.next_rung(position), list), number
        world.add_order_of(position, number % 2, action="sell", purpose="unwind")
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


def test_an_unwind_whose_sales_take_nothing_is_stuck_and_says_so(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Refusal(DenialCode.NO_BID, "sales at the bids that are shown take nothing")
    monkeypatch.setattr(unwind, "_kept", lambda *args: None)
    monkeypatch.setattr(unwind, "_sell_some", lambda *args: None)
    monkeypatch.setattr(selling, "next_rung", lambda one: refusal)
    Position.objects.filter(pk=position.pk).update(status="unwinding", next_step_at=None)
    position = executor.step(position.pk)
    assert (position.status, position.residual_code, position.residual) == ("unwinding", "no_bid", str(refusal))


def test_between_two_tries_is_a_second_and_a_proof_that_the_books_are_newer(position: Position) -> None:
    live = selling.books(position, [], None)
    assert not selling.must_pause(position, live), "nothing was sold yet"
    sale = world.add_order_of(position, action="sell", purpose="unwind", sent_at=after(-1))
    for age, status, pauses in ((1, "done", False), (0.999, "done", True), (0.5, "rejected", False)):
        Order.objects.filter(pk=sale.pk).update(sent_at=after(-age), status=status)
        assert bool(selling.must_pause(position, live)) is pauses, (age, status)
    Order.objects.filter(pk=sale.pk).update(sent_at=after(-2), status="done")
    for old_ms, pauses in ((2_000, False), (2_001, True)):
        world.publish("KXT-1", world.quoted(position.event, [(3_900, 4_000), (2_900, 3_000)]), age_ms=old_ms)
        assert bool(selling.must_pause(position, selling.books(position, [], None))) is pauses


@pytest.mark.parametrize("status", ["unwinding", "exiting"])
def test_what_a_sale_waits_for_is_said_with_the_time_of_the_next_try(position: Position, status: str) -> None:
    """A feed that is silent after a sale, and an order of which nothing is known, held up sales without a word."""
    Position.objects.update(status="open" if status == "exiting" else status)
    if status == "exiting":
        exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="cash")
        Position.objects.update(status=status)
    sale = world.add_order_of(position, action="sell", purpose="unwind", status="done", sent_at=after(-2))
    for ago, code in ((2, "order_unsettled"), (6, "price_stale")):
        Order.objects.filter(pk=sale.pk).update(sent_at=after(-ago))
        world.publish("KXT-1", world.quoted(position.event, [(3_900, 4_000), (2_900, 3_000)]), age_ms=ago * 1_000 + 1)
        found = executor.step(position.pk)
        assert (found.status, found.residual_code, found.next_step_at) == (status, code, after(1))
    Order.objects.filter(pk=sale.pk).update(status="booking", reported_fill_count=100)
    found = executor.step(position.pk)
    assert (found.status, found.residual_code, found.next_step_at) == (status, "order_unknown", after(1))
    assert sale.leg.market_id in found.residual
    assert found.waits == 0, "no try is counted"


# ---- unwinding


def test_the_budget_of_an_unwind_shrinks_by_what_was_lost_and_grows_by_no_gain(position: Position) -> None:
    position.profile.leg_risk_budget = 2_000
    for realised, left in ((0, 2_000), (-1, 1_999), (-3_000, -1_000), (500, 2_000)):
        position.realised = realised
        assert leg_risk.left(position) == left


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


def test_an_order_that_is_not_shown_is_read_three_times(position: Position, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(clock, "sleep", slept.append)
    order = world.add_order_of(position)
    order.mode = "live"
    with connection.offline():
        assert inflight._read_again(order) is None
    assert slept == [0.0, 0.1, 0.3]


def test_a_phase_that_waits_is_stepped_after_its_seconds(position: Position) -> None:
    assert inflight.wait(position) is False
    assert position.next_step_at == after(1)
    assert inflight.wait(position, 7.5) is False
    assert position.next_step_at == clock.now() + timedelta(seconds=7.5)


def test_completing_at_a_loss_takes_from_what_a_sale_may_lose_where_a_basket_is_sure_and_nowhere_else(
    position: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs, decision = list(position.legs.all()), position.decision
    for leg in legs:
        leg.bought_count, leg.open_cost = 500, 3 * world.DOLLAR
    accepted = max(decision.floor, decision.max_cost) * 500 // decision.count
    lost = 6 * world.DOLLAR - accepted
    assert lost > 0
    assert leg_risk.lost_completing(position, legs) == lost
    assert leg_risk.left_to_sell(position, legs) == leg_risk.left(position) - lost == 2 * world.DOLLAR - lost
    for name, value in (("kind", "coverage"), ("guaranteed", False)):
        before = getattr(decision, name)
        setattr(decision, name, value)
        assert leg_risk.lost_completing(position, legs) == 0, "its loss was taken with the decision"
        setattr(decision, name, before)
    legs[0].open_cost = legs[1].open_cost = accepted // 2
    assert leg_risk.lost_completing(position, legs) == 0, "no more than was accepted"
    position.realised = 5
    with monkeypatch.context() as patch:
        patch.setattr(leg_risk, "_lost_unwinding", lambda one: -5)
        assert leg_risk.left(position) == 2 * world.DOLLAR, "a gain adds nothing"
    position.realised = -1
    assert leg_risk.left(position) == 2 * world.DOLLAR - 1
