"""How much bad luck locks a profile and for how long: at the bound and one beside it, on a stopped clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from tests.trading import world
from tests.trading.stopped import NOW, TICK, after, ended
from trading.models import Discrepancy, Leg, Lock, Order, Position, PositionEvent
from trading.safety import lock_causes, protections

HOUR = timedelta(hours=1)
Code = Discrepancy.Code


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def _locks() -> dict[str, float]:
    """Code -> seconds from now."""
    return {lock.code: (lock.until - NOW).total_seconds() for lock in Lock.objects.all()}


def test_ten_baskets_of_which_nothing_was_bought_within_an_hour_lock_the_profile_for_a_quarter() -> None:
    profile, other = world.add_profile(), world.add_profile("other")
    found = [ended(profile, number) for number in range(10)]
    ended(other, 10)
    for changes, locked in (
        ({"ended_at": NOW - HOUR}, True),
        ({"ended_at": NOW - HOUR - TICK}, False),
        ({"close_code": "rate_limited"}, False),
        ({"status": "closed"}, False),
        ({"profile": other}, False),
    ):
        Position.objects.filter(pk=found[0].pk).update(
            **({"ended_at": NOW, "close_code": "no_fill", "status": "aborted", "profile": profile} | changes)
        )
        Lock.objects.all().delete()
        protections.after_failure(found[9])
        assert _locks() == ({"failed_baskets": 900.0} if locked else {}), changes
    Position.objects.filter(pk=found[0].pk).update(profile=profile)
    Leg.objects.filter(position=found[0]).update(bought_count=1)
    protections.after_failure(found[9])
    assert not Lock.objects.exists(), "one of them bought something"


def test_three_unwound_baskets_within_an_hour_lock_the_profile() -> None:
    profile, other = world.add_profile(), world.add_profile("other")
    found = [ended(owner, number) for number, owner in enumerate((profile, profile, profile, other))]
    rows = [
        PositionEvent.objects.create(
            position=one, from_status=status, to_status="unwinding", actor="kalbot", reason="r"
        )
        for one in found
        for status in ("executing", "unwinding")
    ]
    for one in found:
        world.add_order_of(one, action="sell", purpose="unwind", filled_count=1)
    first = PositionEvent.objects.filter(pk=rows[0].pk)
    for at, source, locked in (
        (NOW - HOUR, "executing", True),
        (NOW - HOUR - TICK, "executing", False),
        (NOW, "unwinding", False),
        (NOW, "open", True),
    ):
        first.update(at=at, from_status=source)
        Lock.objects.all().delete()
        protections.after_unwind(found[0])
        assert _locks() == ({"unwound_baskets": 900.0} if locked else {}), (at, source)
    names = ", ".join(f"#{one.pk}" for one in found[:3])
    assert Lock.objects.get().reason == f"3 baskets were unwound within an hour: {names}"


def test_a_basket_whose_legs_were_kept_was_not_unwound() -> None:
    """Orphans of a quote inside their budget, or a basket whose rest was offered again: it passes through unwinding and sells nothing."""
    profile = world.add_profile()
    for number in range(3):
        one = ended(profile, number)
        one.events.create(from_status="quoting", to_status="unwinding")
        order = world.add_order_of(one, action="sell", purpose="unwind", filled_count=1)
    for changes in ({"filled_count": 0}, {"filled_count": 1, "purpose": "exit"}):
        Order.objects.filter(pk=order.pk).update(**changes)
        protections.after_unwind(one)
        assert not Lock.objects.exists(), changes


def test_four_losses_in_a_row_lock_the_profile_and_fewer_or_a_gain_do_not() -> None:
    profile, other = world.add_profile(), world.add_profile("other")
    found = [ended(profile, n, 1, realised=-1, ended_at=after(n - 9), status="closed") for n in range(5)]
    ended(other, 9, 1, realised=5, ended_at=NOW)
    ended(profile, 9, 0, realised=0, ended_at=NOW)
    for number, realised, losing in ((0, 5, True), (1, 0, False), (4, 5, False)):
        Position.objects.filter(pk=found[number].pk).update(realised=realised)
        assert protections.is_losing(profile) is losing, number
        Position.objects.filter(pk=found[number].pk).update(realised=-1)
    protections.after_end(found[0])
    assert _locks() == {"loss_streak": 3_600.0}
    lock = Lock.objects.get()
    assert lock_causes._won(lock) == ""
    Position.objects.filter(pk=found[4].pk).update(realised=0)
    assert lock_causes._won(lock)
    Position.objects.filter(pk__in=[found[0].pk, found[1].pk]).delete()
    assert not protections.is_losing(profile), "three are not enough"
    assert not protections.is_losing(other)


def test_five_refusals_within_a_minute_lock_the_profile_for_five() -> None:
    profile = world.add_profile()
    orders = [world.add_order(n, profile, status="rejected", error_code="bad", ended_at=NOW) for n in range(5)]
    world.add_order(7, world.add_profile("other"), status="rejected", error_code="bad", ended_at=NOW)
    for changes, locked in (
        ({"ended_at": after(-60)}, True),
        ({"ended_at": after(-60) - TICK}, False),
        ({"error_code": "trading_is_paused"}, False),
        ({"status": "done"}, False),
    ):
        rows = Order.objects.filter(pk=orders[0].pk)
        rows.update(**({"ended_at": NOW, "error_code": "bad", "status": "rejected"} | changes))
        Lock.objects.all().delete()
        protections.after_rejects(profile)
        assert _locks() == ({"reject_storm": 300.0} if locked else {}), changes


def test_a_lock_is_prolonged_for_its_profile_and_code_alone_and_ends_once() -> None:
    profile, other = world.add_profile(), world.add_profile("other")
    for owner in (profile, other, None):
        protections.lock(owner, Lock.Code.RESIDUAL, "first", timedelta(minutes=1))
    protections.lock(profile, Lock.Code.FEED_GAP, "first", timedelta(minutes=1))
    Lock.objects.create(profile=profile, code="residual", reason="a person's", until=after(60), actor="ann")
    protections.lock(profile, Lock.Code.RESIDUAL, "again", timedelta(minutes=9))
    changed = Lock.objects.filter(until=after(540))
    assert [(lock.profile, lock.code, lock.reason, lock.actor) for lock in changed] == [
        (profile, "residual", "again", "kalbot")
    ]
    assert Lock.objects.count() == 5
    assert set(protections.in_force(profile.pk, after(59))) == set(Lock.objects.exclude(profile=other))
    assert set(protections.in_force(profile.pk, after(60))) == set(changed), "a lock ends at its time"
    protections.after_feed_gap("r")
    protections.after_difference(other, "r")
    assert {(lock.code, lock.until) for lock in Lock.objects.filter(until__in=(after(5), after(900)))} == {
        ("feed_gap", after(5)),
        ("difference", after(900)),
    }
    lock = changed.get()
    stale = Lock.objects.get(pk=lock.pk)
    Lock.objects.filter(pk=lock.pk).update(until=after(541))
    assert lock_causes.close(stale, "note") == 0, "it was prolonged meanwhile"
    lock.refresh_from_db()
    assert lock_causes.close(lock, "note") == 1
    assert lock_causes.close(lock, "note") == 0
    ended = Lock.objects.get(pk=lock.pk)
    assert (ended.until, ended.ended_at, ended.end_note) == (NOW, NOW, "note")
    assert Lock.objects.filter(end_note="note").count() == 1


def test_a_cause_has_ended_by_evidence_of_the_profile_that_is_locked() -> None:
    profile, other = world.add_profile(), world.add_profile("other")
    lock, of_all = (
        Lock.objects.create(profile=owner, code="residual", reason="r", until=after(60)) for owner in (profile, None)
    )
    theirs = ended(other, 0, 1, status="unwinding")
    assert lock_causes._sold(lock)
    assert not lock_causes._sold(of_all)
    for status, code, stands in (("unwinding", "", True), ("open", "", False), ("open", "no_bid", True)):
        Position.objects.filter(pk=theirs.pk).update(profile=profile, status=status, residual_code=code)
        assert bool(lock_causes._sold(lock)) is not stands
    Position.objects.filter(pk=theirs.pk).update(status="closed")
    assert lock_causes._sold(lock), "what ended is sold or settled"
    row = Discrepancy.objects.create(code="cash", key="k", mode="sim", profile=other)
    for changes, stands in (
        ({}, False),
        ({"profile": profile}, True),
        ({"profile": None}, True),
        ({"profile": None, "mode": "live"}, False),
        ({"profile": profile, "resolved_at": NOW}, False),
    ):
        Discrepancy.objects.filter(pk=row.pk).update(
            **({"profile": other, "mode": "sim", "resolved_at": None} | changes)
        )
        assert bool(lock_causes._resolved(lock)) is not stands, changes
    Discrepancy.objects.filter(pk=row.pk).update(profile=other, mode="sim", resolved_at=None)
    assert not lock_causes._resolved(of_all)


def test_an_order_taken_after_the_last_refusal_ends_a_storm() -> None:
    profile = world.add_profile()
    lock = Lock.objects.create(profile=profile, code="reject_storm", reason="r", until=after(60))
    taken = world.add_order(1, profile, status="done", exchange_order_id="e", sent_at=after(-1))
    assert not lock_causes._taken(lock), "nothing was refused"
    world.add_order(2, profile, status="rejected", error_code="bad", ended_at=after(-2))
    assert lock_causes._taken(lock)
    for changes in (
        {"sent_at": after(-2)},
        {"exchange_order_id": ""},
        {"status": "rejected", "error_code": "rate_limited"},
        {"profile": world.add_profile("other")},
    ):
        kept = {name: getattr(taken, name) for name in (*changes, "status", "sent_at")}
        Order.objects.filter(pk=taken.pk).update(**changes)
        assert not lock_causes._taken(lock), changes
        Order.objects.filter(pk=taken.pk).update(**kept)
    world.add_order(3, profile, status="rejected", error_code="bad", ended_at=after(-0.5))
    assert not lock_causes._taken(lock)
