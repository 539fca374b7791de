"""Idle capital goes where a basket waits for it and comes back; what profits do is the profile's own rule. Both ledgers tie throughout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common import clock
from kalbot.common.db import pipeline
from kalbot.common.units import DOLLAR
from strategies.cycle import candidates, cycle
from strategies.models import Decision, Hurdle, Mode, Profile, Verdict
from strategies.profiles import validation
from tests.strategies.world import add_event, books_of, publish
from tests.trading.world import active, add_profile
from trading.accounting import audit, balance_check, ledger, pool
from trading.accounting.pool import Moved
from trading.accounting.posting import Entry
from trading.models import Account, CapitalChange, ProfileBalance
from trading.safety import halt, mode_guard

pytestmark = pytest.mark.django_db
MUCH = [(5600, 5700), (5600, 5700)]  # NO on both: 0.88, for 1


def _waits(profile: Profile, ticker: str = "A-WAITS", constraint: str = "outranked", pays: int = 1_100_000) -> None:
    """A sure basket that the profile would buy had it the capital: 10 % in a day unless ``pays`` says otherwise."""
    now = clock.now()
    event = add_event(ticker, MUCH, close_time=now + timedelta(days=1))
    Verdict.objects.create(
        profile=profile,
        event=event,
        status="candidate",
        kind="all_no",
        since=now,
        live_at=now,
        live_constraint=constraint,
        summary={"cost": 1_000_000, "pays": pays, "days": 1.0},
    )


def _two(**columns: Any) -> tuple[Profile, Profile]:
    active()
    lender = add_profile("lender", capital=1_000 * DOLLAR, lend_above=100 * DOLLAR)
    taker = add_profile("taker", capital=20 * DOLLAR, borrow_up_to=300 * DOLLAR, **columns)
    for profile in (lender, taker):
        ledger.ensure_funded(profile)
    return lender, taker


@contextmanager
def _later(by: timedelta) -> Iterator[None]:
    """Verdicts are as new as they were; what was booked is ``by`` older."""

    class Ahead(clock.SystemClock):
        def time_ns(self) -> int:
            return super().time_ns() + int(by.total_seconds() * 1e9)

    with clock.use(Ahead()):
        Verdict.objects.update(live_at=clock.now())
        yield


def _ties() -> None:
    for profile in Profile.objects.all():
        assert balance_check.summary(profile)["difference"] == 0
        assert ledger.balances(profile)[Account.CAPITAL] == -profile.working
        assert not audit.totals(profile)
    assert sum(Profile.objects.values_list("moved", flat=True)) == 0


def test_what_waits_is_lent_what_it_needs() -> None:
    lender, taker = _two()
    _waits(taker)
    assert pool.run() == [Moved("lender", "taker", 180 * DOLLAR)], "a position of $200, of which it has 20"
    taker.refresh_from_db()
    assert (taker.capital, taker.working) == (20 * DOLLAR, 200 * DOLLAR), "what a person set stays as it was set"
    assert ProfileBalance.objects.get(profile=taker).cash == 200 * DOLLAR
    assert candidates.exposure(taker, clock.now()).capital_left == 200 * DOLLAR
    assert pool.owed() == {(taker.pk, lender.pk): 180 * DOLLAR}
    assert pool.run() == [], "it has what it needs"
    _ties()


def test_the_cycle_buys_with_what_was_lent() -> None:
    """Two baskets, capital for one; a minute later for both."""
    _, taker = _two(max_per_position=20 * DOLLAR, max_per_event=20 * DOLLAR)
    for ticker in ("A-ONE", "B-TWO"):
        event = add_event(ticker, MUCH, close_time=clock.now() + timedelta(days=1))
        Verdict.objects.create(profile=taker, event=event, status="candidate", kind="all_no", since=clock.now())
        publish(ticker, books_of(ticker, MUCH))
    cycle.run()
    assert Decision.objects.count() == 1
    assert Verdict.objects.get(event="B-TWO").live_constraint in {"outranked", "max_cost"}
    assert [moved.taker for moved in pool.run()] == ["taker"]
    cycle.run()
    assert set(Decision.objects.values_list("event_id", flat=True)) == {"A-ONE", "B-TWO"}


def test_idle_money_goes_back_and_is_not_lent_again_at_once() -> None:
    _, taker = _two()
    _waits(taker)
    pool.run()
    Verdict.objects.update(live_constraint="price")
    assert pool.run() == [Moved("taker", "lender", 180 * DOLLAR)]
    Verdict.objects.update(live_constraint="outranked")
    assert pool.run() == [], "it gave back a moment ago"
    with _later(pool.AGAIN):
        assert [moved.taker for moved in pool.run()] == ["taker"]
    _ties()


def test_what_stays_unused_goes_back_though_something_waits() -> None:
    _, taker = _two()
    _waits(taker)
    pool.run()
    with _later(pool.UNUSED):
        assert [moved.giver for moved in pool.run()] == ["taker"]
    _ties()


def test_only_what_is_free_goes_back() -> None:
    lender, taker = _two()
    _waits(taker)
    pool.run()
    _spend(taker, 150 * DOLLAR)
    Profile.objects.filter(pk=lender.pk).update(lend_above=None)
    assert pool.run() == [Moved("taker", "lender", 50 * DOLLAR)], "the lender lends no more"
    assert pool.owed() == {(taker.pk, lender.pk): 130 * DOLLAR}
    _ties_but_for(taker)


@pytest.mark.parametrize("stop", ["halted", "inactive"])
def test_a_lender_that_is_stopped_has_back_what_is_free_and_lends_no_more(stop: str) -> None:
    """What keeps a profile from new risk keeps its money from it, in whoever's hands it is."""
    lender, taker = _two()
    _waits(taker)
    pool.run()
    _spend(taker, 150 * DOLLAR)
    if stop == "halted":
        halt.set_state(state=halt.State.HALTED, actor="ann", reason="a test", profile=lender)
    else:
        Profile.objects.filter(pk=lender.pk).update(is_active=False)
    assert pool.run() == [Moved("taker", "lender", 50 * DOLLAR)]
    with _later(pool.AGAIN):
        assert pool.run() == []
    assert pool.owed() == {(taker.pk, lender.pk): 130 * DOLLAR}
    _ties_but_for(taker)


def test_a_lender_whose_capital_is_taken_out_has_its_money_back_first() -> None:
    lender, taker = _two()
    _waits(taker)
    pool.run()
    ledger.deposit(Profile.objects.get(pk=lender.pk), -950 * DOLLAR, "ann")
    assert ProfileBalance.objects.get(profile=lender).cash == -130 * DOLLAR
    assert pool.run() == [Moved("taker", "lender", 180 * DOLLAR)]
    assert ProfileBalance.objects.get(profile=lender).cash == 50 * DOLLAR
    _ties()


def test_who_owes_or_is_owed_keeps_its_subaccount() -> None:
    """Or the debt would lie between two accounts, and nothing could give it back."""
    active()
    taker = add_profile("taker", mode=Mode.LIVE, capital=20 * DOLLAR, borrow_up_to=300 * DOLLAR)
    lender = add_profile("lender", mode=Mode.LIVE, lend_above=0)
    _waits(taker)
    assert len(pool.run()) == 1
    for profile in (taker, lender):
        assert mode_guard.has_open(profile)
        with pytest.raises(IntegrityError, match="keeps its subaccount"), transaction.atomic():
            Profile.objects.filter(pk=profile.pk).update(subaccount=7)
    Verdict.objects.update(live_constraint="price")
    assert len(pool.run()) == 1
    assert not mode_guard.has_open(lender)
    Profile.objects.filter(pk=lender.pk).update(subaccount=7)


@pytest.mark.parametrize(
    ("whose", "columns"),
    [
        ("lender", {"lend_above": None}),
        ("lender", {"lend_above": 1_000 * DOLLAR}),
        ("taker", {"borrow_up_to": 0}),
        ("taker", {"is_active": False}),
        ("lender", {"is_active": False}),
        ("taker", {"max_open_positions": 0}),
    ],
)
def test_who_does_not_consent_or_cannot_buy_is_left_alone(whose: str, columns: dict[str, Any]) -> None:
    """Nor does money cross modes or accounts."""
    _, taker = _two()
    _waits(taker)
    Profile.objects.filter(name=whose).update(**columns)
    assert pool.run() == []


@pytest.mark.parametrize("columns", [{"mode": Mode.LIVE}, {"mode": Mode.LIVE, "subaccount": 3}])
def test_money_crosses_neither_modes_nor_accounts(columns: dict[str, Any]) -> None:
    active()
    taker = add_profile("taker", mode=Mode.LIVE, capital=20 * DOLLAR, borrow_up_to=300 * DOLLAR, subaccount=2)
    add_profile("lender", lend_above=0, **columns)
    add_profile("paper", lend_above=0)
    _waits(taker)
    assert pool.run() == []


@pytest.mark.parametrize("state", [halt.State.REDUCING, halt.State.HALTED])
def test_who_may_not_buy_borrows_nothing(state: halt.State) -> None:
    _, taker = _two()
    _waits(taker)
    halt.set_state(state=state, actor="ann", reason="a test", profile=taker)
    assert pool.run() == []


def test_a_lender_that_expects_more_of_its_own_money_keeps_it() -> None:
    lender, taker = _two()
    _waits(taker)
    now = clock.now()
    Hurdle.objects.create(profile=lender, return_a_day=0.2, opportunities=30, since=now, at=now)
    assert pool.run() == []
    Hurdle.objects.update(return_a_day=0.05)
    assert len(pool.run()) == 1


@pytest.mark.parametrize(("pays", "back"), [(1_100_000, 0), (1_100_001, 180)])
def test_a_lender_that_could_use_it_better_has_it_back_and_none_that_could_as_well(pays: int, back: int) -> None:
    lender, taker = _two()
    _waits(taker)
    pool.run()
    _waits(lender, "B-OWN", pays=pays)
    assert pool.run() == ([Moved("taker", "lender", back * DOLLAR)] if back else [])
    _ties()


def test_a_lender_that_has_a_use_of_its_own_by_then_lends_no_more() -> None:
    """It lent a moment ago: that repaid nothing, so its own baskets count."""
    lender, taker = _two()
    _waits(taker)
    pool.run()
    _waits(lender, "B-OWN")
    _spend(lender, 670 * DOLLAR)
    other = add_profile("other", capital=20 * DOLLAR, borrow_up_to=300 * DOLLAR)
    _waits(other, "C-OTHER")
    assert pool.run() == []


def test_the_best_use_is_served_first_and_the_least_expectant_lends_first() -> None:
    _, taker = _two()
    better = add_profile("better", capital=20 * DOLLAR, borrow_up_to=1_000 * DOLLAR)
    poor = add_profile("poor", capital=150 * DOLLAR, lend_above=0)
    for profile in (better, poor):
        ledger.ensure_funded(profile)
    Hurdle.objects.create(
        profile=Profile.objects.get(name="lender"),
        return_a_day=0.01,
        opportunities=30,
        since=clock.now(),
        at=clock.now(),
    )
    _waits(taker)
    _waits(better, "B-BETTER", pays=1_200_000)
    assert pool.run() == [
        Moved("poor", "better", 150 * DOLLAR),
        Moved("lender", "better", 30 * DOLLAR),
        Moved("lender", "taker", 180 * DOLLAR),
    ]
    _ties()


def test_profits_wait_work_or_are_swept() -> None:
    active()
    left = {}
    for rule in Profile.Profits:
        profile = add_profile(f"a-{rule.value}", capital=100 * DOLLAR, profits=rule, sweep_above=110 * DOLLAR)
        ledger.ensure_funded(profile)
        _earn(profile, 30 * DOLLAR)
        pool.run()
        profile.refresh_from_db()
        left[rule.value] = candidates.exposure(profile, clock.now()).capital_left // DOLLAR
        assert pool.sweep(profile) == 0, "once a day"
    assert left == {"wait": 100, "keep": 130, "sweep": 110}
    swept = CapitalChange.objects.get(kind=CapitalChange.Kind.SWEEP)
    assert (swept.profile.name, swept.amount) == ("a-sweep", -20 * DOLLAR)


@pytest.mark.parametrize(("earned", "then", "at_work"), [(30, 0, 100), (30, -15, 95), (30, -40, 80), (30, 50, 100)])
def test_a_profile_that_was_swept_and_waits_again_works_with_its_capital_as_far_as_it_has_it(
    earned: int, then: int, at_work: int
) -> None:
    """Of $130 twenty were taken out. What waits are profits, and not a part of the capital that a person set."""
    active()
    profile = add_profile("swept", capital=100 * DOLLAR, profits="sweep", sweep_above=110 * DOLLAR)
    ledger.ensure_funded(profile)
    _earn(profile, earned * DOLLAR)
    assert pool.sweep(profile) == 20 * DOLLAR
    _earn(profile, then * DOLLAR)
    Profile.objects.update(profits="wait")
    profile.refresh_from_db()
    assert candidates.exposure(profile, clock.now()).capital_left == at_work * DOLLAR
    assert (profile.capital, profile.swept) == (100 * DOLLAR, 20 * DOLLAR)


def test_borrowed_money_is_never_swept() -> None:
    _, taker = _two(profits="sweep", sweep_above=20 * DOLLAR)
    _waits(taker)
    pool.run()
    assert pool.sweep(Profile.objects.get(pk=taker.pk)) == 0
    _earn(taker, 5 * DOLLAR)
    assert pool.sweep(Profile.objects.get(pk=taker.pk)) == 5 * DOLLAR


@pytest.mark.alike
@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from(["pool", "waits", "rests", "spend", "earn", "age"]), st.integers(1, 400)), max_size=12
    )
)
def test_no_order_of_events_makes_or_loses_money(steps: list[tuple[str, int]]) -> None:
    """No cash below zero, nothing owed beyond consent, every loan on both sides."""
    with transaction.atomic():
        _, taker = _two()
        _waits(taker)
        for step, amount in steps:
            _step(taker, step, amount * DOLLAR)
            assert all(cash >= 0 for cash in ProfileBalance.objects.values_list("cash", flat=True))
            assert sum(pool.owed().values()) <= taker.borrow_up_to
            assert sum(Profile.objects.values_list("moved", flat=True)) == 0
        transaction.set_rollback(True)


def _step(taker: Profile, step: str, amount: int) -> None:
    if step == "pool":
        pool.run()
    elif step in ("waits", "rests"):
        Verdict.objects.update(live_constraint="outranked" if step == "waits" else "price")
    elif step == "age":
        with _later(pool.AGAIN):
            pool.run()
    elif step == "spend":
        _spend(taker, min(amount, ProfileBalance.objects.get(profile=taker).cash))
    else:
        _earn(taker, amount)


def _ties_but_for(spent: Profile) -> None:
    assert sum(Profile.objects.values_list("moved", flat=True)) == 0
    assert ledger.balances(spent)[Account.CAPITAL] == -Profile.objects.get(pk=spent.pk).working


def _spend(profile: Profile, amount: int) -> None:
    pipeline.rows_of(ledger.holding(profile, amount))


def _earn(profile: Profile, amount: int) -> None:
    entries: list[Entry] = [(Account.CASH, amount), (Account.REALISED, -amount)]
    change = CapitalChange.objects.create(profile=profile, amount=0, actor="a test")
    key = f"earned:{profile.pk}:{change.pk}"
    ledger.post(profile=profile, kind="deposit", key=key, entries=entries, capital_change=change)


@pytest.mark.parametrize(
    ("column", "columns"),
    [
        ("sweep_above", {"profits": "sweep", "sweep_above": 1}),
        ("lend_above", {"lend_above": -1}),
        ("borrow_up_to", {"borrow_up_to": -1}),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(column: str, columns: dict[str, Any]) -> None:
    assert column in validation.problems(add_profile("odd", **columns))
