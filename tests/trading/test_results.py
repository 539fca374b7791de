"""Results against an independent computation: seeded fills and settlements are booked, and each figure is worked out again from them."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from kalbot.common import clock
from strategies.models import Profile
from tests.trading import world
from trading.accounting import balance_check, locked, result_groups, results
from trading.accounting.booking import book_fill
from trading.accounting.fill_reports import FillReport
from trading.closing import settlement
from trading.closing.finals import FinalResult
from trading.models import ACTIVE, Fill, Leg, Order, Position, Settlement

START = datetime(2026, 3, 3, 1, 30, tzinfo=ZoneInfo("UTC"))
NEW_YORK = ZoneInfo("America/New_York")


def _order(position: Position, leg: Leg, action: str, count: int) -> Order:
    return Order.objects.create(
        profile=position.profile,
        mode=position.mode,
        position=position,
        leg=leg,
        action=action,
        purpose="entry" if action == "buy" else "exit",
        side=leg.side,
        price=5_000,
        count=count,
        status="done",
    )


def _fill(position: Position, leg: Leg, action: str, count: int, rng: random.Random) -> None:
    order = _order(position, leg, action, count)
    report = FillReport(f"t{order.pk}", rng.randrange(100, 9_900), count, rng.randrange(0, 40_000), True, 0)
    assert book_fill(order.pk, report, "test")


def _live(profile: Profile, number: int, rng: random.Random) -> None:
    """One position from its first fill to its last sale or settlement, in steps of hours; some stay open."""
    event = world.add_event(f"KXT-{number}", category=rng.choice(["Sports", "Crypto", ""]))
    decision = world.decide(profile, event, {f"KXT-{number}-{n}": 5_000 for n in range(2)}, 1_000)
    position = Position.objects.create(
        profile=profile, mode=profile.mode, decision=decision, event=event, kind=rng.choice(["all_yes", "coverage"]),
        status="open", target_count=1_000,
    )  # fmt: skip
    Position.objects.filter(pk=position.pk).update(created_at=clock.now())
    legs = [
        Leg.objects.create(
            position=position, market_id=f"KXT-{number}-{n}", side="yes", target_count=1_000, limit_price=5_000
        )
        for n in range(2)
    ]
    for leg in legs:
        for _ in range(rng.choice((1, 2))):
            _fill(position, leg, "buy", rng.randrange(1, 700), rng)
    for leg in legs:
        for _ in range(rng.choice((0, 1, 2))):
            yielded(rng)
            held = Leg.objects.get(pk=leg.pk).held
            if held:
                _fill(position, leg, "sell", rng.randrange(1, held + 1), rng)
    if rng.random() < 0.8:
        yielded(rng)
        for leg in legs:
            settlement.settle_leg(
                leg.pk, FinalResult(*rng.choice([("yes", 1_000_000), ("no", 0), ("scalar", 333_300)]))
            )
        Position.objects.filter(pk=position.pk, ended_at=None).update(status="closed", ended_at=clock.now())


TRAVELLER: list[Any] = []


def yielded(rng: random.Random) -> None:
    """Some hours pass."""
    TRAVELLER[-1].shift(timedelta(minutes=rng.randrange(1, 2_000)))


@pytest.fixture(params=range(2))
def booked(request: pytest.FixtureRequest, db: None, redis_db: object) -> Any:
    """A profile with a dozen positions over some weeks; the clock stands at their end."""
    rng = random.Random(request.param)
    with time_machine.travel(START, tick=False) as traveller:
        TRAVELLER.append(traveller)
        profile = world.add_profile(capital=300 * world.DOLLAR)
        for number in range(12):
            _live(profile, number, rng)
            yielded(rng)
        yield profile
        TRAVELLER.pop()


class Reckoned:
    """Profit and holdings from fills and settlements alone, at average cost, in exact fractions."""

    def __init__(self, profile: Profile) -> None:
        self.gains: list[tuple[datetime, int, Fraction]] = []
        self.held: list[tuple[datetime, Fraction]] = []
        self.fees: list[tuple[datetime, int]] = []
        acts: list[tuple[datetime, int, str, Any]] = []
        fills = list(Fill.objects.filter(order__profile=profile).select_related("order"))
        acts += [(fill.created_at, fill.pk, str(fill.order.action), fill) for fill in fills]
        self.fees += [(fill.created_at, fill.fee) for fill in fills]
        for row in Settlement.objects.filter(leg__position__profile=profile).select_related("leg"):
            acts.append((row.created_at, 10**9 + row.pk, "settle", row))
        count: dict[int, int] = defaultdict(int)
        cost: dict[int, Fraction] = defaultdict(Fraction)
        for at, _, what, row in sorted(acts, key=lambda act: act[:2]):
            leg = row.leg_id if what == "settle" else row.order.leg_id
            position = row.leg.position_id if what == "settle" else row.order.position_id
            if what == "buy":
                spent = Fraction(row.price * row.count + row.fee)
                count[leg], cost[leg] = count[leg] + row.count, cost[leg] + spent
                self.held.append((at, spent))
                continue
            got = row.payout if what == "settle" else row.price * row.count - row.fee
            share = cost[leg] * row.count / count[leg]
            count[leg], cost[leg] = count[leg] - row.count, cost[leg] - share
            self.gains.append((at, position, got - share))
            self.held.append((at, -share))


DAYS: list[tuple[date | None, date | None]] = [
    (None, None),
    (date(2026, 3, 5), date(2026, 3, 9)),
    (date(2026, 3, 8), None),
    (None, date(2026, 3, 6)),
]
"""Summer time begins in New York on the 8th."""


@pytest.mark.alike
def test_every_figure_is_what_the_fills_say(booked: Profile) -> None:
    own = Reckoned(booked)
    for first, last in DAYS:
        _check(booked, own, first, last)
    _adds_up(booked)


def _check(booked: Profile, own: Reckoned, first: date | None, last: date | None) -> None:
    since, until = results.days(first, last, clock.now())
    begin = since or START - timedelta(days=1)
    found = results.result(booked, since, until)
    rounding = len(own.gains) + 1  # micro-dollars: each booking rounds its cost down, and what is held keeps the rest

    def inside(at: datetime) -> bool:
        local = at.astimezone(NEW_YORK).date()
        return (first is None or local >= first) and (last is None or local <= last)

    gains = [(position, gain) for at, position, gain in own.gains if inside(at)]
    assert abs(found.realised - sum((gain for _, gain in gains), Fraction(0))) <= rounding
    assert found.fees == sum(fee for at, fee in own.fees if inside(at))
    total = high = fall = Fraction(0)
    ends = {position: place for place, (position, _) in enumerate(gains)}
    for position, place in sorted(ends.items(), key=lambda pair: pair[1]):  # a basket counts once, at its last booking
        total += sum(gain for owner, gain in gains[: place + 1] if owner == position)
        high, fall = max(high, total), max(fall, high - total)
    assert abs(found.drawdown - fall) <= rounding
    rows = [
        row for row in Position.objects.filter(profile=booked, ended_at__isnull=False) if inside(row.ended_at or until)
    ]
    outcomes = {
        row.pk: sum((gain for _, position, gain in own.gains if position == row.pk), Fraction(0)) for row in rows
    }
    assert (found.ended, found.won) == (len(outcomes), sum(made > 0 for made in outcomes.values()))
    if outcomes:
        assert found.best is not None
        assert found.worst is not None
        assert abs(found.best[1] - max(outcomes.values())) <= rounding
        assert abs(found.worst[1] - min(outcomes.values())) <= rounding
        assert abs(outcomes[found.worst[0]] - min(outcomes.values())) <= rounding
    area = Fraction(0)
    for at, change in own.held:
        passed = until.astimezone(UTC) - max(at, begin).astimezone(UTC)
        area += change * Fraction(max(0, passed // timedelta(microseconds=1)))
    assert abs(found.capital_days - area / (86_400 * 10**6)) <= rounding * 60
    assert found.on_capital_ppm == found.realised * 1_000_000 // booked.capital
    for what, groups in result_groups.by(booked, since, until).items():
        assert sum(group.ended for group in groups) == found.ended
        assert sum(group.realised for group in groups) == sum(row.realised for row in rows)
        for group in groups:
            behind = result_groups.members(booked, since, until, what, group.name)
            assert (len(behind), sum(row.realised for row in behind)) == (group.ended, group.realised)


def _adds_up(booked: Profile) -> None:
    """Adjacent days make the whole, and a basket without fee or gain counts."""
    now = clock.now()
    whole = results.result(booked, None, now)
    assert whole.ended > 4
    split = date(2026, 3, 9)
    parts = [
        results.result(booked, *results.days(first, last, now))
        for first, last in ((None, split), (split + timedelta(days=1), None))
    ]
    for name in ("realised", "fees", "ended", "won"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name), name
    _agrees_with_made(booked, whole)
    _locks(booked, now)
    row = Position.objects.filter(profile=booked, ended_at__isnull=False).first()
    assert row is not None
    Position.objects.filter(pk=row.pk).update(fees=0, realised=0)
    assert results.result(booked, None, now).ended == whole.ended


def _agrees_with_made(booked: Profile, whole: results.Result) -> None:
    """The sums of all profiles at once are those of each, and of its mode alone."""
    now = clock.now()
    world.add_profile("idle")
    idle = Profile.objects.get(name="idle")
    for since, until in ((None, None), (None, now), (START + timedelta(days=3), START + timedelta(days=9))):
        found = results.result(booked, since, until or now)
        wanted = results.Made(found.realised, found.fees, found.ended, found.won)
        assert results.made("sim", since, until) == ({booked.pk: wanted} if wanted != results.Made() else {})
    assert results.made("live") == {}
    assert (whole.win_rate_ppm, whole.on_capital_days_ppm) == (
        whole.won * 1_000_000 // whole.ended,
        whole.realised * 1_000_000 // whole.capital_days,
    )
    nothing = results.result(idle, None, now)
    assert (nothing.win_rate_ppm, nothing.on_capital_days_ppm, nothing.best, nothing.worst) == (None,) * 4
    assert (nothing.realised, nothing.fees, nothing.ended, nothing.capital_days, nothing.drawdown) == (0,) * 5
    idle.capital = 0
    assert results.result(idle, None, now).on_capital_ppm is None
    assert set(result_groups.by(idle, None, now)) == set(result_groups.GROUPS)


def _locks(booked: Profile, now: datetime) -> None:
    """What is locked, free and realised is all of the capital, week by week and position by position."""
    found = locked.capital_of(booked, now, weeks=60)
    summary = balance_check.summary(booked)
    assert found.total == summary["starting"] + summary["realised"]
    assert found.free + found.in_positions == found.total
    active = Position.objects.filter(profile=booked, status__in=ACTIVE)
    assert {one.position.pk: one.amount for one in found.locked} == {one.pk: one.cost + one.reserved for one in active}
    assert sum(week.realised for week in found.weeks) == summary["realised"]
    assert len(found.weeks) == 60
    for week, following in pairwise(found.weeks):
        assert week.begin < following.begin
        assert results.begin("week", week.begin) == week.begin
        area = results.capital_days(results.held_steps(booked), week.begin, following.begin)
        days = (following.begin.astimezone(UTC) - week.begin.astimezone(UTC)) / timedelta(days=1)
        assert abs(week.locked - area / days) <= 1
        gains = results.result(booked, week.begin, following.begin - timedelta(microseconds=1)).realised
        assert (week.realised, week.on_locked) == (gains, gains / week.locked if week.locked else None)


def test_who_has_traded_nothing_has_made_and_paid_nothing(db: None) -> None:
    found = results.result(world.add_profile("idle"), None, clock.now())
    assert (found.realised, found.fees, found.ended, found.won, found.capital_days) == (0, 0, 0, 0, 0)
    assert (found.drawdown, found.best, found.worst) == (0, None, None)


@pytest.mark.parametrize(("realised", "won"), [(-1, 0), (0, 0), (1, 1)])
def test_a_basket_that_made_nothing_is_not_won(realised: int, won: int) -> None:
    profile = world.add_profile()
    decision = world.decide(profile, world.add_event(), {"KXT-1-0": 3_000}, 100)
    position = Position.objects.create(
        profile=profile, mode=profile.mode, decision=decision, event=decision.event, kind="all_yes", status="closed",
        target_count=100, realised=realised, ended_at=clock.now() - timedelta(minutes=1),
    )  # fmt: skip
    Leg.objects.create(
        position=position, market_id="KXT-1-0", side="yes", sequence=0, target_count=100, limit_price=3_000, bought_count=100
    )  # fmt: skip
    found = results.result(profile, None, clock.now())
    assert (found.ended, found.won) == (1, won)
    assert results.made(profile.mode)[profile.pk].won == won
