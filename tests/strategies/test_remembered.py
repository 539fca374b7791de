"""What a process remembers between cycles and screenings never outlives a change that somebody else made."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kalbot.common.db import bulk
from markets.models import Market
from strategies.cycle import candidates, cycle, event_cache, memo
from strategies.models import Cycle, Decision, Profile, Verdict
from strategies.screening import screening, verdict_rows, versions, watchlist
from tests.strategies.world import EPOCH, add_event, add_profile, add_scan, books_of, publish

pytestmark = pytest.mark.django_db
FAR = [(1000, 5300), (1000, 5400)]
PAYING = [(5200, 5300), (5300, 5400)]


def _in_another_process(work: Callable[[], object]) -> None:
    """Do ``work`` with no memory of what this process knows, and leave this one's memory as it was."""
    lists, kept = dict(candidates._lists), dict(verdict_rows._kept)
    candidates.forget()
    verdict_rows.forget()
    work()
    candidates._lists.update(lists)
    verdict_rows._kept.clear()
    verdict_rows._kept.update(kept)


def _world(*profiles: Profile, events: int = 2) -> None:
    for number in range(events):
        add_event(f"E{number}", FAR)
        publish(f"E{number}", books_of(f"E{number}", FAR))
    screening.screen(add_scan().pk)


def _rows() -> set[tuple[str, str, str, str]]:
    return set(Verdict.objects.values_list("profile__name", "event_id", "status", "constraint"))


def test_an_event_that_another_process_makes_a_candidate_is_judged_in_the_next_cycle() -> None:
    profile = add_profile(watch_margin_ppm=1_000_000)
    _world(profile)
    assert cycle.run().candidates == 2
    add_event("NEW", FAR)
    publish("NEW", books_of("NEW", PAYING))
    _in_another_process(lambda: screening.screen(add_scan().pk))
    row = cycle.run()
    assert (row.candidates, row.decisions) == (3, 1)


def test_an_event_that_is_no_candidate_any_more_is_not_judged() -> None:
    profile = add_profile(watch_margin_ppm=1_000_000)
    _world(profile)
    cycle.run()
    Market.objects.filter(event_id="E0").update(status="closed")
    _in_another_process(lambda: screening.screen(add_scan().pk))
    assert cycle.run().candidates == 1


def test_a_count_of_decisions_that_moved_elsewhere_costs_one_cycle_and_never_a_second_basket() -> None:
    profile = add_profile(watch_margin_ppm=1_000_000, cooldown_seconds=0)
    _world(profile, events=1)
    cycle.run()
    Verdict.objects.update(decisions=7)  # another process decided, and its basket has ended
    publish("E0", books_of("E0", PAYING))
    assert cycle.run().refused == {"raced": 1}
    assert cycle.run().decisions == 1
    assert cycle.run().decisions == 0
    assert Decision.objects.count() == 1


def test_a_row_that_a_cycle_promoted_is_written_again_by_the_next_screening() -> None:
    profile = add_profile(watch_margin_ppm=0)
    _world(profile)
    screening.screen(add_scan().pk)
    before = _rows()
    Verdict.objects.filter(event_id="E0").update(status="candidate", constraint="")
    versions.count(profile.pk, candidates=1)
    assert cycle.run().candidates == 1
    screening.screen(add_scan().pk)
    assert _rows() == before
    assert cycle.run().candidates == 0


def test_rows_of_a_profile_that_was_off_for_a_while_come_back() -> None:
    profile = add_profile(watch_margin_ppm=1_000_000)
    _world(profile)
    before = _rows()
    Profile.objects.update(is_active=False)
    screening.screen(add_scan().pk)
    assert not _rows()
    Profile.objects.update(is_active=True)
    screening.screen(add_scan().pk)
    assert _rows() == before
    assert cycle.run().candidates == 2


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_screening_that_broke_off_leaves_no_row_that_a_later_one_takes_for_written(
    monkeypatch: pytest.MonkeyPatch, is_remembered: bool
) -> None:
    profile = add_profile(watch_margin_ppm=1_000_000)
    _world(profile, events=3)
    before, real = _rows(), bulk.update_rows

    def breaks_off(model: type[Verdict], columns: list[str], rows: list[tuple[int, tuple[object, ...]]]) -> None:
        real(model, columns, rows[:1])
        raise OSError("killed")

    Market.objects.update(volume=0, open_interest=0, status="closed")
    monkeypatch.setattr(bulk, "update_rows", breaks_off)
    broken = pytest.raises(OSError, match="killed")
    with broken:
        if is_remembered:
            screening.screen(add_scan().pk)
        else:
            _in_another_process_that_breaks()
    monkeypatch.setattr(bulk, "update_rows", real)
    assert _rows() != before
    Market.objects.update(status="active")
    screening.screen(add_scan().pk)
    assert _rows() == before


def _in_another_process_that_breaks() -> None:
    kept = dict(verdict_rows._kept)
    verdict_rows.forget()
    try:
        screening.screen(add_scan().pk)
    finally:
        verdict_rows._kept.update(kept)


@pytest.mark.alike
def test_whatever_happens_a_process_that_remembers_says_what_one_without_a_memory_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memo, "EXPLAIN_SECONDS", 0.0)
    rng = random.Random(11)
    for number in range(6):
        add_profile(f"p{number}", watch_margin_ppm=1_000_000 * (number % 3), min_profit=10**12, min_outcomes=2)
    _world(events=8)
    for _ in range(25):
        _something_happens(rng)
        remembered = _said(cycle.run())
        Verdict.objects.update(live_constraint="", live_value="", live_at=None)
        memo.forget()
        candidates.forget()
        assert _said(cycle.run()) == remembered


def _said(row: Cycle) -> tuple[object, ...]:
    live = Verdict.objects.filter(status="candidate").values_list("profile_id", "event_id", "live_constraint")
    return row.candidates, row.evaluated, row.refused, sorted(live)


def _something_happens(rng: random.Random) -> None:
    event, profile = f"E{rng.randrange(8)}", f"p{rng.randrange(6)}"
    what = rng.randrange(7)
    if what == 0:
        publish(event, books_of(event, rng.choice([FAR, PAYING])))
    elif what == 1:
        publish(event, books_of(event, FAR), suspect=[f"{event}-0"], epoch=rng.choice([EPOCH, "an-older-life"]))
    elif what == 2:
        Profile.objects.filter(name=profile).update(max_days_to_close=rng.choice([0, 30]))
    elif what == 3:
        Profile.objects.filter(name=profile).update(max_open_positions=rng.choice([0, 5]))
    elif what == 4:
        Market.objects.filter(event_id=event).update(status=rng.choice(["active", "closed"]))
        event_cache.forget()
        _in_another_process(lambda: screening.screen(add_scan().pk))
    elif what == 5:
        Profile.objects.filter(name=profile).update(is_active=rng.random() < 0.7)
        screening.screen(add_scan().pk)
    else:
        watchlist.forget()
        _in_another_process(lambda: screening.screen(add_scan().pk))
