"""The pool and the sweep where something else happens at the same time: consent that ends, money that two want, a debt beside a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kalbot.common.units import DOLLAR
from strategies.models import Mode, Profile, Verdict
from tests.trading import world
from tests.trading.test_pool import _earn, _later, _spend, _ties, _two, _waits
from tests.trading.world import add_profile
from trading.accounting import ledger, pool
from trading.accounting.pool import Moved
from trading.limits import day
from trading.models import Position, ProfileBalance

pytestmark = pytest.mark.django_db


def _set(whose: str, **columns: Any) -> None:
    Profile.objects.filter(name=whose).update(**columns)


def test_a_debt_is_given_back_though_loan_and_sweep_cancel_out() -> None:
    """What was borrowed less what was swept is nothing: it owes all the same."""
    lender, taker = _two(profits="sweep", sweep_above=20 * DOLLAR)
    _waits(taker)
    pool.run()
    _earn(taker, 180 * DOLLAR)
    assert pool.sweep(Profile.objects.get(pk=taker.pk)) == 180 * DOLLAR
    assert Profile.objects.get(pk=taker.pk).moved == 0
    _set("taker", borrow_up_to=0)
    assert pool.run() == [Moved("taker", "lender", 180 * DOLLAR)]
    assert not pool.owed()
    assert ProfileBalance.objects.get(profile=lender).cash == 1_000 * DOLLAR


@pytest.mark.parametrize("whose", ["lender", "taker"])
def test_a_profile_that_became_a_shadow_settles_its_debts_and_takes_part_no_more(whose: str) -> None:
    _, taker = _two()
    _waits(taker)
    pool.run()
    _set(whose, shadow_of=add_profile("live", mode=Mode.LIVE))
    assert pool.run() == [Moved("taker", "lender", 180 * DOLLAR)]
    with _later(pool.AGAIN):
        assert pool.run() == []
    assert not pool.owed()


def test_what_was_borrowed_for_a_basket_is_not_lent_on() -> None:
    """Neither in the run that lent it nor later, while its basket waits."""
    _, taker = _two(lend_above=0)
    _set("lender", lend_above=820 * DOLLAR)
    other = add_profile("other", capital=20 * DOLLAR, borrow_up_to=300 * DOLLAR)
    _waits(taker)
    _waits(other, "B-OTHER", pays=1_090_000)
    assert pool.run() == [Moved("lender", "taker", 180 * DOLLAR)]
    assert pool.run() == []


def test_who_waits_keeps_what_its_baskets_need_and_lends_the_rest() -> None:
    _, taker = _two()
    _waits(taker)
    lender = Profile.objects.get(name="lender")
    _waits(lender, "B-OWN", pays=1_050_000)
    _spend(lender, 620 * DOLLAR)  # of 380 it keeps 100, and 200 for its own
    assert pool.run() == [Moved("lender", "taker", 80 * DOLLAR)]


def test_what_went_back_unused_is_not_lent_again_in_the_same_run() -> None:
    """It borrows less than its basket needs, so that it still wants more when it gives back."""
    _, taker = _two()
    _set("taker", borrow_up_to=150 * DOLLAR)
    _waits(taker)
    assert pool.run() == [Moved("lender", "taker", 150 * DOLLAR)]
    with _later(pool.UNUSED):
        assert pool.run() == [Moved("taker", "lender", 150 * DOLLAR)]
    _ties()


def test_a_sweep_goes_by_the_limit_of_now() -> None:
    """A person paid in and raised the limit after the run had read the profile: what was paid in stays."""
    taker = add_profile("a", capital=100 * DOLLAR, profits="sweep", sweep_above=110 * DOLLAR)
    ledger.ensure_funded(taker)
    _set("a", capital=1_000 * DOLLAR, sweep_above=1_100 * DOLLAR)
    assert pool.sweep(taker) == 0
    _set("a", profits="keep", sweep_above=1_000 * DOLLAR)
    _earn(taker, 300 * DOLLAR)
    assert pool.sweep(taker) == 0, "profits work too by now"


def test_a_sweep_leaves_what_was_lent_to_it_meanwhile() -> None:
    """The debt counts as it is when the cash is held."""
    lender, taker = _two(profits="sweep", sweep_above=20 * DOLLAR)
    _earn(taker, 5 * DOLLAR)
    before = day.midnight

    def lends(profile: Profile) -> Any:
        if not pool.owed():
            _waits(taker)
            assert pool._move(pool._member(lender), pool._member(profile), 100 * DOLLAR, is_loan=True)
        return before(profile)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day, "midnight", lends)
        assert pool.sweep(Profile.objects.get(pk=taker.pk)) == 5 * DOLLAR
    _set("taker", profits="wait")


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda: _set("lender", lend_above=None),
        lambda: _set("lender", lend_above=900 * DOLLAR),
        lambda: _set("lender", is_active=False),
        lambda: _set("taker", is_active=False),
        lambda: _set("taker", borrow_up_to=100 * DOLLAR),
        lambda: pool.run(),
    ],
    ids=["lends no more", "keeps more", "lender off", "borrower off", "owes less", "another run"],
)
def test_a_run_that_was_held_up_lends_nothing_against_what_holds_by_then(
    meanwhile: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may be frozen between what it read and what it books."""
    _, taker = _two()
    _waits(taker)
    real, held_up = pool._give_back, list[bool]()

    def first(*read: Any) -> Iterator[Moved]:
        if not held_up:
            held_up.append(True)
            meanwhile()
        return real(*read)

    monkeypatch.setattr(pool, "_give_back", first)
    assert pool.run() == []
    assert sum(pool.owed().values()) in {0, 180 * DOLLAR}


def test_a_run_that_was_held_up_gives_nothing_back_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    lender, taker = _two()
    _waits(taker)
    pool.run()
    _earn(taker, 400 * DOLLAR)
    _set("taker", profits="keep", borrow_up_to=0)
    real, held_up = pool._give_back, list[bool]()

    def first(*read: Any) -> Iterator[Moved]:
        if not held_up:
            held_up.append(True)
            assert len(pool.run()) == 1
        return real(*read)

    monkeypatch.setattr(pool, "_give_back", first)
    assert pool.run() == []
    assert ProfileBalance.objects.get(profile=lender).cash == 1_000 * DOLLAR


def test_two_borrowers_share_what_one_lender_has() -> None:
    _, taker = _two()
    other = add_profile("other", capital=20 * DOLLAR, borrow_up_to=300 * DOLLAR)
    _set("lender", lend_above=750 * DOLLAR)
    _waits(taker)
    _waits(other, "B-OTHER", pays=1_200_000)
    assert pool.run() == [Moved("lender", "other", 180 * DOLLAR), Moved("lender", "taker", 70 * DOLLAR)]
    _ties()
    with _later(pool.UNUSED):
        assert {moved.giver for moved in pool.run()} == {"other", "taker"}
    assert not pool.owed()


def test_what_the_borrower_lost_stays_owed_and_comes_back_from_what_it_earns() -> None:
    lender, taker = _two(profits="keep")
    _waits(taker)
    pool.run()
    _earn(taker, -150 * DOLLAR)
    _set("taker", borrow_up_to=0)
    assert pool.run() == [Moved("taker", "lender", 50 * DOLLAR)]
    assert pool.owed() == {(taker.pk, lender.pk): 130 * DOLLAR}
    assert pool.run() == []
    _earn(taker, 140 * DOLLAR)
    assert pool.run() == [Moved("taker", "lender", 130 * DOLLAR)]
    assert ProfileBalance.objects.get(profile=lender).cash == 1_000 * DOLLAR


def test_nothing_is_swept_while_capital_that_was_taken_out_is_not_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person lowers the capital and the limit in the middle of a sweep: what was above the new limit is not profit."""
    owner = add_profile("a", capital=100 * DOLLAR, profits="sweep", sweep_above=110 * DOLLAR)
    real = ledger.ensure_funded

    def meanwhile(profile: Profile) -> None:
        real(profile)
        _set("a", capital=50 * DOLLAR, sweep_above=60 * DOLLAR)

    monkeypatch.setattr(ledger, "ensure_funded", meanwhile)
    assert pool.sweep(owner) == 0


def _exit_needs_cash(profile: Profile, ticker: str = "KXE") -> Position:
    """A basket of the profile that is left, and whose next sale takes back more collateral than there is cash."""
    event = world.add_event(ticker)
    decision = world.decide(profile, event, {f"{ticker}-0": 3_000, f"{ticker}-1": 3_000}, kind="all_no", side="no")
    kept = {"kind": "all_no", "target_count": 1_000, "residual": "no cash", "residual_code": "sale_needs_funds"}
    return Position.objects.create(
        profile=profile, mode="sim", decision=decision, event=event, status="exiting", **kept
    )


def test_cash_that_an_exit_waits_for_is_neither_lent_nor_swept() -> None:
    lender, taker = _two()
    position = _exit_needs_cash(lender)
    _waits(taker)
    assert pool.run() == []
    _set("lender", profits="sweep", sweep_above=0, capital=0)
    _earn(lender, 50 * DOLLAR)
    assert pool.sweep(Profile.objects.get(pk=lender.pk)) == 0
    Position.objects.filter(pk=position.pk).update(status="closed", residual="", residual_code="")
    assert pool.sweep(Profile.objects.get(pk=lender.pk)) > 0


def test_what_a_lender_needs_to_leave_a_basket_comes_back_though_its_borrower_has_a_use_for_it() -> None:
    lender, taker = _two()
    _waits(taker)
    assert pool.run() == [Moved("lender", "taker", 180 * DOLLAR)]
    assert pool.run() == []
    _exit_needs_cash(lender)
    assert pool.run() == [Moved("taker", "lender", 180 * DOLLAR)]
    _ties()


def test_what_a_borrower_needs_to_leave_a_basket_stays_with_it_until_it_is_left() -> None:
    _, taker = _two()
    _waits(taker)
    pool.run()
    position = _exit_needs_cash(taker)
    Verdict.objects.update(live_constraint="price")
    assert pool.run() == [], "nothing waits for it there, but the exit does"
    Position.objects.filter(pk=position.pk).update(status="closed", residual="", residual_code="")
    assert pool.run() == [Moved("taker", "lender", 180 * DOLLAR)]
    _ties()
