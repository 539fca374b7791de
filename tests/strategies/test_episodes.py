"""Near misses are episodes with a beginning, an end, a best distance and, after settlement, a result."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from markets.models import Event, Market
from strategies.cycle import candidate_evaluation, near_misses
from strategies.cycle.candidates import Listed
from strategies.cycle.shared import Shared
from strategies.models import NearMiss
from strategies.reasons import Reason
from strategies.screening import counterfactual, episodes, screening
from strategies.screening.filters import Miss
from strategies.screening.verdict import Prices, Status, Verdict, missed
from tests.strategies.world import add_event, add_profile, add_scan

pytestmark = pytest.mark.django_db

NEAR = [(4800, 5300), (4900, 5400)]
BASKET = {
    "kind": "all_no",
    "count": 200,
    "cost": 2_100_000,
    "legs": [{"ticker": "E1-0", "side": "no", "count": 200}, {"ticker": "E1-1", "side": "no", "count": 200}],
}


def _near(reason: Reason, distance_ppm: int, value: str = "", summary: dict[str, Any] | None = None) -> Verdict:
    return missed(Status.NEAR_MISS, Miss(reason, value, "", distance_ppm), summary=summary)


def test_an_episode_keeps_its_nearest_verdict_and_counts_the_others() -> None:
    profile, start = add_profile(), clock.now()
    add_event("E1", NEAR)
    for seconds, distance in ((0, 300), (20, 100), (40, 200), (41, 150)):
        verdict = _near(Reason.PRICE, distance, f"at {seconds}", {"seconds": seconds})
        episodes.follow(profile, {"E1": verdict}, {}, start + timedelta(seconds=seconds))
    row = NearMiss.objects.get()
    assert (row.evaluations, row.distance_ppm, row.best_distance_ppm) == (
        3,
        200,
        100,
    )  # 41 s was too soon to be worth a write
    assert row.summary == {"seconds": 20}
    assert row.started_at == start
    episodes.follow(profile, {}, {"E1": "rejected: margin", "OTHER": "closed"}, start + timedelta(seconds=60))
    row.refresh_from_db()
    assert (row.ended_at, row.ended_as) == (start + timedelta(seconds=60), "rejected: margin")


def test_cycles_in_two_threads_end_an_episode_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the one writes, the other has ended the episode, and taken the event from the list: neither is an error of the first."""
    profile, at = add_profile(), clock.now()
    add_event("E1", NEAR)
    episodes.follow(profile, {"E1": _near(Reason.PRICE, 100)}, {}, at)
    gone = {"E1": missed(Status.REJECTED, Miss(Reason.PRICE, "", ""), Prices.BOOKS)}
    near_misses.forget()
    write = episodes.follow

    def another_was_first(*given: Any) -> int:
        monkeypatch.setattr(episodes, "follow", write)
        near_misses.follow(profile, gone, Shared(), at)
        return write(*given)

    monkeypatch.setattr(episodes, "follow", another_was_first)
    near_misses.follow(profile, gone, Shared(), at)
    assert NearMiss.objects.get().ended_as == "moved away"
    assert candidate_evaluation.record(profile, Listed({}), gone.items(), at, 10) == 0


def test_screening_opens_keeps_and_ends_episodes() -> None:
    add_profile(watch_margin_ppm=10_000, near_miss_ppm=70_000)
    for ticker in ("GOES", "STAYS", "VANISHES"):
        add_event(ticker, NEAR)
    screening.screen(add_scan().pk)
    assert NearMiss.objects.filter(ended_at=None).count() == 3
    Market.objects.filter(event_id="GOES").update(yes_bid=1000)
    Event.objects.filter(pk="VANISHES").update(is_open=False)
    screening.screen(add_scan().pk)
    assert dict(NearMiss.objects.values_list("event_id", "ended_as")) == {
        "GOES": "rejected: margin",
        "STAYS": "",
        "VANISHES": "closed",
    }


def test_an_episode_of_a_candidate_that_no_cycle_evaluates_is_closed_in_time() -> None:
    profile = add_profile()
    add_event("E1", [(5200, 5300), (5300, 5400)])
    episodes.follow(profile, {"E1": _near(Reason.PRICE, 10)}, {}, clock.now())
    screening.screen(add_scan().pk)
    assert NearMiss.objects.get().ended_at is None
    NearMiss.objects.update(last_seen_at=clock.now() - timedelta(hours=1))
    screening.screen(add_scan().pk)
    assert NearMiss.objects.get().ended_as == "candidate"


def _settle(results: dict[str, str], **columns: object) -> None:
    Event.objects.update(is_open=False)
    for ticker, result in results.items():
        Market.objects.filter(pk=ticker).update(status="finalized", result=result, **columns)


@pytest.mark.parametrize(
    ("results", "profit", "words"),
    [
        ({"E1-0": "yes", "E1-1": "no"}, -100_000, "lost $0.10; won: Outcome 0"),
        ({"E1-0": "no", "E1-1": "no"}, 1_900_000, "made $1.90; won: no listed outcome"),
    ],
)
def test_a_settled_near_miss_gets_the_result_that_buying_it_would_have_had(
    results: dict[str, Any], profit: int, words: str
) -> None:
    profile = add_profile()
    add_event("E1", NEAR)
    episodes.follow(profile, {"E1": _near(Reason.PRICE, 10, summary=BASKET)}, {}, clock.now())
    assert counterfactual.record(clock.now()) == 0
    Event.objects.update(is_open=False)
    assert counterfactual.record(clock.now()) == 0  # closed, not settled
    _settle(results)
    assert counterfactual.record(clock.now()) == 1
    row = NearMiss.objects.get()
    assert row.outcome_profit == profit
    assert words in row.outcome
    assert row.ended_as == "settled"
    assert counterfactual.record(clock.now()) == 0


def test_a_scalar_settlement_pays_its_value_on_each_side() -> None:
    profile = add_profile()
    add_event("E1", NEAR)
    episodes.follow(profile, {"E1": _near(Reason.PRICE, 10, summary=BASKET)}, {}, clock.now())
    _settle({"E1-0": "scalar", "E1-1": "scalar"}, settlement_value_e6=500_000)
    counterfactual.record(clock.now())
    assert NearMiss.objects.get().outcome_profit == 2_000_000 - 2_100_000


def test_a_near_miss_without_a_basket_says_so() -> None:
    profile = add_profile()
    add_event("E1", NEAR)
    episodes.follow(profile, {"E1": _near(Reason.VOLUME, 10)}, {}, clock.now())
    _settle({"E1-0": "no", "E1-1": "yes"})
    assert counterfactual.record(clock.now()) == 1
    row = NearMiss.objects.get()
    assert row.outcome_profit is None
    assert row.outcome == "no basket was near; won: Outcome 1"


def test_screening_writes_the_results_of_what_has_settled() -> None:
    profile = add_profile()
    add_event("E1", NEAR)
    episodes.follow(profile, {"E1": _near(Reason.PRICE, 10, summary=BASKET)}, {}, clock.now())
    _settle({"E1-0": "no", "E1-1": "yes"})
    screening.screen(add_scan().pk)
    assert NearMiss.objects.get().outcome_profit == -100_000
