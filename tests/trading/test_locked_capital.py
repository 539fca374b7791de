"""Since when a period counts, and what of a profile's capital is locked, until when, lent, borrowed or taken out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import transaction

from kalbot.common import clock
from strategies.models import Hurdle, Opportunity, SettlingTime, Verdict
from tests.trading import world
from trading.accounting import ledger, locked, results
from trading.models import Account, CapitalChange, Position

NEW_YORK = ZoneInfo("America/New_York")


def test_a_period_begins_at_midnight_of_its_zone() -> None:
    now = datetime(2026, 3, 11, 2, 30, tzinfo=UTC)  # a Tuesday evening in New York
    starts = {"day": "2026-03-10", "week": "2026-03-09", "month": "2026-03-01", "year": "2026-01-01"}
    for period, wanted in starts.items():
        found = results.begin(period, now)
        assert found is not None
        assert found.isoformat()[:19] == f"{wanted}T00:00:00", period
        assert found.tzinfo is NEW_YORK or str(found.tzinfo) == "America/New_York"
    assert results.begin("day", now, ZoneInfo("UTC")) == datetime(2026, 3, 11, tzinfo=UTC)
    assert results.begin("all", now) is None
    with pytest.raises(ValueError, match="none of day"):
        results.begin("fortnight", now)


def test_days_are_whole_and_end_now_at_the_latest() -> None:
    now = datetime(2026, 3, 11, 2, 30, tzinfo=UTC)
    since, until = results.days(date(2026, 3, 7), date(2026, 3, 8), now)
    assert since == datetime(2026, 3, 7, tzinfo=NEW_YORK)
    assert until == datetime(2026, 3, 9, tzinfo=NEW_YORK) - timedelta(microseconds=1)
    assert results.days(None, date(2026, 3, 10), now)[1] == now, "the tenth is not over in New York"
    assert results.days(None, date(2026, 3, 12), now) == (None, now)
    assert results.days(date(1, 1, 1), date(1, 1, 1), now) == (
        datetime(1970, 1, 1, tzinfo=NEW_YORK),
        datetime(1970, 1, 2, tzinfo=NEW_YORK) - timedelta(microseconds=1),
    )


def test_what_a_position_locks_earns_its_floor_until_its_money_comes_back() -> None:
    now = datetime(2026, 3, 11, tzinfo=UTC)
    held = Position(cost=9_000_000, reserved=500_000, floor=10_000_000)

    def earns(
        amount: int = 8_000_000, until: datetime | None = now + timedelta(days=2), floor: int = 10_000_000
    ) -> Any:
        held.floor = floor
        return locked.Locked(held, amount, until).return_a_day(now)

    assert earns() == 1_000_000 / 8_000_000 / 2
    assert earns(until=now + timedelta(minutes=30)) == 1_000_000 / 8_000_000 * 24, "an hour is the least"
    assert earns(until=now - timedelta(days=3)) == 1_000_000 / 8_000_000 * 24
    assert earns(floor=8_000_000) == -1_000_000 / 8_000_000 / 2
    assert [earns(amount=0), earns(amount=-1), earns(until=None), earns(floor=0)] == [None] * 4
    assert earns(amount=1) == 1_000_000 / 2


def test_capital_says_what_is_locked_until_when_lent_borrowed_swept_and_what_waits() -> None:
    now = clock.now().replace(microsecond=0)
    owner, other, third = (world.add_profile(name) for name in ("owner", "other", "third"))
    event = world.add_event(close_time=now + timedelta(days=2))
    event.markets.update(expected_expiration_time=now + timedelta(days=1))
    event.markets.filter(ticker="KXT-1-0").update(expected_expiration_time=now + timedelta(days=5))
    for number, status in enumerate(("open", "closed", "unwinding")):
        found = event if number == 0 else world.add_event(f"KXT-{number + 1}", close_time=None)
        decision = world.decide(owner, found, {f"KXT-{number + 1}-0": 3_000})
        kept = {"event": found, "kind": "all_yes", "target_count": 100, "status": status}
        Position.objects.create(
            profile=owner, mode="sim", decision=decision, cost=7_000, reserved=500, returned=100, **kept
        )
    SettlingTime.objects.create(series_id="KXT", markets=9, late_seconds=3_600, latest_seconds=9, at=now)
    changes = (
        (owner, 300, "pool", other),
        (owner, -700, "pool", third),
        (third, 700, "pool", owner),
        (other, -300, "pool", owner),
        (other, 40, "pool", third),
        (third, -40, "pool", other),
        (owner, -55, "sweep", None),
        (owner, -5, "sweep", None),
        (other, -5, "sweep", None),
    )
    for profile, amount, kind, beside in changes:
        CapitalChange.objects.create(profile=profile, amount=amount, kind=kind, other=beside, actor="test")
    Hurdle.objects.create(profile=owner, return_a_day=0.5, opportunities=1, since=now, at=now)
    for number, (profile, reason, minutes) in enumerate(
        [
            (owner, "hurdle", 59),
            (owner, "outranked", 1),
            (owner, "outranked", 61),
            (owner, "depth", 1),
            (other, "hurdle", 1),
        ]
    ):
        waiting = world.add_event(f"KXW-{number}")
        at = now - timedelta(minutes=minutes)
        Verdict.objects.create(
            profile=profile, event=waiting, status="candidate", live_constraint=reason, live_at=at, since=at
        )
    Opportunity.objects.create(profile=owner, event_id="KXW-1", at=now, locked=2_000_000, profit=100_000, days=0.5)
    short = Verdict.objects.get(profile=owner, event="KXW-3")
    capital = locked.capital_of(owner, now)
    assert [(one.event_id, one.reason, one.locks, one.return_a_day) for one in capital.waiting] == [
        ("KXW-1", "outranked", 2_000_000, 0.1),
        ("KXW-0", "hurdle", None, None),
    ]
    Verdict.objects.filter(pk=short.pk).update(live_constraint="max_cost")
    assert locked.capital_of(owner, now).passed_over == {"hurdle": 1, "max_cost": 1, "outranked": 1}
    Verdict.objects.filter(pk=short.pk).update(status="near_miss")
    assert [one.position.event_id for one in capital.locked] == ["KXT-1", "KXT-3"], "what is known first"
    assert [one.amount for one in capital.locked] == [7_400, 7_400]
    assert [one.until for one in capital.locked] == [now + timedelta(days=5, hours=1), capital.locked[1].until]
    assert capital.in_positions == 14_800
    assert (capital.borrowed, capital.lent, capital.swept, capital.hurdle) == (300, 700, 60, 0.5)
    assert capital.passed_over == {"hurdle": 1, "outranked": 1}
    assert [change.amount for change in capital.moves] == [-5, -55, -700, 300]
    assert capital.returned == 300
    empty = locked.capital_of(other, now)
    assert (empty.locked, empty.hurdle, empty.passed_over, len(empty.weeks)) == ((), 0.0, {"hurdle": 1}, 8)


def test_a_week_is_measured_by_the_money_of_that_week() -> None:
    """A later deposit does not make the return of an earlier week smaller."""
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False) as traveller:
        profile = world.add_profile(capital=100 * world.DOLLAR)
        ledger.ensure_funded(profile)
        traveller.shift(timedelta(days=7))
        with transaction.atomic():
            event = world.add_event()
            decision = world.decide(profile, event, {"KXT-1-0": 3_000})
            kept = {"event": event, "kind": "all_yes", "target_count": 100, "status": "settled"}
            position = Position.objects.create(profile=profile, mode="sim", decision=decision, **kept)
            entries = ((Account.CASH, 10 * world.DOLLAR), (Account.REALISED, -10 * world.DOLLAR))
            ledger.post(profile=profile, kind="release", key="one", entries=entries, position=position)
        traveller.shift(timedelta(days=7))
        before = locked.capital_of(profile, clock.now()).weeks[-2]
        ledger.deposit(profile, 900 * world.DOLLAR, "somebody")
        traveller.shift(timedelta(days=7))
        weeks = locked.capital_of(profile, clock.now()).weeks
    assert weeks[-3] == before
    assert abs(weeks[-4].total - 100 * world.DOLLAR) <= 1, (
        "funded in the middle of it: earlier days had no money to count"
    )
    assert weeks[-5].total == 0
    assert before.realised == 10 * world.DOLLAR
    assert 100 * world.DOLLAR < before.total < 110 * world.DOLLAR
    assert before.on_all == before.realised / before.total
    assert abs(weeks[-1].total - 1_010 * world.DOLLAR) <= 1, "an average is rounded down"
    assert locked.Week(clock.now(), realised=1, locked=-1, total=0).on_locked is None
    assert locked.Week(clock.now(), realised=1, locked=-1, total=0).on_all is None


def test_weeks_that_begin_before_anything_was_held_are_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False):
        profile, begin = world.add_profile(), results.begin("week", clock.now())
        assert begin is not None
        for since, partly in ((begin - timedelta(weeks=1), [True, False, False]), (None, [False] * 3)):
            held = [] if since is None else [(since, world.DOLLAR)]
            monkeypatch.setattr(results, "held_steps", lambda profile, held=held: held)
            assert [week.partly for week in locked.capital_of(profile, clock.now(), weeks=3).weeks] == partly
