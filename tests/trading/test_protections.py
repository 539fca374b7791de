"""Bad luck and bad data lock new baskets for a time, with a reason that a person can read and delete. Exits go on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import world
from trading import sweeper
from trading.closing import exits
from trading.denials import DenialCode, Refusal
from trading.execution import executor
from trading.execution.phases import selling
from trading.limits import every_basket
from trading.models import Denial, Discrepancy, Leg, Lock, Order, Position, Reconciliation, TradingState
from trading.reconciliation import overdue
from trading.safety import discrepancies, lock_causes, protections
from trading.tasks import reconcile_books

LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}
ASKS = [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]


@pytest.fixture
def profile() -> Profile:
    return world.add_profile()


def _event(number: int) -> Any:
    event = world.add_event(f"KXT-{number}")
    world.publish(event.ticker, world.quoted(event, ASKS))
    return event


def _execute(profile: Profile, event: Any, price_less: int = 0) -> Position | None:
    limits = {f"{event.ticker}-{n}": p - price_less for n, p in enumerate(LIMITS.values())}
    return executor.execute(world.decide(profile, event, limits, 100).pk)


def _lock_of(profile: Profile | None) -> Lock | None:
    return Lock.objects.filter(profile=profile).first()


def test_a_lock_refuses_baskets_until_its_time_or_its_deletion(profile: Profile) -> None:
    protections.lock(profile, Lock.Code.RESIDUAL, "for a reason", timedelta(minutes=5))
    assert _execute(profile, _event(1)) is None
    denial = Denial.objects.get()
    assert denial.code == "locked"
    assert "for a reason" in denial.detail
    Lock.objects.all().delete()
    assert _execute(profile, _event(2)) is not None
    protections.lock(profile, Lock.Code.RESIDUAL, "again", timedelta(minutes=5))
    with time_machine.travel(clock.now() + timedelta(minutes=6), tick=False):
        assert _execute(profile, _event(3)) is not None


def test_the_same_lock_is_prolonged_not_doubled(profile: Profile) -> None:
    protections.lock(profile, Lock.Code.RESIDUAL, "first", timedelta(minutes=1))
    protections.lock(profile, Lock.Code.RESIDUAL, "second", timedelta(minutes=9))
    (row,) = Lock.objects.all()
    assert (row.reason, row.until > clock.now() + timedelta(minutes=8)) == ("second", True)


def _ended(profile: Profile, number: int, bought: bool | None = None, **columns: Any) -> Position:
    """A position that has ended; ``bought``: whether anything was, else whether it paid fees."""
    event = _event(number)
    decision = world.decide(profile, event, {f"{event.ticker}-0": 3_000}, kind="coverage")
    position = Position.objects.create(
        profile=profile,
        mode=profile.mode,
        decision=decision,
        event=event,
        kind="coverage",
        target_count=100,
        ended_at=clock.now(),
        **columns,
    )
    if columns.get("fees") if bought is None else bought:
        counts = dict.fromkeys(("target_count", "bought_count", "sold_count"), 100)
        Leg.objects.create(position=position, market_id=f"{event.ticker}-0", side="yes", limit_price=3_000, **counts)
    return position


def test_unwound_baskets_lock_the_profile_and_nobody_else(profile: Profile) -> None:
    for number in range(protections.UNWOUND_BASKETS):
        assert _lock_of(profile) is None
        position = _ended(profile, number, status="aborted", fees=1, realised=1)
        position.events.create(from_status="completing", to_status="unwinding")
        world.add_order_of(position, action="sell", purpose="unwind", filled_count=100)
        protections.after_unwind(position)
    found = _lock_of(profile)
    assert found is not None
    assert found.code == "unwound_baskets"
    assert _execute(world.add_profile("other"), _event(99)) is not None


def test_baskets_of_which_nothing_could_be_bought_lock_the_profile(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.limits.risk.books", lambda intent, live: None)
    gone = Refusal(DenialCode.DEPTH, "somebody was faster")
    monkeypatch.setattr("trading.execution.sizing.recheck.achievable", lambda *args, **kwargs: gone)
    monkeypatch.setattr("trading.execution.sizing.recheck.CLEARED_FOR", timedelta(0))
    for number in range(protections.FAILED_BASKETS):
        assert _lock_of(profile) is None
        event = _event(number)
        position = _execute(profile, event)
        assert position is not None
        assert (position.status, position.close_code) == ("aborted", "depth")
    found = _lock_of(profile)
    assert found is not None
    assert found.code == "failed_baskets"


def test_orders_refused_one_after_another_lock_the_profile(profile: Profile) -> None:
    event = _event(1)
    position = _execute(profile, event)
    assert position is not None
    leg = position.legs.all()[0]
    failed = _ended(profile, 2, status="aborted")
    for code in (*protections.OWN_ERRORS, *["invalid_price"] * (protections.REJECTS - 1)):
        Order.objects.create(
            profile=profile,
            mode="sim",
            position=position,
            leg=leg,
            action="buy",
            purpose="entry",
            side="yes",
            price=100,
            count=100,
            status="rejected",
            error_code=code,
            ended_at=clock.now(),
        )
    protections.after_failure(failed)
    assert _lock_of(profile) is None, "what our own limiter refused does not count"
    Order.objects.filter(error_code="rate_limited").update(error_code="invalid_order")
    protections.after_failure(failed)
    found = _lock_of(profile)
    assert found is not None
    assert found.code == "reject_storm"


def test_a_streak_of_losses_locks_the_profile_and_a_win_breaks_it(profile: Profile) -> None:
    for number in range(protections.STREAK - 1):
        protections.after_end(_ended(profile, number, status="settled", fees=1, realised=-5))
    protections.after_end(_ended(profile, 50, status="settled", fees=1, realised=7))
    for number in range(60, 60 + protections.STREAK - 1):
        protections.after_end(_ended(profile, number, status="settled", fees=1, realised=-5))
    assert _lock_of(profile) is None
    unwound = _ended(profile, 70, status="aborted", fees=1, realised=-5)
    protections.after_unwind(unwound)
    found = _lock_of(profile)
    assert found is not None
    assert found.code == "loss_streak"


def test_trades_of_a_series_without_fees_count_like_any_other(profile: Profile) -> None:
    for number in range(protections.FAILED_BASKETS):
        protections.after_failure(_ended(profile, number, bought=True, status="aborted", fees=0, realised=1))
    assert _lock_of(profile) is None, "something was bought"
    for number in range(20, 20 + protections.STREAK):
        protections.after_end(_ended(profile, number, bought=True, status="settled", fees=0, realised=-5))
    found = _lock_of(profile)
    assert found is not None
    assert found.code == "loss_streak"


def test_a_reconnect_of_the_feed_locks_everybody_for_a_moment(profile: Profile) -> None:
    reconcile_books("reconnect")
    found = _lock_of(None)
    assert found is not None
    assert found.code == "feed_gap"
    assert _execute(profile, _event(1)) is None
    with time_machine.travel(found.until + timedelta(seconds=1), tick=False):
        assert _execute(profile, _event(2)) is not None


def test_an_unexplained_difference_reduces_and_locks(profile: Profile) -> None:
    row = Reconciliation.objects.create(started_at=clock.now(), mode="sim", trigger="test")
    discrepancies.found(row, Discrepancy.Code.CASH, "0", theirs="1", profile=profile)
    assert TradingState.objects.get(profile=profile).state == "reducing"
    found = _lock_of(profile)
    assert found is not None
    assert found.code == "difference"


def test_an_exit_goes_on_under_every_lock(profile: Profile) -> None:
    position = _execute(profile, _event(1))
    assert position is not None
    assert position.status == "open"
    protections.lock(None, Lock.Code.FEED_GAP, "everything stops", timedelta(hours=1))
    exits.request_exit(position_id=position.pk, actor="test", reason="out", below_floor="the person said so")
    with time_machine.travel(clock.now() + timedelta(seconds=61), tick=False):
        world.publish("KXT-1", world.quoted(position.event, ASKS))
        assert executor.step(position.pk).status == "closed"


def test_an_exit_that_waits_for_its_prices_keeps_new_baskets_out_of_its_event_alone(profile: Profile) -> None:
    position = _execute(profile, _event(1))
    assert position is not None
    books = dict(world.quoted(position.event, ASKS))
    books["KXT-1-1"] = ((), books["KXT-1-1"][1])
    Position.objects.update(guaranteed=False)
    least: Any = {(leg.market_id, leg.side): 2_500 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=least)
    world.publish("KXT-1", books)
    assert executor.step(position.pk).status == "exiting"
    for minutes in (2, 13):
        with time_machine.travel(clock.now() + timedelta(minutes=minutes), tick=False):
            world.publish("KXT-1", books)
            sweeper.sweep()
            overdue.act()
            position.refresh_from_db()
            assert (position.status, position.residual_code, position.legs.filter(sold_count=100).count()) == (
                "exiting",
                "no_bid",
                2,
            )
            assert _execute(profile, _event(minutes)) is not None, Denial.objects.values_list("code", "detail")
    assert Discrepancy.objects.get(resolved_at=None).code == "exit_waiting"
    assert not any(every_basket.refusals(every_basket.active_profiles()).values())
    world.publish("KXT-1", books)
    assert _execute(profile, position.event) is None
    assert Denial.objects.get().code == "event_taken"
    selling.stuck(position, Refusal(DenialCode.SALE_NEEDS_FUNDS))
    overdue.act()
    assert [one.code for one in Discrepancy.objects.filter(resolved_at=None)] == []
    assert _execute(profile, _event(99)) is None
    assert sorted(Denial.objects.values_list("code", flat=True)) == ["event_taken", "locked"], "it needs the same cash"
    selling.stuck(position, Refusal(DenialCode.NO_BID))
    assert (lock_causes.end(), _in_force(profile)) == (1, []), "it has the cash and waits for bids again"


def _in_force(profile: Profile | None) -> list[str]:
    return [lock.code for lock in Lock.objects.filter(profile=profile, until__gt=clock.now())]


def _sell_off(position: Position) -> None:
    Position.objects.filter(pk=position.pk).update(status="closed", residual="", residual_code="")


def _resolve(position: Position) -> None:
    discrepancies.close(Discrepancy.objects.get(), actor="rita", resolution="read the statement")


def _win(position: Position) -> None:
    _ended(position.profile, 50, status="settled", fees=1, realised=1)


def _be_accepted(position: Position) -> None:
    leg = position.legs.all()[0]
    Order.objects.create(**_order(position, leg), status="done", exchange_order_id="X1", sent_at=clock.now())


def _order(position: Position, leg: Leg) -> dict[str, Any]:
    return {
        "profile": position.profile,
        "mode": position.mode,
        "position": position,
        "leg": leg,
        "action": "buy",
        "purpose": "entry",
        "side": "yes",
        "price": 3_000,
        "count": 100,
    }


def _be_stuck(profile: Profile) -> Position:
    stuck = _ended(profile, 10, status="unwinding", residual="no bid", residual_code="no_bids")
    protections.after_residual(stuck, Refusal(DenialCode.NO_BID))
    return stuck


def _differ(profile: Profile) -> Position:
    discrepancies.found(None, Discrepancy.Code.POSITION, "KXT-1-0", ours="1", theirs="2", profile=profile)
    return _ended(profile, 10, status="settled", fees=1, realised=1)


def _lose(profile: Profile) -> Position:
    for number in range(10, 10 + protections.STREAK):
        last = _ended(profile, number, status="settled", fees=1, realised=-1)
    protections.after_end(last)
    return last


def _be_refused(profile: Profile) -> Position:
    position = _ended(profile, 10, bought=True, status="aborted")
    for _ in range(protections.REJECTS):
        Order.objects.create(
            **_order(position, position.legs.all()[0]), status="rejected", error_code="no", ended_at=clock.now()
        )
    protections.after_rejects(profile)
    return position


CAUSES: dict[str, tuple[Any, Any]] = {
    "residual": (_be_stuck, _sell_off),
    "difference": (_differ, _resolve),
    "loss_streak": (_lose, _win),
    "reject_storm": (_be_refused, _be_accepted),
}


@pytest.mark.parametrize("code", CAUSES)
def test_a_lock_of_the_machine_ends_with_its_cause_and_says_so(code: str, profile: Profile) -> None:
    begin, end = CAUSES[code]
    position = begin(profile)
    assert (lock_causes.end(), _in_force(profile)) == (0, [code]), "its cause stands"
    end(position)
    assert sweeper.sweep() >= 1
    lock = Lock.objects.get(profile=profile)
    assert _in_force(profile) == []
    assert lock.end_note
    assert lock.ended_at is not None


@pytest.mark.parametrize("code", ["residual", "difference"])
def test_a_lock_of_a_person_or_one_without_evidence_ends_by_neither(code: str, profile: Profile) -> None:
    minute = timedelta(minutes=1)
    Lock.objects.create(profile=profile, code=code, reason="r", until=clock.now() + minute, actor="rita")
    protections.lock(profile, Lock.Code.UNWOUND_BASKETS, "three within an hour", minute)
    assert lock_causes.end() == 0
    assert sorted(_in_force(profile)) == sorted([code, "unwound_baskets"])


def test_a_lock_that_was_prolonged_in_between_is_not_ended(profile: Profile) -> None:
    protections.lock(profile, Lock.Code.RESIDUAL, "first", timedelta(minutes=1))
    seen = Lock.objects.get()
    protections.lock(profile, Lock.Code.RESIDUAL, "second", timedelta(minutes=9))
    assert lock_causes.close(seen, "the first is over") == 0
    assert _in_force(profile) == ["residual"]


def test_two_stuck_positions_hold_the_lock_until_both_are_sold(profile: Profile) -> None:
    first = _be_stuck(profile)
    second = _ended(profile, 11, status="exiting")
    _sell_off(first)
    assert lock_causes.end() == 0
    _sell_off(second)
    assert lock_causes.end() == 1
