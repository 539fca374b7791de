"""Remembered verdicts save work and never hide a basket."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kalbot.common import clock
from markets.models import Event
from markets.prices import PriceReader
from strategies.catalogue.universe import EventView
from strategies.cycle import candidate_evaluation, candidates, concerned, cycle, event_cache, memo, running, shared
from strategies.models import Decision, Profile
from strategies.models import Verdict as VerdictRow
from strategies.screening.verdict import Status, Verdict
from tests.strategies.world import add_event, add_profile, books_of, publish

pytestmark = pytest.mark.django_db

FAR = [(1000, 5300), (1000, 5400)]
FARTHER = [(900, 5300), (900, 5400)]
PAYING = [(5200, 5300), (5300, 5400)]


def _candidate(
    profile: Profile, ticker: str = "E1", quotes: Sequence[tuple[int | None, int | None]] = FAR, **columns: Any
) -> None:
    event = add_event(ticker, quotes, **columns)
    VerdictRow.objects.create(profile=profile, event=event, status="candidate", since=clock.now())


def _seen(profile: Profile, ticker: str = "E1") -> Verdict | None:
    event = event_cache.current([ticker])[ticker]
    prices = PriceReader().events([ticker])
    close = memo.close_ones(profile, [event], prices)
    memory = memo.of(shared.key_of(profile))
    waiting = memory.waiting(event) if ticker not in close else None
    return waiting or memory.recall(event, prices[ticker])


def test_the_same_books_are_not_judged_twice_and_moved_ones_are_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = add_profile()
    _candidate(profile)
    publish("E1", books_of("E1", FAR))
    assert cycle.run().refused == {"price": 1}
    first = _seen(profile)
    assert first is not None
    publish("E1", books_of("E1", FARTHER))
    assert _seen(profile) == first  # far away: the reason keeps for a moment
    monkeypatch.setattr(memo, "EXPLAIN_SECONDS", 0.0)
    assert _seen(profile) is None


@pytest.mark.parametrize(("count", "judged"), [(1, 1), (2, 2), (4, 0)])
def test_of_many_events_that_moved_far_from_paying_none_is_judged_at_once_and_of_few_each(
    count: int, judged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = add_profile()
    tickers = [f"E{number}" for number in range(count)]
    for ticker in tickers:
        _candidate(profile, ticker)
        publish(ticker, books_of(ticker, FAR))
    cycle.run()
    evaluate, seen = candidate_evaluation.evaluate_candidate, []

    def counted(*args: Any) -> Verdict:
        seen.append(args)
        return evaluate(*args)

    monkeypatch.setattr(candidate_evaluation, "evaluate_candidate", counted)
    monkeypatch.setattr(memo, "EXPLAIN_SECONDS", 3_600.0)
    for ticker in tickers:
        publish(ticker, books_of(ticker, FARTHER))
    assert cycle.run().refused == {"price": count}
    assert len(seen) == judged


def test_a_book_that_begins_to_pay_is_bought_at_the_next_cycle_whatever_was_remembered() -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", FAR))
    cycle.run()
    publish("E1", books_of("E1", PAYING))
    assert cycle.run().decisions == 1


@pytest.mark.parametrize(
    ("moves", "late", "judged"),
    [(None, False, 1), (None, True, 2), ("books", False, 2), ("event", False, 2), ("epoch", False, 2)],
)
def test_what_is_read_again_before_a_decision_is_judged_again_where_anything_moved(
    moves: str | None, late: bool, judged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING))
    monkeypatch.setattr(shared, "JUDGED_FOR_MS", -1 if late else 10**9)
    evaluate, fresh, seen = candidate_evaluation.evaluate_candidate, event_cache.fresh, []

    def counted(*args: Any) -> Verdict:
        seen.append(args)
        return evaluate(*args)

    def read_again(ticker: str) -> EventView | None:
        if moves == "books":
            publish("E1", books_of("E1", [(5300, 5400), (5400, 5500)]))
        elif moves == "epoch":
            publish("E1", books_of("E1", PAYING), epoch="epoch-2", lease="epoch-2")
        elif moves == "event":
            Event.objects.filter(pk="E1").update(volume=12_345)
        return fresh(ticker)

    monkeypatch.setattr(candidate_evaluation, "evaluate_candidate", counted)
    monkeypatch.setattr(event_cache, "fresh", read_again)
    assert cycle.run().decisions == 1
    assert len(seen) == judged
    prices = {leg["limit_price"] for leg in Decision.objects.get().legs}
    assert prices == ({4_600, 4_700} if moves == "books" else {4_700, 4_800})


@pytest.mark.parametrize(("seconds", "reads"), [(10.0, 0), (0.0, 1)], ids=["at once", "later"])
def test_a_nudged_cycle_reads_an_event_once_and_again_only_where_a_while_has_passed(
    seconds: float, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING))
    cycle.run(cycle.NUDGE, ["ELSEWHERE"])
    event_cache.current(["E1"])  # remembered, and wrong by now
    Event.objects.filter(pk="E1").update(title="as it is now")
    fresh, again = event_cache.fresh, []

    def read_again(ticker: str) -> EventView | None:
        again.append(ticker)
        return fresh(ticker)

    monkeypatch.setattr(event_cache, "fresh", read_again)
    monkeypatch.setattr(running, "AS_GOOD_AS_NOW", seconds)
    assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 1
    assert len(again) == reads
    assert event_cache.current(["E1"])["E1"].title == "as it is now"
    Event.objects.filter(pk="E1").update(is_open=False)
    Decision.objects.all().delete()
    assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 0


def test_what_the_usual_profile_has_open_is_read_with_the_event_and_again_once_the_profile_was_edited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profile = add_profile(max_open_positions=9)
    for ticker in ("E1", "E2", "E3"):
        _candidate(profile, ticker)
        publish(ticker, books_of(ticker, PAYING))
    monkeypatch.setattr(concerned, "connection", SimpleNamespace(vendor="postgresql"))
    monkeypatch.setattr(running, "AS_GOOD_AS_NOW", 10.0)
    exposing, read = candidates.exposing, []

    def counted(*args: Any) -> Any:
        read.append(args[0].max_open_positions)
        return exposing(*args)

    monkeypatch.setattr(candidates, "exposing", counted)
    assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 1
    assert read == [9], "nothing is known of whom it concerns"
    assert cycle.run(cycle.NUDGE, ["E2"]).decisions == 1
    assert read == [9, 9]
    profile.max_open_positions = 2
    profile.save()
    row = cycle.run(cycle.NUDGE, ["E3"])
    assert (row.decisions, row.refused) == (0, {"open_positions": 1})
    assert read == [9, 9, 9, 2]


def test_prices_that_came_with_the_locks_are_read_again_only_once_a_while_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING))
    judged = shared.judge

    def judge_and_move(*args: Any) -> Any:
        found = judged(*args)
        publish("E1", books_of("E1", FAR))
        return found

    monkeypatch.setattr(cycle, "judge", judge_and_move)
    monkeypatch.setattr(running, "AS_GOOD_AS_NOW", 0.0)
    assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 0
    publish("E1", books_of("E1", PAYING))
    monkeypatch.setattr(running, "AS_GOOD_AS_NOW", 10.0)
    assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 1


def test_a_profile_that_was_edited_or_an_event_whose_facts_changed_is_judged_again() -> None:
    profile = add_profile()
    _candidate(profile)
    publish("E1", books_of("E1", FAR))
    cycle.run()
    assert _seen(profile) is not None
    profile.min_margin_ppm = 5
    profile.save()
    assert _seen(profile) is None


def test_what_hangs_on_money_is_never_remembered() -> None:
    profile = add_profile(min_profit=10**12)
    _candidate(profile)
    publish("E1", books_of("E1", PAYING))
    assert cycle.run().refused == {"min_profit": 1}
    assert _seen(profile) is None


@pytest.mark.alike
@pytest.mark.parametrize("kinds", [["all_yes", "all_no"], ["all_yes", "all_no", "coverage"]])
def test_the_screen_keeps_every_event_in_which_a_basket_would_be_found(kinds: list[str]) -> None:
    rng = random.Random(3)
    profile = add_profile(kinds=kinds, min_profit=1, coverage_threshold_ppm=700_000, near_miss_ppm=5_000)
    for number in range(60):
        quotes = []
        for _ in range(legs := rng.randint(2, 5)):
            ask = max(200, min(9_800, 10_000 // legs + rng.randint(-600, 800)) // 100 * 100)
            quotes.append((max(100, ask - rng.randint(1, 3) * 100), ask))
        _candidate(profile, f"E{number}", quotes, certified=rng.random() < 0.5)
        publish(f"E{number}", books_of(f"E{number}", quotes))
    views = event_cache.current([f"E{n}" for n in range(60)])
    prices = PriceReader().events(sorted(views))
    close = memo.close_ones(profile, list(views.values()), prices)
    bought = set()
    for ticker, view in views.items():
        verdict = candidate_evaluation.evaluate_candidate(
            profile, view, candidate_evaluation.depths_of(prices[ticker]), 0, profile.capital
        )
        if verdict.status is Status.CANDIDATE:
            bought.add(ticker)
    assert len(bought) > 5
    assert bought <= close <= set(views)
    if "coverage" not in kinds:  # what covered outcomes are worth cannot be seen by best prices
        assert close < set(views)
    assert not Decision.objects.exists()
