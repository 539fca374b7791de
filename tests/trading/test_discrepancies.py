"""A difference rings when it appears and again when it changes; whoever trades on its account obeys it, early or late."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from kalbot.common import clock
from simulator.flow import second_actor
from strategies.models import Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading.accounting import audit, balance_check, booking, ledger
from trading.denials import DenialCode
from trading.execution import executor
from trading.models import (
    AccountTransaction,
    Denial,
    Discrepancy,
    ExchangeAccount,
    Leg,
    Lock,
    Order,
    Position,
    ProfileBalance,
    Reconciliation,
)
from trading.reconciliation import own_books, reconcile
from trading.safety import discrepancies, halt, resolution
from trading.venues import connection

DEPTH = 10_000
LIMITS = (3_000, 3_200, 3_100)
DOLLAR = 1_000_000


def _try(twin: Twin, profile: Profile) -> Position | None:
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    return executor.execute(decision.pk)


def _code(profile: Profile) -> str:
    return Denial.objects.filter(decision__profile=profile).latest("id").code


def _resume(profile: Profile) -> None:
    halt.set_state(state="active", actor="test", reason="checked", profile=profile)
    Lock.objects.all().delete()


def test_the_alarm_rings_again_when_the_amount_changes(twin: Twin, caplog: pytest.LogCaptureFixture) -> None:
    profile = world.add_profile("live", mode="live")
    reconcile.run("live", "first")
    twin.exchange.ledger.credit((0, 0), -10 * DOLLAR)
    reconcile.run("live", "test")
    first = Discrepancy.objects.get(code="cash", resolved_at=None)
    assert first.amount == -10 * DOLLAR
    _resume(profile)
    caplog.clear()
    reconcile.run("live", "test")
    assert Discrepancy.objects.get(code="cash", resolved_at=None).pk == first.pk
    assert halt.current(profile) == "active"
    assert not [r for r in caplog.records if r.levelname == "CRITICAL"]
    twin.exchange.ledger.credit((0, 0), -500 * DOLLAR)
    reconcile.run("live", "test")
    again = Discrepancy.objects.get(code="cash", resolved_at=None)
    assert (again.pk != first.pk, again.amount) == (True, -510 * DOLLAR)
    assert halt.current(profile) == "reducing"
    assert [r for r in caplog.records if r.levelname == "CRITICAL"]
    first.refresh_from_db()
    assert first.resolution.startswith("it has changed")


def test_contracts_that_differ_by_another_number_ring_again_and_trading_does_not(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    position = _try(twin, profile)
    assert position is not None
    held = twin.exchange.ledger.positions[(0, twin.markets[0])]
    held.count -= 100
    reconcile.run("live", "test")
    _resume(profile)
    held.count -= 100
    reconcile.run("live", "test")
    assert Discrepancy.objects.filter(code="position").count() == 2
    assert halt.current(profile) == "reducing"


def test_what_a_person_accepted_stays_silent_until_it_changes(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    reconcile.run("live", "first")
    twin.exchange.ledger.credit((0, 0), -10 * DOLLAR)
    reconcile.run("live", "test")
    Discrepancy.objects.update(accepted=True, resolved_at="2026-01-01T00:00:00Z")
    _resume(profile)
    reconcile.run("live", "test")
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    twin.exchange.ledger.credit((0, 0), -1)
    reconcile.run("live", "test")
    assert Discrepancy.objects.filter(resolved_at=None).count() == 1
    assert halt.current(profile) == "reducing"


@pytest.mark.parametrize("late", ["new", "switched on again", "another of the account"])
def test_a_profile_that_comes_later_obeys_an_open_difference_of_its_account(twin: Twin, late: str) -> None:
    first = world.add_profile("first", mode="live")
    sleeper = world.add_profile("sleeper", mode="live", is_active=False)
    reconcile.run("live", "first")
    twin.exchange.ledger.credit((0, 0), -10 * DOLLAR)
    reconcile.run("live", "test")
    assert halt.current(first) == "reducing"
    if late == "new":
        profile = world.add_profile("new", mode="live")
    elif late == "switched on again":
        Profile.objects.filter(pk=sleeper.pk).update(is_active=True)
        profile = Profile.objects.get(pk=sleeper.pk)
    else:
        profile = first
    Lock.objects.all().delete()
    halt.set_state(state="active", actor="test", reason="test", profile=profile)
    assert _try(twin, profile) is None
    assert _code(profile) == DenialCode.DISCREPANCY
    twin.exchange.ledger.credit((0, 0), 10 * DOLLAR)
    reconcile.run("live", "test")
    assert _try(twin, profile) is not None


def test_a_difference_of_live_binds_no_paper_profile(twin: Twin) -> None:
    live, paper = world.add_profile("live", mode="live"), world.add_profile("paper")
    reconcile.run("live", "first")
    twin.exchange.ledger.credit((0, 0), -10 * DOLLAR)
    reconcile.run("live", "test")
    assert halt.current(live) == "reducing"
    assert _try(twin, paper) is not None


# ---- what a person does about them: each kind ends, by one action


def test_every_kind_of_difference_has_an_action() -> None:
    assert set(resolution.ACTIONS) == set(Discrepancy.Code)
    assert all(action.title and action.sentence.endswith(".") for action in resolution.ACTIONS.values())


@pytest.mark.parametrize("subaccount", [0, 9])
def test_of_what_is_not_there_any_more_every_action_speaks_in_words(twin: Twin, subaccount: int) -> None:
    """Neither our rows nor the exchange know what the difference is about, nor, once, its account."""
    reconcile.run("live", "first")
    for code in Discrepancy.Code:
        own = {"order_unresolved": str(uuid4()), "rejected_order_filled": str(uuid4()), "lost_basket": "0:KXT-1:9:9"}
        is_number = code in ("netting_on", "collateral", "cash", "legs_alone", "position_waiting", "exit_waiting")
        key = own.get(code) or ("9" if is_number else f"{subaccount}:KXT-9")
        row = Discrepancy.objects.create(code=code, key=key, mode="live")
        action = resolution.action_for(row)
        assert all(label and text for label, text in action.preview(row)), code
        with suppress(resolution.CannotResolve):
            assert resolution.resolve(row.pk, actor="anna", reason="checked it"), code
    assert not Position.objects.exists()


def _resolve(code: str) -> str:
    row = Discrepancy.objects.get(code=code, resolved_at=None)
    done = resolution.resolve(row.pk, actor="anna", reason="checked it")
    row.refresh_from_db()
    assert row.resolution.startswith("checked it")
    assert row.resolution.endswith("(anna)")
    return done


def _ends(twin: Twin) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences) == ("", 0)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


def test_cash_that_nobody_explains_is_accepted_as_a_transaction_with_its_reason(twin: Twin) -> None:
    world.add_profile("live", mode="live")
    reconcile.run("live", "first")
    twin.exchange.ledger.credit((0, 0), -10 * DOLLAR)
    reconcile.run("live", "test")
    _resolve("cash")
    booked = AccountTransaction.objects.get(kind="accepted")
    assert (booked.amount, booked.actor, booked.reason) == (-10 * DOLLAR, "anna", "checked it")
    _ends(twin)


@pytest.mark.parametrize("gone", [100, 1_000, 1_500, -300])
def test_contracts_that_nobody_explains_are_aligned(twin: Twin, gone: int) -> None:
    profile = world.add_profile("live", mode="live")
    position = _try(twin, profile)
    assert position is not None
    twin.exchange.ledger.positions[(0, twin.markets[0])].count -= gone
    reconcile.run("live", "test")
    _resolve("position")
    _ends(twin)
    held = position.legs.get(market_id=twin.markets[0]).held
    assert held == max(0, min(1_000, 1_000 - gone))
    assert ExchangeAccount.objects.get().foreign.get(twin.markets[0], 0) == 1_000 - gone - held
    assert balance_check.summary(profile)["difference"] == 0
    assert audit.totals(profile) == []


def test_contracts_that_a_comparison_books_meanwhile_are_not_taken_out_twice(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = _try(twin, world.add_profile("live", mode="live"))
    assert position is not None
    leg = position.legs.get(market_id=twin.markets[0])
    twin.exchange.ledger.positions[(0, leg.market_id)].count -= 100
    reconcile.run("live", "test")
    portfolio = connection.client().portfolio
    read = portfolio.positions

    def positions(*arguments: Any) -> Any:
        found = read(*arguments)
        booking.correct(leg.pk, count=100, proceeds=0, key="k", evidence={}, actor="reconciliation", reason="found")
        return found

    monkeypatch.setattr(portfolio, "positions", positions)
    with pytest.raises(resolution.CannotResolve, match="our books have changed meanwhile"):
        _resolve("position")
    leg.refresh_from_db()
    assert leg.held == 900


def test_contracts_of_a_subaccount_are_compared_with_its_own(twin: Twin) -> None:
    world.add_profile("other", mode="live", subaccount=1)
    world.add_profile("live", mode="live")
    reconcile.run("live", "first")
    buys = {"tickers": [twin.markets[0]], "side": "bid", "count": 300, "rest": False}
    assert second_actor.act(twin.exchange, "buy", buys, Random(1))["filled"] == 300
    said = []
    for number in (0, 1):
        row = Discrepancy.objects.create(code="position", key=f"{number}:{twin.markets[0]}", mode="live")
        said.append(resolution.resolve(row.pk, actor="anna", reason="checked it"))
    assert said == ["0 taken out of our legs, 3 are somebody else's", "both agree by now"]
    assert [one.foreign for one in ExchangeAccount.objects.order_by("subaccount")] == [{twin.markets[0]: 300}, {}]


def test_contracts_of_a_market_whose_result_nobody_can_read_are_not_taken_out(twin: Twin) -> None:
    """The record may be early: without the result nothing says what they are worth."""
    assert _try(twin, world.add_profile("live", mode="live")) is not None
    before = twin.held()
    row = Discrepancy.objects.create(code="settlement_count", key=f"0:{twin.markets[0]}", mode="live")
    with pytest.raises(resolution.CannotResolve, match="final result"):
        resolution.resolve(row.pk, actor="anna", reason="checked it")
    assert {leg.market_id: leg.held for leg in Leg.objects.all()} == before


def test_a_rejected_order_that_has_filled_is_booked(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    position = _try(twin, profile)
    assert position is not None
    order = position.orders.first()
    assert order is not None
    Order.objects.filter(pk=order.pk).update(status="rejected", is_final=True)
    reconcile.run("live", "test")
    _resolve("rejected_order_filled")
    _ends(twin)
    order.refresh_from_db()
    assert order.status == "done"


def test_running_totals_are_taken_from_the_entries(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    assert _try(twin, profile) is not None
    balance = ledger.balance_of(profile)
    ProfileBalance.objects.filter(profile=profile).update(cash=balance.cash - 5, realised=balance.realised + 5)
    reconcile.run("live", "test")
    for row in Discrepancy.objects.filter(code="ledger", resolved_at=None):
        resolution.resolve(row.pk, actor="anna", reason="checked it")
    assert audit.totals(profile) == []


def test_collateral_return_is_switched_off(twin: Twin) -> None:
    world.add_profile("live", mode="live")
    connection.client().portfolio.cash.set_netting(0, True)
    reconcile.run("live", "test")
    _resolve("netting_on")
    _ends(twin)


@pytest.mark.parametrize(("code", "key"), [("netting_on", "0"), ("position", "0:KXT-1-0")])
def test_an_action_that_needs_the_exchange_is_refused_in_words_while_it_cannot_be_reached(
    twin: Twin, code: str, key: str
) -> None:
    profile = world.add_profile("live", mode="live")
    reconcile.run("live", "test")
    row = discrepancies.found(None, Discrepancy.Code(code), key, profile=profile)
    with connection.offline(), pytest.raises(resolution.CannotResolve, match="a replay does not reach the exchange"):
        resolution.resolve(row.pk, actor="anna", reason="checked it")
    row.refresh_from_db()
    assert row.resolved_at is None


def test_what_is_accepted_as_known_is_silent_until_it_changes(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    for theirs in ("one", "one", "two"):
        discrepancies.found(None, Discrepancy.Code.FILL_IMPOSSIBLE, "f-1", theirs=theirs, profile=profile)
        if Discrepancy.objects.filter(resolved_at=None).exists() and theirs == "one":
            _resolve("fill_impossible")
    assert list(Discrepancy.objects.order_by("id").values_list("theirs", "accepted")) == [("one", True), ("two", False)]


def test_what_was_accepted_and_is_over_is_named_when_it_comes_again_just_as_it_was(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    code = Discrepancy.Code.SETTLEMENT_REVENUE
    for ends in (partial(discrepancies.agreed, code, "0:A"), partial(discrepancies.resolved, code, "0:")):
        for _ in range(2):
            discrepancies.found(None, code, "0:A", ours="1", theirs="2", amount=1, profile=profile)
            if row := Discrepancy.objects.filter(resolved_at=None).first():
                resolution.resolve(row.pk, actor="anna", reason="checked it")
        discrepancies.agreed(code, "0:B")
        discrepancies.resolved(code, "0:", except_for=["A"])
        discrepancies.found(None, code, "0:A", ours="1", theirs="2", amount=1, profile=profile)
        assert not Discrepancy.objects.filter(resolved_at=None).exists(), "it goes on as it was accepted"
        ends()
    discrepancies.found(None, code, "0:A", ours="1", theirs="2", amount=1, profile=profile)
    assert Discrepancy.objects.filter(code=code).count() == 3
    assert Discrepancy.objects.filter(resolved_at=None).count() == 1


def test_own_counts_that_were_accepted_agreed_and_differ_again_as_before_are_named_again(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    ledger.ensure_funded(profile)
    leg = world.add_order(7, profile=profile, status="done").leg

    def bought(count: int) -> None:
        Leg.objects.filter(pk=leg.pk).update(bought_count=count)
        own_books.compare(Reconciliation.objects.create(started_at=clock.now(), mode="live"))

    for count in (300, 0, 300):
        bought(count)
        if count and Discrepancy.objects.filter(resolved_at=None, code="leg_fills").count() == 1:
            _resolve("leg_fills")
    assert Discrepancy.objects.filter(code="leg_fills").count() == 2


def test_ending_a_difference_needs_a_reason_and_an_open_one(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live")
    row = discrepancies.found(None, Discrepancy.Code.FILL_IMPOSSIBLE, "f-1", profile=profile)
    with pytest.raises(ValueError, match="reason"):
        resolution.resolve(row.pk, actor="anna", reason=" ")
    resolution.resolve(row.pk, actor="anna", reason="known")
    with pytest.raises(resolution.CannotResolve):
        resolution.resolve(row.pk, actor="anna", reason="known")
