"""How old a decision may be, what admission stores and sets aside, and how long a lease is held: at the bound, on a stopped clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.db.models import F

from strategies.models import Profile
from tests.trading import world
from tests.trading.stopped import NOW, TICK, after, refusal_of
from tests.trading.struck import LIMITS
from trading import leases
from trading.accounting import ledger
from trading.denials import Denied
from trading.execution import admission
from trading.models import Position, ProfileBalance

QUOTES = [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]


@pytest.fixture(autouse=True)
def traveller() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as found:
        world.active()
        yield found


def _decision(number: int = 1, profile: Profile | None = None) -> Any:
    event = world.add_event(f"KXT-{number}")
    world.publish(event.ticker, world.quoted(event, QUOTES))
    limits = {f"{event.ticker}-{n}": limit for n, limit in enumerate(LIMITS)}
    return world.decide(profile or world.add_profile(f"profile-{number}"), event, limits)


def test_a_decision_is_carried_out_for_twenty_seconds_in_either_direction() -> None:
    cases = ((20, True), (20.000001, False), (-20, True), (-20.000001, False))
    for number, (age, admitted) in enumerate(cases):
        decision = _decision(number)
        decision.created_at = after(-age)
        found = admission.admit(decision)
        assert (found is not None) is admitted, age
        if found is None:
            assert decision.denial.code == "expired"


def test_a_position_is_stored_with_its_lease_its_first_order_and_what_is_set_aside() -> None:
    together = world.add_profile("together", sending="all_at_once")
    for number, (decision, sends, orders) in enumerate(
        ((_decision(1), True, 1), (_decision(2), False, 0), (_decision(3, together), True, 3))
    ):
        found = admission.take_up(decision, sends=sends)
        assert found is not None
        row = Position.objects.get(pk=found.position.pk)
        assert row.status == ("executing" if sends else "pending"), number
        assert (bool(row.lease_token), row.lease_until) == (sends, after(45) if sends else None)
        assert row.next_step_at == after(45)
        assert row.reserved == decision.max_cost == ProfileBalance.objects.get(profile=decision.profile).reserved
        assert (row.target_count, row.orphan_limit, row.quoting, row.collateral) == (1_000, 0, "", None)
        assert [order.status for order in found.orders] == ["sending"] * orders
        assert {order.lease_token for order in found.orders} <= {row.lease_token}
        assert sorted(row.legs.values_list("sequence", "target_count")) == [(n, 1_000) for n in range(3)]
        assert row.events.count() == (2 if sends else 1)


def test_a_decision_that_changes_at_each_try_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    decision, tries = _decision(), list[int]()
    same = admission._is_same

    def changed(now: Any, then: Any) -> bool:
        tries.append(1)
        return same(now, then) and len(tries) > 1

    monkeypatch.setattr(admission, "_is_same", changed)
    assert admission.admit(decision) is not None
    assert len(tries) == 2
    other = _decision(2)
    tries.clear()
    monkeypatch.setattr(admission, "_is_same", lambda now, then: changed(now, then) and False)
    assert admission.admit(other) is None
    assert len(tries) == 2, "the first of three books its capital"
    assert (other.denial.code, other.denial.detail) == ("capital", "the profile changed again and again")


def test_one_basket_of_an_account_is_learnt_from_at_a_time() -> None:
    live, paper = world.add_profile("live", mode="live"), world.add_profile("paper")
    apart = world.add_profile("apart", mode="live", subaccount=3)
    order = world.add_order(1, live)
    rows = Position.objects.filter(pk=order.position_id)
    for status, learning, refused in (
        ("executing", False, True),
        ("open", False, False),
        ("open", True, True),
        ("closed", True, False),
        ("unwinding", False, True),
    ):
        rows.update(status=status, collateral={"learning": True} if learning else None)
        for profile, denied in ((live, refused), (paper, False), (apart, False)):
            found = refusal_of(partial(admission._learns_alone, profile))
            assert found == ("collateral_learning" if denied else ""), (status, profile)


def test_a_profile_that_changed_its_account_meanwhile_is_refused() -> None:
    read = Profile(mode="live", subaccount=None)
    admission._same_account(read, Profile(mode="live", subaccount=0))
    for now in (Profile(mode="sim"), Profile(mode="live", subaccount=1)):
        with pytest.raises(Denied) as denied:
            admission._same_account(read, now)
        assert denied.value.code == "mode"


def _set_cash(amount: int) -> None:
    """So much is free; the capital is what it must be for that."""
    ProfileBalance.objects.update(capital=F("capital") + F("cash") - amount, cash=amount)


def test_what_is_set_aside_already_needs_no_cash() -> None:
    found = admission.admit(_decision())
    assert found is not None
    _set_cash(-1)
    ledger.reserve_up_to(found, found.reserved)
    with pytest.raises(Denied) as denied:
        ledger.reserve_up_to(found, found.reserved + 1)
    assert denied.value.code == "capital"
    _set_cash(1)
    ledger.reserve_up_to(found, found.reserved + 1)
    Position.objects.update(status="open")
    with pytest.raises(ledger.Overtaken):
        ledger.reserve_up_to(found, found.reserved + 1)


def test_a_lease_is_free_when_it_lapsed_or_could_not_have_been_given(traveller: Any) -> None:
    order = world.add_order(1)
    rows = Position.objects.filter(pk=order.position_id)
    for until, free in (
        (None, True),
        (after(0), False),
        (NOW - TICK, True),
        (after(46), False),
        (NOW + timedelta(seconds=46) + TICK, True),
    ):
        rows.update(lease_until=until)
        assert rows.filter(leases.is_free(NOW)).exists() is free, until
    rows.update(lease_until=None)
    with leases.lease(order.position_id) as mine:
        assert mine is not None
        with leases.lease(order.position_id) as theirs:
            assert theirs is None
        assert rows.get().lease_until == after(45)
        rows.update(lease_token="theirs")
        traveller.shift(4.999)
        mine.renew()
        traveller.shift(0.001)
        with pytest.raises(ledger.Overtaken):
            mine.renew()
        rows.update(lease_token=mine.token)
        mine.renew()
        assert rows.get().lease_until == after(50)
    assert (rows.get().lease_token, rows.get().lease_until) == ("", None)
