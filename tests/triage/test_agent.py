"""From rows and live books to assessments and recommendations, on the real Redis and database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from markets.models import Certificate, Event, Market
from tests.triage.world import World, make_profile
from trading.models import Position
from triage import advice, agent, tasks
from triage.assessment.assess import assess
from triage.models import Assessment, Baseline, Recommendation


def basket(world: World, **values: Any) -> Position:
    event = world.list_event(certified=True)
    profile = make_profile(coverage_threshold_ppm=700_000)
    return world.hold(
        profile, event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000, coverage_ppm=800_000, **values
    )


def open_reasons(position: Position) -> set[str]:
    return set(position.recommendations.filter(status="open").values_list("reason", flat=True))


def test_an_assessment_keeps_what_was_seen(world: World) -> None:
    position = basket(world)
    world.publish()
    run = agent.assess_positions([position.pk])
    assert (run.positions, run.kept, run.failed, run.opened) == (1, 1, 0, 0)
    row = Assessment.objects.get()
    assert row.advice == "hold"
    assert row.sell_now is not None
    assert row.sell_fees
    assert row.sell_now + row.sell_fees == (4000 + 3500) * 1000
    assert row.hold_expected is not None
    assert row.gain == row.sell_now - row.hold_expected
    assert row.best == 10_000_000
    assert row.unsellable == []
    assert sum(row.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert row.break_even_ppm == pytest.approx(row.sell_now / 10, abs=1)
    assert row.days_left == pytest.approx(1.0, abs=0.01)
    assert [s["sold"] for s in row.sale_legs] == [1000, 1000]


def test_nothing_new_is_not_kept_again_but_a_change_is(world: World) -> None:
    position = basket(world)
    world.publish()
    agent.assess_positions([position.pk])
    assert agent.assess_positions([position.pk]).kept == 0
    world.books["A"] = ([(3800, 5000)], [(5800, 5000)])
    world.publish()
    assert agent.assess_positions([position.pk]).kept == 1
    row = Baseline.objects.get()
    row.last["at_ms"] -= 6 * 60_000
    row.save()
    assert agent.assess_positions([position.pk]).kept == 1


def test_a_recommendation_opens_once_is_refreshed_and_lapses_when_its_reason_goes(world: World) -> None:
    position = basket(world)
    world.books["A"] = ([(3000, 5000)], [(6900, 5000)])
    world.books["C"] = ([(3300, 5000)], [(6600, 5000)])
    world.publish()
    assert agent.assess_positions([position.pk]).opened == 1
    row = Recommendation.objects.get()
    assert (row.reason, row.status, row.source) == ("coverage_below_line", "open", "market")
    assert row.opening["sell_now"] == row.assessment.sell_now  # type: ignore[union-attr]
    world.books["A"] = ([(2900, 5000)], [(7000, 5000)])
    world.publish()
    assert agent.assess_positions([position.pk]).opened == 0
    again = Recommendation.objects.get()
    assert again.detail != row.detail
    assert again.opening == row.opening
    world.books["A"], world.books["C"] = ([(4000, 5000)], [(5800, 5000)]), ([(1700, 5000)], [(8100, 5000)])
    world.publish()
    run = agent.assess_positions([position.pk])
    assert (run.opened, run.lapsed) == (0, 1)
    assert Recommendation.objects.get().status == "lapsed"


def test_a_silent_feed_is_flagged_and_closes_nothing(world: World) -> None:
    position = basket(world)
    world.books["A"], world.books["C"] = ([(3000, 5000)], [(6900, 5000)]), ([(3300, 5000)], [(6600, 5000)])
    world.publish()
    agent.assess_positions([position.pk])
    world.silence()
    agent.assess_positions([position.pk])
    assert open_reasons(position) == {"coverage_below_line", "feed_silent"}
    row = Assessment.objects.latest("pk")
    assert (row.sell_now, row.hold_expected, row.gain) == (None, None, None)
    world.publish()
    agent.assess_positions([position.pk])
    assert open_reasons(position) == {"coverage_below_line"}


def test_stale_prices_are_a_flag(world: World) -> None:
    position = basket(world)
    world.publish(age_ms=60_000)
    agent.assess_positions([position.pk])
    assert open_reasons(position) == {"feed_silent"}
    assert Assessment.objects.get().signals[0]["age_ms"] >= 60_000


def test_a_paused_market_heard_from_the_stream_is_a_flag(world: World) -> None:
    position = basket(world)
    world.status["A"] = "inactive"
    world.publish()
    agent.assess_positions([position.pk])
    assert {"leg_paused", "depth_gone"} <= open_reasons(position)
    assert Assessment.objects.get().unsellable == ["YES on outcome A: paused"]


def test_a_market_closed_in_the_catalogue_before_its_time_is_a_flag(world: World) -> None:
    position = basket(world)
    Market.objects.filter(ticker=world.ticker("A")).update(status="closed")
    world.publish()
    agent.assess_positions([position.pk])
    assert "leg_closed_early" in open_reasons(position)


def test_a_changed_close_time_is_a_signal_against_the_first_assessment(world: World) -> None:
    position = basket(world)
    world.publish()
    agent.assess_positions([position.pk])
    assert Baseline.objects.get().certified
    Market.objects.filter(ticker=world.ticker("B")).update(close_time=clock.now() + timedelta(days=3))
    agent.assess_positions([position.pk])
    assert open_reasons(position) == {"close_moved"}


def test_rules_that_changed_void_the_certificate_the_basket_rests_on(world: World) -> None:
    position = basket(world)
    world.publish()
    agent.assess_positions([position.pk])
    Market.objects.filter(ticker=world.ticker("B")).update(
        rules_primary="If it is otherwise, then the market resolves to Yes."
    )
    Event.objects.update(rules_hash="something else")
    agent.assess_positions([position.pk])
    assert "rules_changed" in open_reasons(position)
    assert Recommendation.objects.get(reason="rules_changed").advice == "watch"


def test_a_change_of_state_alone_changes_no_promise(world: World) -> None:
    """The catalogue's hash and certificate fall when a market closes: nothing may be bought then. What is held still stands."""
    position = basket(world)
    world.publish()
    agent.assess_positions([position.pk])
    Event.objects.update(rules_hash="one market is closed now")
    Certificate.objects.update(status="void")
    agent.assess_positions([position.pk])
    assert open_reasons(position) == set()


def test_rules_that_changed_between_decision_and_first_assessment_are_noticed(world: World) -> None:
    position = basket(world)
    world.publish()
    Event.objects.update(rules_hash="not that of the decision")
    Certificate.objects.update(status="void")
    agent.assess_positions([position.pk])
    assert "rules_changed" in open_reasons(position)


def test_a_revoked_certificate_is_a_flag(world: World) -> None:
    position = basket(world)
    world.publish()
    Certificate.objects.update(status="revoked")
    agent.assess_positions([position.pk])
    assert "certificate_void" in open_reasons(position)


def test_an_outcome_added_after_entry_is_a_flag(world: World) -> None:
    position = basket(world)
    world.books["D"] = ([(100, 100)], [(9800, 100)])
    world.list_market(position.event, "D", clock.now() + timedelta(days=1))
    world.publish()
    agent.assess_positions([position.pk])
    assert "outcome_added" in open_reasons(position)


def test_one_position_that_cannot_be_assessed_delays_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    event = world.list_event()
    first = world.hold(make_profile("one"), event, {"A": "yes"}, kind="coverage", cost=4_000_000)
    second = world.hold(make_profile("two"), event, {"B": "yes"}, kind="coverage", cost=4_000_000)
    world.publish()
    whole = assess

    def broken(case: object, views: object, flags: object) -> object:
        if any(leg.ticker.endswith("-A") for leg in case.legs):  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return whole(case, views, flags)  # type: ignore[arg-type]

    monkeypatch.setattr(agent, "assess", broken)
    run = agent.assess_positions([first.pk, second.pk])
    assert (run.positions, run.failed, run.kept) == (2, 1, 1)
    assert Assessment.objects.get().position_id == second.pk


def test_a_run_is_bounded_in_time_and_says_what_it_left(world: World) -> None:
    position = basket(world)
    world.publish()
    assert agent.assess_positions([position.pk], seconds=-1).left == 1


def test_the_schedule_assesses_open_positions_only_and_ends_what_is_over(world: World) -> None:
    position = basket(world)
    world.publish(age_ms=60_000)
    tasks.assess_positions()
    assert open_reasons(position) == {"feed_silent"}
    Position.objects.update(status="settled")
    assert tasks.assess_positions()["positions"] == 0
    assert Recommendation.objects.get().status == "ended"


def test_two_schedules_at_once_do_the_work_once(world: World) -> None:
    from kalbot.common import cache

    basket(world)
    with cache.lock("triage:schedule", 5) as held:
        assert held
        assert tasks.assess_positions() == {"skipped": 1}


def test_legs_already_sold_are_not_valued(world: World) -> None:
    position = basket(world)
    position.legs.filter(market_id=world.ticker("A")).update(sold_count=1000)
    world.publish()
    agent.assess_positions([position.pk])
    assert [s["ticker"] for s in Assessment.objects.get().sale_legs] == [world.ticker("B")]


def test_dismissing_keeps_the_reason_and_happens_once(world: World) -> None:
    position = basket(world)
    world.publish(age_ms=60_000)
    agent.assess_positions([position.pk])
    row = Recommendation.objects.get()
    assert advice.dismiss(row.pk, actor="kim", reason="I know")
    assert not advice.dismiss(row.pk, actor="kim", reason="again")
    row.refresh_from_db()
    assert (row.status, row.actor, row.actor_reason) == ("dismissed", "kim", "I know")
    assert not advice.accept(row.pk, actor="kim")


def test_a_dismissed_reason_stays_quiet_until_it_goes_and_comes_back(world: World) -> None:
    position = basket(world)
    world.publish(age_ms=60_000)
    agent.assess_positions([position.pk])
    advice.dismiss(Recommendation.objects.get().pk, actor="kim", reason="the line is down, I know")
    agent.assess_positions([position.pk])
    assert open_reasons(position) == set()
    world.publish()
    agent.assess_positions([position.pk])
    world.publish(age_ms=60_000)
    agent.assess_positions([position.pk])
    assert open_reasons(position) == {"feed_silent"}
