"""What denies a profile every basket is named before anybody asks: the code by which admission denies the next one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
import time_machine

from kalbot.common import clock
from markets import exchange_hours
from markets.models import Event
from strategies.models import Decision, Profile
from tests.trading import world
from trading.accounting import ledger
from trading.denials import Denied
from trading.execution import executor
from trading.limits import every_basket, risk
from trading.limits.intent import Intent
from trading.models import Account, CapitalChange, Discrepancy, Order, Position, Reconciliation
from trading.safety import discrepancies

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]
ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}


def an_unknown_order(profile: Profile) -> None:
    Order.objects.filter(position__profile=profile).update(status="unknown")


def an_order_left_behind(profile: Profile) -> None:
    Order.objects.filter(position__profile=profile).update(
        status="sending", sent_at=clock.now() - timedelta(seconds=11)
    )


def a_difference(profile: Profile) -> None:
    discrepancies.found(None, Discrepancy.Code.LEG_FILLS, "leg", ours="1", theirs="2", profile=profile, tightens=False)


def as_many_as_it_may(profile: Profile) -> None:
    Profile.objects.filter(pk=profile.pk).update(max_open_positions=1)


def a_lost_day(profile: Profile) -> None:
    lose(profile, profile.max_daily_loss)


def a_deep_fall(profile: Profile) -> None:
    Profile.objects.filter(pk=profile.pk).update(max_daily_loss=100 * profile.max_daily_loss)
    lose(profile, profile.max_drawdown)


def nothing(profile: Profile) -> None:
    """No obstacle."""


def lose(profile: Profile, amount: int) -> None:
    change = CapitalChange.objects.create(profile=profile, amount=-amount, actor="test")
    ledger.post(
        profile=profile,
        kind="deposit",
        key=f"test:{change.pk}",
        capital_change=change,
        entries=[(Account.CASH, -amount), (Account.REALISED, amount)],
    )


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (nothing, None),
        (an_unknown_order, "order_unknown"),
        (an_order_left_behind, "order_unknown"),
        (a_difference, "discrepancy"),
        (as_many_as_it_may, "max_open_positions"),
        (a_lost_day, "daily_loss"),
        (a_deep_fall, "drawdown"),
    ],
)
def test_it_names_what_admission_denies_the_next_basket_by(cause: Callable[[Profile], None], code: str | None) -> None:
    profile, other = world.add_profile(), world.add_profile("other", max_open_positions=1)
    bought(profile)
    cause(profile)
    profile.refresh_from_db()
    next_event = world.add_event("KXT-2")
    assert first_denial(profile, next_event) == code
    found = every_basket.refusals(every_basket.active_profiles())
    assert [one.code for one in found.get(profile.pk, [])][:1] == ([code] if code else [])
    assert other.pk not in found


def test_an_order_is_left_behind_seconds_after_it_was_sent_however_long_the_process_has_run() -> None:
    profile = world.add_profile()
    bought(profile)
    every_basket.active_profiles()
    with time_machine.travel(clock.now() + timedelta(hours=1), tick=False):
        an_order_left_behind(profile)
        assert [one.code for one in every_basket.refusals(every_basket.active_profiles())[profile.pk]] == [
            "order_unknown"
        ]


def test_a_live_profile_waits_for_a_comparison_that_ended_well() -> None:
    live = world.add_profile("live", mode="live")
    assert "not_reconciled" in codes(live)
    old = clock.now() - timedelta(minutes=16)
    run = Reconciliation.objects.create(started_at=old, finished_at=old, mode="live", trigger="test")
    assert "not_reconciled" in codes(live)
    Reconciliation.objects.filter(pk=run.pk).update(started_at=clock.now(), error="it did not answer")
    assert "not_reconciled" in codes(live)
    Reconciliation.objects.filter(pk=run.pk).update(error="")
    assert "not_reconciled" not in codes(live)


def codes(profile: Profile) -> list[str]:
    """What is named of one profile."""
    return [one.code for one in every_basket.refusals(every_basket.active_profiles()).get(profile.pk, [])]


def bought(profile: Profile) -> Position:
    """A basket of the profile, bought on paper."""
    event = world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    position = executor.execute(world.decide(profile, event, LIMITS).pk)
    assert position is not None
    return position


def first_denial(profile: Profile, event: Event) -> str | None:
    """The code by which a basket of another event is denied; None when it is not."""
    legs = {f"{event.pk}-{place}": price for place, price in enumerate(LIMITS.values())}
    decision: Decision = world.decide(profile, event, legs)
    intent = Intent(profile, decision, 3_000_000, {(ticker, "yes"): 1_000_000 for ticker in legs})
    try:
        risk.limits(intent)
    except Denied as denied:
        return str(denied.code)
    return None


def test_hours_that_nobody_knows_are_named_and_a_pause_is_not_called_so() -> None:
    live = world.add_profile("live", mode="live")
    assert "hours_unknown" in codes(live)
    world.exchange_open()
    assert "hours_unknown" not in codes(live)
    known = exchange_hours.last()
    assert known is not None
    assert known.status is not None
    shut = msgspec.structs.replace(known.status, trading_active=False, indexes=())
    exchange_hours.keep(exchange_hours.Answer(clock.now_ms(), shut, known.schedule))
    obstacle = exchange_hours.obstacle(0, is_live=True)
    assert obstacle is not None
    assert obstacle.why == exchange_hours.Closed.PAUSED
    assert "hours_unknown" not in codes(live)
