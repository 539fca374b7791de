"""Sim and live never meet, whoever writes: the database refuses."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F, Model

from strategies.models import Decision, Profile
from tests.trading import world
from trading.accounting import balance_check, ledger
from trading.accounting.posting import UnbalancedError
from trading.execution import admission, executor
from trading.models import Denial, Fill, LedgerTransaction, Leg, LiveEventClaim, Order, Position
from trading.safety import mode_guard

ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}


def _position() -> Position:
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    position = executor.execute(world.decide(profile, event, LIMITS).pk)
    assert position is not None
    return position


@pytest.mark.parametrize("model", [Decision, Position, Order, Fill, LedgerTransaction])
def test_a_row_cannot_change_its_mode(model: type[Model]) -> None:
    _position()
    with pytest.raises(IntegrityError), transaction.atomic():
        model._default_manager.update(mode="live")


def test_a_row_cannot_be_born_in_another_mode() -> None:
    profile, event = world.add_profile(), world.add_event()
    with pytest.raises(IntegrityError), transaction.atomic():
        world.decide(profile, event, LIMITS, mode="live")


def test_a_profile_that_has_traded_keeps_its_mode() -> None:
    fresh = world.add_profile("fresh")
    fresh.mode = "live"
    fresh.save(update_fields=["mode"])
    position = _position()
    with pytest.raises(IntegrityError), transaction.atomic():
        Profile.objects.filter(pk=position.profile_id).update(mode="live")


def test_guards_survive_being_installed_again() -> None:
    mode_guard.remove()
    mode_guard.install()
    mode_guard.install()
    test_a_row_cannot_be_born_in_another_mode()


def test_two_live_profiles_of_one_account_cannot_hold_one_event(settings: object) -> None:
    event = world.add_event()
    claims = []
    for name, subaccount in (("a", None), ("b", None), ("c", 7)):
        profile = world.add_profile(name, mode="live", subaccount=subaccount)
        decision = world.decide(profile, event, LIMITS)
        position = Position.objects.create(
            profile=profile, mode="live", decision=decision, event=event, kind="all_yes", target_count=1
        )
        claims.append((event, subaccount or 0, position))
    LiveEventClaim.objects.create(event=claims[0][0], subaccount=claims[0][1], position=claims[0][2])
    LiveEventClaim.objects.create(event=claims[2][0], subaccount=claims[2][1], position=claims[2][2])
    with pytest.raises(IntegrityError), transaction.atomic():
        LiveEventClaim.objects.create(event=claims[1][0], subaccount=claims[1][1], position=claims[1][2])


def test_ledger_refuses_entries_that_do_not_balance() -> None:
    profile = world.add_profile()
    with pytest.raises(UnbalancedError):
        ledger.post(profile=profile, kind="test", key="k", entries=[("cash", 1)])


def test_capital_edits_are_booked_and_may_even_overdraw() -> None:
    position = _position()
    profile = position.profile
    ledger.deposit(profile, 500 * world.DOLLAR, "ann")
    assert balance_check.summary(profile)["starting"] == 1_500 * world.DOLLAR
    Profile.objects.filter(pk=profile.pk).update(capital=world.DOLLAR)
    profile.refresh_from_db()
    assert balance_check.summary(profile)["difference"] == 0
    ledger.ensure_funded(profile)
    summary = balance_check.summary(profile)
    assert (summary["starting"], summary["difference"]) == (world.DOLLAR, 0)
    assert summary["cash"] == world.DOLLAR - position.cost


def test_a_profile_keeps_its_subaccount_while_anything_is_open() -> None:
    position = _position()
    rows = Profile.objects.filter(pk=position.profile_id)
    rows.update(subaccount=0)  # the same as none

    def refused() -> bool:
        try:
            with transaction.atomic():
                rows.update(subaccount=7)
        except IntegrityError:
            return True
        return False

    assert refused()
    Position.objects.update(status="aborted")
    assert refused(), "its legs hold contracts"
    Leg.objects.update(sold_count=F("bought_count"))
    Order.objects.filter(pk=position.orders.all()[0].pk).update(status="unknown")
    assert refused(), "what became of an order is not known"
    assert mode_guard.has_open(position.profile)
    Order.objects.update(status="done")
    assert not mode_guard.has_open(position.profile)
    assert not refused()


def test_a_profile_that_moved_after_it_was_read_opens_nothing() -> None:
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    decision = world.decide(profile, event, LIMITS)
    Profile.objects.update(subaccount=3)
    assert decision.profile.subaccount is None
    assert admission.admit(decision) is None
    assert Denial.objects.get().code == "mode"
