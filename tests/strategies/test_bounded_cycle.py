"""A cycle does no more than the books that moved ask for: however slow it is, whatever holds for every event at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from kalbot.common import cache, clock
from markets.prices import LEASE_KEY
from strategies.cycle import candidates, cycle, near_misses, shared
from strategies.models import NearMiss, Profile, Verdict
from strategies.reasons import Reason
from tests.strategies.world import add_event, add_profile, books_of, publish

pytestmark = pytest.mark.django_db

FAR = [(1000, 5300), (1000, 5400)]
NEAR = [(4800, 5300), (4900, 5400)]
PAYING = [(5200, 5300), (5300, 5400)]


class _Later(clock.SystemClock):
    """The machine's clock, set forward."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def time_ns(self) -> int:
        return time.time_ns() + int(self.seconds * 1e9)

    def monotonic(self) -> float:
        return time.monotonic() + self.seconds


@contextmanager
def _later() -> Iterator[_Later]:
    later = _Later()
    with clock.use(later):
        yield later


def _candidates(profile: Profile, *tickers: str, quotes: list[tuple[int, int]] = FAR) -> None:
    for ticker in tickers:
        event = add_event(ticker, quotes)
        Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
        publish(ticker, books_of(ticker, quotes))


def _reasons() -> dict[str, str]:
    return dict(Verdict.objects.values_list("event_id", "live_constraint"))


def test_a_slow_cycle_judges_by_the_age_that_prices_had_when_they_were_read(monkeypatch: pytest.MonkeyPatch) -> None:
    _candidates(add_profile("first"), "E1")
    other = add_profile("other", min_margin_ppm=7)
    Verdict.objects.create(profile=other, event_id="E1", status="candidate", since=clock.now())
    real = shared.judge
    with _later() as later:

        def slow(profile: Profile, *rest: Any) -> shared.Shared:
            later.seconds += 60
            return real(profile, *rest)

        monkeypatch.setattr(cycle, "judge", slow)
        assert cycle.run().refused == {"price": 2}


def test_what_is_bought_in_a_slow_cycle_is_read_again_and_too_old_prices_buy_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _candidates(add_profile(), "E1", quotes=PAYING)
    real = shared.judge
    with _later() as later:

        def slow(profile: Profile, *rest: Any) -> shared.Shared:
            later.seconds += 60
            return real(profile, *rest)

        monkeypatch.setattr(cycle, "judge", slow)
        row = cycle.run()
        assert (row.decisions, _reasons()) == (0, {"E1": "stale"})


def test_a_reason_that_holds_for_every_event_is_written_a_few_rows_a_cycle_and_a_decision_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycle, "MOST_ROWS", 2)
    monkeypatch.setattr(cycle, "LEAST_ROWS", 1)
    _candidates(add_profile(), "E1", "E2", "E3", "E4")
    _candidates(Profile.objects.get(), "E5", quotes=PAYING)
    assert cycle.run().decisions == 1
    assert _reasons()["E5"] == Reason.DECIDED.value
    assert sorted(_reasons().values()).count("") == 3
    for _ in range(2):
        assert cycle.run().candidates == 5
    assert "" not in _reasons().values()
    cache.prices().delete(LEASE_KEY + "0")  # the stream is silent: it holds for all
    cycle.run()
    assert sorted(_reasons().values()).count(Reason.DEAD_EPOCH.value) <= 2
    for _ in range(3):
        cycle.run()
    assert all(_reasons()[f"E{n}"] == Reason.DEAD_EPOCH.value for n in range(1, 5))


def test_rows_that_another_process_wrote_are_read_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = add_profile()
    _candidates(profile, "E1", "E2", "E3")
    cycle.run()
    with _later() as later:
        later.seconds += 500  # what was written before is long ago
        candidates.forget()
        candidates.lists([profile])
        later.seconds += 2 * candidates.CATCH_UP_SECONDS
        Verdict.objects.filter(event_id="E2").update(live_constraint="silent", live_at=clock.now(), decisions=4)
        listed = _read_again(profile, monkeypatch)
        assert (listed["E2"].live_constraint, listed["E2"].decisions) == ("silent", 4)
        assert listed["E1"].live_constraint == "price"


@pytest.mark.parametrize("change", ["removed", "replaced", "rejected"])
def test_a_list_that_is_caught_up_with_has_the_candidates_that_the_database_has(change: str) -> None:
    profile = add_profile()
    _candidates(profile, "E1", "E2")
    event = add_event("E3", FAR)
    assert set(candidates.lists([profile])[profile.pk].by_event) == {"E1", "E2"}
    with _later() as later:
        later.seconds += 2 * candidates.CATCH_UP_SECONDS
        if change == "rejected":
            Verdict.objects.filter(event_id="E1").update(status="rejected", updated_at=clock.now())
        else:
            Verdict.objects.filter(event_id="E1").delete()
        if change == "replaced":
            Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
        wanted = set(Verdict.objects.filter(status="candidate").values_list("event_id", flat=True))
        assert set(candidates.lists([profile])[profile.pk].by_event) == wanted


def test_a_near_miss_on_books_that_do_not_move_is_prolonged_without_being_read_and_counted() -> None:
    profile = add_profile(near_miss_ppm=70_000)
    _candidates(profile, "E1", quotes=NEAR)
    with _later() as later:
        cycle.run()
        row = NearMiss.objects.get()
        for _ in range(2):
            publish("E1", books_of("E1", NEAR))
            cycle.run()
        again = NearMiss.objects.get()
        assert (again.last_seen_at, again.evaluations) == (row.last_seen_at, 1)
        later.seconds += near_misses.STILL_NEAR.total_seconds() + 1
        near_misses._open[profile.pk].until += 1_000
        publish("E1", books_of("E1", NEAR))
        with CaptureQueriesContext(connection) as queries:
            cycle.run()
        assert not [one for one in queries if "nearmiss" in one["sql"] and one["sql"].startswith("SELECT")]
        again.refresh_from_db()
        assert again.last_seen_at - row.last_seen_at > timedelta(seconds=60)
        assert again.evaluations == 2
        publish("E1", books_of("E1", FAR))
        cycle.run()
        again.refresh_from_db()
        assert again.ended_as == "moved away"


def test_an_episode_that_another_process_ended_is_opened_again_when_the_memory_of_it_lapses() -> None:
    profile = add_profile(near_miss_ppm=70_000)
    _candidates(profile, "E1", quotes=NEAR)
    with _later() as later:
        cycle.run()
        NearMiss.objects.update(ended_at=clock.now(), ended_as="rejected: volume")
        later.seconds += 2 * near_misses.KEEP_SECONDS
        publish("E1", books_of("E1", NEAR))
        cycle.run()
        assert NearMiss.objects.filter(ended_at=None).count() == 1


def _read_again(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> dict[str, candidates.Candidate]:
    """The list of ``profile`` as a process has it that may not read it whole."""

    def never(*_: object) -> candidates.Listed:
        raise AssertionError("the whole list was read")

    with monkeypatch.context() as patch:
        patch.setattr(candidates, "_read", never)
        return candidates.lists([profile])[profile.pk].by_event
