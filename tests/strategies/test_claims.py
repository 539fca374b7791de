"""Live profiles that want the same contracts: never the same twice, and each in its turn."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction

from kalbot.common import clock
from kalbot.common.db import pipeline
from markets.book import Depth
from strategies.cycle import claims, cycle
from strategies.cycle.claims import Claims
from strategies.models import Decision, Mode, Profile, Verdict
from tests.strategies.world import add_event, add_profile, books_of, publish

PAYING = [(5200, 5300), (5300, 5400)]
SIZE = 5_000
"""Of each level: fifty contracts."""


def _wanted_by(*names: str, mode: str = Mode.LIVE, max_position: int = 20_000_000, events: int = 1) -> list[Profile]:
    profiles = [add_profile(name, mode=mode, max_per_position=max_position, max_open_positions=50) for name in names]
    for number in range(events):
        event = add_event(f"E{number}", PAYING)
        publish(f"E{number}", books_of(f"E{number}", PAYING, SIZE))
        for profile in profiles:
            Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
    return profiles


def _taken() -> Counter[tuple[str, str]]:
    """Contracts that live decisions take, by market and side."""
    found: Counter[tuple[str, str]] = Counter()
    for legs in Decision.objects.filter(mode=Mode.LIVE).values_list("legs", flat=True):
        for leg in legs:
            found[leg["ticker"], leg["side"]] += leg["count"]
    return found


@pytest.mark.django_db
def test_live_profiles_share_the_depth_of_a_book_and_paper_ones_do_not() -> None:
    _wanted_by("a", "b", "c")
    cycle.run()
    assert set(_taken().values()) == {SIZE}
    assert Decision.objects.count() > 1  # the first leaves what its limits leave
    counts = sum(Decision.objects.values_list("count", flat=True))
    assert counts == SIZE
    for number in range(3):
        profile = add_profile(f"paper-{number}", max_per_position=20_000_000)
        Verdict.objects.create(profile=profile, event_id="E0", status="candidate", since=clock.now())
    cycle.run()
    on_paper = list(Decision.objects.filter(mode=Mode.SIM).values_list("count", flat=True))
    assert len(on_paper) == 3
    assert len(set(on_paper)) == 1


@pytest.mark.django_db
def test_what_one_took_comes_back_when_its_order_has_left() -> None:
    first, second = _wanted_by("a", "b", max_position=10**9)
    cycle.run()
    assert Decision.objects.get().profile == first
    assert Verdict.objects.get(profile=second).live_constraint == "price"
    Decision.objects.update(created_at=clock.now() - 2 * claims.CLAIMED_FOR)
    cycle.run()
    assert Decision.objects.filter(profile=second).exists()


@pytest.mark.django_db
def test_who_decided_longest_ago_is_first_and_names_decide_between_new_ones() -> None:
    c, a, b = (add_profile(name) for name in "cab")
    assert [profile.name for profile in claims.in_turn([c, a, b])] == ["a", "b", "c"]
    event = add_event("E0", PAYING)
    for profile, seconds in ((a, 5), (b, 50), (c, 500_000)):
        made = Decision.objects.create(profile=profile, mode=profile.mode, event=event, **_EMPTY)
        Decision.objects.filter(pk=made.pk).update(created_at=clock.now() - timedelta(seconds=seconds))
    assert [profile.name for profile in claims.in_turn([a, b, c])] == ["c", "b", "a"]


_EMPTY = {
    **dict.fromkeys(
        ("count", "cost", "fees", "max_cost", "floor", "conditional", "expected", "coverage_ppm", "margin_ppm"), 1
    ),
    "kind": "all_yes",
    "guaranteed": False,
    "legs": [],
    "price_age_ms": 0,
}


@pytest.mark.django_db
def test_three_profiles_that_each_want_all_take_turns() -> None:
    _wanted_by("a", "b", "c", max_position=10**9, events=3)
    for _ in range(3):
        cycle.run()
    assert Counter(Decision.objects.values_list("profile__name", flat=True))["a"] >= 1
    assert set(_taken().values()) == {SIZE}


@pytest.mark.django_db(transaction=True)
def test_workers_that_decide_for_different_profiles_at_once_never_take_the_same_contracts() -> None:
    names = [f"p{number}" for number in range(6)]
    _wanted_by(*names, events=2)
    start, faults = threading.Barrier(len(names)), []

    def one(ticker: str) -> None:
        try:
            start.wait()
            for _ in range(3):
                cycle.run(cycle.NUDGE, [ticker])
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(f"E{number % 2}",)) for number in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert max(_taken().values()) <= SIZE
    assert Decision.objects.count() > 2


@pytest.mark.django_db
def test_a_decision_on_books_that_another_profile_has_taken_from_since_is_not_stored() -> None:
    first, _ = _wanted_by("a", "b")
    before = claims.of(first, {"E0-0", "E0-1"})
    assert before == Claims()
    cycle.run()
    assert not _still(before, first, {"E0-0"})
    assert _still(before, first, {"OTHER"})
    assert _still(before, Profile(name="paper", mode=Mode.SIM), {"E0-0"})
    assert _still(claims.of(first, {"E0-0"}), first, {"E0-0"})
    assert first.name == "a"


def _still(claimed: Claims, profile: Profile, tickers: set[str]) -> bool:
    with transaction.atomic():
        return claims.still(claimed, profile, tickers, pipeline.rows_of(*claims.locking(profile, ["E0"])))


def test_the_best_levels_are_taken_first_and_each_side_takes_the_others_bids() -> None:
    depth = Depth(((5_000, 100), (4_000, 300)), ((4_500, 200), (4_400, 50)))
    left = Claims(frozenset(), {("M", "no"): 150, ("M", "yes"): 200, ("N", "yes"): 1}).left({"M": depth, "O": depth})
    assert left["M"] == Depth(((4_000, 250),), ((4_400, 50),))
    assert left["O"] == depth
    assert Claims(frozenset(), {("M", "no"): 1_000}).left({"M": depth})["M"].yes_bids == ()
