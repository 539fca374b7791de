"""Profiles that judge alike are judged for once; what sets them apart still does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from markets.prices import PriceReader
from strategies.cycle import candidate_evaluation, cycle, event_cache, shared
from strategies.cycle import quotes as quotes_of
from strategies.models import Decision, Profile, Verdict
from strategies.profiles import alike
from strategies.reasons import Reason
from strategies.screening.filters import Rules
from strategies.screening.verdict import Prices
from tests.strategies.world import add_event, add_profile, books_of, publish

pytestmark = pytest.mark.django_db
FAR = [(1000, 5300), (1000, 5400)]
PAYING = [(5200, 5300), (5300, 5400)]
DOLLAR = 1_000_000


def _candidates(profiles: list[Profile], **events: Sequence[tuple[int, int]]) -> None:
    for ticker, quotes in events.items():
        event = add_event(ticker, quotes)
        for profile in profiles:
            Verdict.objects.create(profile=profile, event=event, status="candidate", since=event.first_seen_at)
        publish(ticker, books_of(ticker, quotes))


def test_an_event_is_evaluated_once_for_all_that_judge_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = [add_profile(f"p{n}", capital=(100 + n) * DOLLAR, cooldown_seconds=n) for n in range(5)]
    profiles.append(add_profile("stricter", min_profit=999 * DOLLAR))
    _candidates(profiles, E1=FAR, E2=FAR)
    real, seen = candidate_evaluation.evaluate_candidate, []

    def watched(profile: Profile, event: Any, *rest: Any) -> Any:
        seen.append((profile.name, event.ticker))
        return real(profile, event, *rest)

    monkeypatch.setattr(candidate_evaluation, "evaluate_candidate", watched)
    row = cycle.run()
    assert (row.candidates, row.evaluated, row.refused) == (12, 12, {"price": 12})
    assert sorted(seen) == [("p0", "E1"), ("p0", "E2"), ("stricter", "E1"), ("stricter", "E2")]
    assert set(Verdict.objects.values_list("live_constraint", flat=True)) == {"price"}


def test_what_money_and_exposure_say_is_each_profiles_own() -> None:
    rich, poor, full, late = (
        add_profile("rich"),
        add_profile("poor", capital=2 * DOLLAR),
        add_profile("full", max_open_positions=0),
        add_profile("late", cooldown_seconds=600),
    )
    _candidates([rich, poor, full, late], E1=PAYING)
    cycle.run()
    taken = dict(Decision.objects.values_list("profile__name", "count"))
    assert taken.keys() == {"rich", "poor", "late"}
    assert taken["rich"] == taken["late"] > taken["poor"] > 0
    said = dict(Verdict.objects.values_list("profile__name", "live_constraint"))
    assert said["full"] == "open_positions"


def test_a_profile_is_alike_unless_a_column_that_matters_differs() -> None:
    profiles = [add_profile("a"), add_profile("b", capital=DOLLAR), add_profile("c", min_volume=5), add_profile("d")]
    assert [[one.name for one in group] for group in alike.groups(profiles)] == [["a", "b", "d"], ["c"]]
    known = {column.attname for column in Profile._meta.concrete_fields}
    assert known >= alike.NOT_JUDGED_BY


class _Guarded:
    """A profile that refuses to name a column that is said not to matter."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def __getattr__(self, name: str) -> Any:
        if name in alike.NOT_JUDGED_BY - {"name", "capital"}:
            raise AssertionError(f"{name} is read")
        return getattr(self._profile, name)


@pytest.mark.parametrize("quotes", [FAR, PAYING])
@pytest.mark.parametrize("kinds", [["all_yes"], ["all_no"], ["coverage"], ["all_yes", "all_no", "coverage"]])
def test_judging_reads_no_column_that_is_said_not_to_matter(
    kinds: list[str], quotes: Sequence[tuple[int, int]]
) -> None:
    profile = add_profile("p", kinds=kinds, quoting="one_leg")
    _candidates([profile], E1=quotes)
    view, prices = event_cache.current(["E1"])["E1"], PriceReader().events(["E1"])["E1"]
    books = candidate_evaluation.depths_of(prices)
    guarded: Any = _Guarded(profile)
    shared.unfit(guarded, Rules.of(guarded), view, prices)
    verdict = shared.evaluated(guarded, view, books, profile.capital)
    assert verdict.constraint is not Reason.ERROR, verdict.flip
    # What may rest is judged for each profile alone: the record of its quotes is one of a mode.
    assert quotes_of.instead(profile, view, books, verdict, profile.capital).prices is Prices.BOOKS
