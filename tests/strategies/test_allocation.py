"""A cycle buys the best set when money is short, and says of the rest what they were worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from markets.models import Event, Market
from strategies.catalogue import settling, universe
from strategies.cycle import cycle, hurdles
from strategies.models import Decision, Hurdle, Opportunity, Profile, SettlingTime, Verdict
from tests.strategies.world import add_event, add_profile, books_of, publish
from trading.models import ProfileBalance

pytestmark = pytest.mark.django_db

LITTLE = [(5200, 5300), (5200, 5300)]  # NO on both: 0.96 and 0.035 of fees, for 1
MUCH = [(5600, 5700), (5600, 5700)]  # NO on both: 0.88, for 1


def _candidate(profile: Profile, ticker: str, quotes: Sequence[tuple[int, int]], days: float) -> Event:
    event = add_event(ticker, quotes, close_time=clock.now() + timedelta(days=days))
    Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
    publish(ticker, books_of(ticker, quotes))
    return event


def _two(**columns: Any) -> Profile:
    """A basket that earns more in a month, and one that earns less in a day; capital for one."""
    profile = add_profile(
        **({"capital": 20_000_000, "max_per_position": 20_000_000, "max_per_event": 20_000_000} | columns)
    )
    _candidate(profile, "A-MONTH", MUCH, 30)
    _candidate(profile, "B-DAY", LITTLE, 1)
    return profile


def test_capital_goes_where_it_returns_most_a_day() -> None:
    _two()
    row = cycle.run()
    assert [decision.event_id for decision in Decision.objects.all()] == ["B-DAY"]
    verdict = Verdict.objects.get(event="A-MONTH")
    assert verdict.live_constraint == "outranked"
    assert "% a day" in verdict.live_value
    assert "% a day or more" in verdict.live_limit
    assert "must come free" in verdict.live_flip
    assert row.refused == {"outranked": 1}


def test_first_come_first_served_where_the_profile_says_so() -> None:
    _two(allocation="first_come")
    cycle.run()
    first = Decision.objects.get()
    assert first.event_id == "A-MONTH"


def test_enough_for_both_buys_both() -> None:
    _two(capital=1_000_000_000)
    cycle.run()
    assert set(Decision.objects.values_list("event_id", flat=True)) == {"A-MONTH", "B-DAY"}


def test_what_is_left_buys_a_part_of_the_next() -> None:
    """$30: the day's basket is capped at $20, the month's takes the other ten."""
    _two(capital=30_000_000)
    cycle.run()
    cost = dict(Decision.objects.values_list("event_id", "max_cost"))
    assert set(cost) == {"A-MONTH", "B-DAY"}
    assert cost["B-DAY"] > 15_000_000
    assert cost["A-MONTH"] <= 30_000_000 - cost["B-DAY"]


def test_the_last_position_goes_to_the_larger_profit_a_day() -> None:
    profile = add_profile(capital=1_000_000_000, max_open_positions=1)
    _candidate(profile, "A-LITTLE", LITTLE, 1)
    _candidate(profile, "B-MUCH", MUCH, 1)
    cycle.run()
    assert Decision.objects.get().event_id == "B-MUCH"


@pytest.mark.parametrize("grows", [False, True])
def test_capital_waits_for_what_returns_more_than_what_is_offered_now(grows: bool) -> None:
    """For ten days more short baskets turned up than the capital carries: one that locks it for a month takes their place."""
    profile = add_profile(capital=20_000_000, max_per_position=20_000_000, max_per_event=20_000_000)
    _past(profile)
    _candidate(profile, "MONTH", MUCH, 30)
    row = cycle.run(cycle.NUDGE, ["MONTH"])
    assert (row.decisions, row.refused) == (0, {"hurdle": 1})
    learnt = Hurdle.objects.get()
    assert (learnt.opportunities, learnt.return_a_day > 0.01) == (41, True)
    assert Verdict.objects.get(event="MONTH").live_constraint == "hurdle"
    Hurdle.objects.all().delete()
    if grows:  # as its profits that work too carry more
        Profile.objects.update(profits=Profile.Profits.KEEP)
        ProfileBalance.objects.update_or_create(
            profile=profile, defaults={"mode": profile.mode, "cash": 1_980_000_000, "realised": -1_980_000_000}
        )
    else:
        Profile.objects.update(capital=2_000_000_000)
    cycle.run(cycle.NUDGE, ["MONTH"])
    assert Decision.objects.get().event_id == "MONTH", "with capital for everything there is no hurdle"


@pytest.mark.parametrize(
    ("other", "passed_over"), [({}, True), ({"min_profit": 2}, False), ({"collateral_return": True}, False)]
)
def test_a_profile_that_begins_goes_by_what_those_that_judge_alike_were_offered(
    other: dict[str, Any], passed_over: bool
) -> None:
    """A live profile beside the one on paper from which it was made has no history of its own."""
    money: dict[str, Any] = {"capital": 20_000_000, "max_per_position": 20_000_000, "max_per_event": 20_000_000}
    older = add_profile(name="older", **(money | {"capital": 70_000_000, "is_active": False} | other))
    _past(older)
    profile = add_profile(**money)
    _candidate(profile, "MONTH", MUCH, 30)
    row = cycle.run(cycle.NUDGE, ["MONTH"])
    assert row.refused == ({"hurdle": 1} if passed_over else {})
    assert Hurdle.objects.get(profile=profile).opportunities == (41 if passed_over else 1)


def test_no_price_waits_until_a_hurdle_is_learnt_again_and_the_next_cycle_learns_it() -> None:
    profile = add_profile(capital=20_000_000, max_per_position=20_000_000, max_per_event=20_000_000)
    _past(profile)
    old = clock.now() - timedelta(hours=1)
    Hurdle.objects.create(profile=profile, return_a_day=0.0, opportunities=0, since=old, at=old)
    _candidate(profile, "MONTH", MUCH, 30)
    assert cycle.run(cycle.NUDGE, ["MONTH"]).decisions == 1
    assert Hurdle.objects.get().at == old
    cycle.run()
    learnt = Hurdle.objects.get()
    assert (learnt.opportunities, learnt.return_a_day > 0.01, learnt.at > old) == (41, True, True)
    cycle.run()
    assert Hurdle.objects.get().at == learnt.at, "not within ten minutes"


def test_one_profile_a_cycle_learns_its_hurdle_before_anything_was_offered_and_a_price_finds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profiles = [add_profile(name, capital=1_000_000_000) for name in ("a", "b")]
    add_profile("c", allocation="first_come")
    event = add_event("FAR", [(1000, 5300), (1000, 5400)])
    for profile in Profile.objects.all():
        Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
    publish("FAR", books_of("FAR", [(1000, 5300), (1000, 5400)]))
    for count in (1, 2, 2):
        cycle.run()
        assert (
            list(Hurdle.objects.values_list("profile__name", flat=True).order_by("profile__name"))
            == [
                "a",
                "b",
            ][:count]
        )
    assert set(Hurdle.objects.values_list("opportunities", "return_a_day")) == {(0, 0.0)}
    monkeypatch.setattr(hurdles, "_learn", None)
    _candidate(profiles[0], "MUCH", MUCH, 1)
    assert cycle.run(cycle.NUDGE, ["MUCH"]).decisions == 1


def _past(profile: Profile) -> None:
    """For ten days more short baskets turned up than the capital carries."""
    for number in range(40):
        event = add_event(f"PAST-{number:02}", LITTLE, is_open=False)
        at = clock.now() - timedelta(days=9, hours=23) + timedelta(hours=5 * number)
        days = 1.0 + number / 100
        Opportunity.objects.create(profile=profile, event=event, at=at, locked=20_000_000, profit=400_000, days=days)


def test_a_decision_waits_for_nothing_that_is_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = add_profile(capital=1_000_000_000)
    _candidate(profile, "A-LITTLE", LITTLE, 1)
    Hurdle.objects.create(profile=profile, return_a_day=0.0, opportunities=30, since=clock.now(), at=clock.now())
    note, decided = hurdles.note, []

    def noted(*args: Any) -> None:
        decided.append(Decision.objects.count())
        note(*args)

    monkeypatch.setattr(hurdles, "note", noted)
    cycle.run()
    assert (decided, Opportunity.objects.get().event_id) == ([1], "A-LITTLE")


def test_a_series_that_settles_late_locks_money_longer() -> None:
    event = add_event("LATE", LITTLE, series="KXLATE", close_time=clock.now() + timedelta(days=1))
    old = add_event("OLD", [*LITTLE, *LITTLE, *LITTLE], series="KXLATE", is_open=False)
    ended = clock.now() - timedelta(days=3)
    Market.objects.filter(event=old).update(
        close_time=ended, settled_at=ended + timedelta(hours=36), status="finalized"
    )
    before = universe.load(["LATE"])["LATE"].settles_in_days(clock.now_ms())
    assert settling.learn() == 1
    after = universe.load(["LATE"])["LATE"].settles_in_days(clock.now_ms())
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(1.5, abs=0.001)
    time = SettlingTime.objects.get()
    assert (time.series_id, time.markets, time.late_seconds) == ("KXLATE", 6, 36 * 3600)
    Market.objects.filter(event=old).update(settled_at=clock.now() - timedelta(days=91))
    assert settling.learn() == 0
    assert not SettlingTime.objects.exists()
    assert event.series_id == "KXLATE"


SIX = [(bid, bid + 200) for bid in (1_800, 2_000, 1_900, 2_000, 2_100, 2_000)]
"""NO on all six: 4.82 and 0.07 of fees, for 5. With collateral return ten of each lock nine dollars."""
TWO = [(5_300, 5_400), (5_300, 5_400)]
"""NO on both: 0.94 and 0.035 of fees, for 1. With collateral return they lock half."""


@pytest.mark.parametrize(
    ("capital", "returned", "bought"),
    [(10, True, 1_000), (10, False, 200), (4, True, 400), (60, False, 1_000)],
    ids=["ten dollars are enough", "at full price they are not", "less buys less", "at full price with enough"],
)
def test_capital_buys_what_it_locks_where_collateral_is_returned(capital: int, returned: bool, bought: int) -> None:
    profile = add_profile(capital=capital * 1_000_000, max_per_position=50_000_000, collateral_return=returned)
    _candidate(profile, "A-SIX", SIX, 1)
    cycle.run()
    decision = Decision.objects.get()
    assert {leg["count"] for leg in decision.legs} == {bought}
    assert (decision.max_cost > capital * 1_000_000) is returned, "its price is more than the capital"


@pytest.mark.parametrize(("returned", "bought"), [(False, "B-TWO"), (True, "A-SIX")])
def test_baskets_are_ranked_by_what_they_lock(returned: bool, bought: str) -> None:
    """Two legs earn 2.6 % of their price and six 2.2 %; of what they lock with collateral return 5 % and 12 %."""
    profile = add_profile(
        capital=9_500_000, max_per_position=50_000_000, max_open_positions=1, collateral_return=returned
    )
    _candidate(profile, "A-SIX", SIX, 1)
    _candidate(profile, "B-TWO", TWO, 1)
    cycle.run()
    assert Decision.objects.get().event_id == bought
    six = Opportunity.objects.get(event="A-SIX")
    assert six.locked < 9_500_000
    assert (six.locked < 10 * six.profit) is returned
