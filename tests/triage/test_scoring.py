"""Scores after settlement: money, Brier, and evidence that a source without skill does not gather."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common import clock
from markets.models import Market
from tests.triage.world import World, make_profile
from trading.models import Position
from triage import agent, selectors
from triage.models import Recommendation, SourceForecast
from triage.scoring import advice_scores, forecasts, scoring
from triage.scoring.scoring import Scored, brier, calibration, e_value, evidence, probability_of

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def forecast(day: int, source: float, market: float, settles: timedelta = timedelta(hours=20)) -> Scored:
    formed = START + day * DAY
    return Scored(formed, formed + settles, source, market)


def test_brier_counts_every_outcome_and_what_was_left_to_the_unlisted() -> None:
    assert brier({"A": 0.7, "B": 0.3}, "A") == pytest.approx(0.3**2 + 0.3**2)
    assert brier({"A": 1.0, "B": 0.0}, "A") == 0.0
    assert brier({"A": 0.5, "B": 0.3}, "") == pytest.approx(0.25 + 0.09 + 0.8**2)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6), st.lists(st.floats(0.01, 1), min_size=6, max_size=6))
def test_the_expected_e_value_is_one_under_the_market_whatever_the_source_says(
    market: list[float], source: list[float]
) -> None:
    p = [x / sum(market) for x in market]
    q = [x / sum(source[: len(p)]) for x in source[: len(p)]]
    assert sum(pi * e_value(Scored(START, START, qi, pi)) for pi, qi in zip(p, q, strict=True)) == pytest.approx(1.0)


def test_forecasts_of_one_day_are_averaged_not_multiplied() -> None:
    day = [forecast(0, 0.9, 0.3), forecast(0, 0.1, 0.5)]
    value, days = evidence(day)
    assert days == 1
    assert value == pytest.approx((e_value(day[0]) + e_value(day[1])) / 2)


def test_a_day_formed_before_the_last_counted_one_settled_is_not_counted() -> None:
    rows = [forecast(0, 0.8, 0.4, settles=timedelta(hours=30)), forecast(1, 0.8, 0.4), forecast(2, 0.8, 0.4)]
    assert evidence(rows)[1] == 2


def test_a_source_without_skill_seldom_reaches_the_level_and_one_with_skill_does() -> None:
    """Level 20: at most one source in twenty without skill may ever cross it, at any time (Ville)."""
    rng = np.random.default_rng(7)

    def ever_crosses(skilled: bool) -> bool:
        value = 1.0
        for day in range(120):
            p = float(rng.uniform(0.2, 0.8))
            truth = min(0.97, max(0.03, p + float(rng.choice([-0.25, 0.25])))) if skilled else p
            q = truth if skilled else min(0.97, max(0.03, p + float(rng.normal(0, 0.2))))
            came = bool(rng.random() < truth)
            value *= e_value(forecast(day, q if came else 1 - q, p if came else 1 - p))
            if value >= 20:
                return True
        return False

    assert sum(ever_crosses(skilled=False) for _ in range(300)) <= 15
    assert sum(ever_crosses(skilled=True) for _ in range(60)) >= 50


def test_no_outcome_is_given_nothing() -> None:
    assert probability_of({"A": 1.0, "B": 0.0}, "B") == scoring.SMALLEST
    assert probability_of({"A": 0.6, "B": 0.1}, "") == pytest.approx(0.3)


def test_calibration_counts_every_forecast_once() -> None:
    pairs = [(0.0, False), (0.04, False), (0.5, True), (0.5, False), (1.0, True)]
    bins = calibration(pairs)
    assert sum(b.forecasts for b in bins) == len(pairs)
    assert [b.came for b in bins if b.low == 0.4] == [0.5]
    assert bins[-1].said == 1.0


def test_a_recommendation_is_scored_against_what_holding_paid() -> None:
    opening = {
        "sell_now": 6_000_000,
        "coverage_market": 0.8,
        "coverage_source": 0.1,
        "legs": [["A", "yes", 1000], ["B", "no", 500]],
        "residual": [["B", "no", 500]],
    }
    lost = advice_scores.score(opening, {"A": 0, "B": 10_000})
    assert (lost["held"], lost["left"], lost["difference"]) == (0, 6_000_000, 6_000_000)
    assert lost["brier_source"] < lost["brier_market"]
    won = advice_scores.score(opening, {"A": 10_000, "B": 0})
    assert (won["held"], won["left"]) == (15_000_000, 11_000_000)
    assert won["difference"] == -4_000_000
    assert won["brier_source"] > won["brier_market"]
    assert advice_scores.score({"sell_now": None, "legs": []}, {})["difference"] is None


def settle(world: World, winner: str) -> None:
    for letter in world.books:
        Market.objects.filter(ticker=world.ticker(letter)).update(
            result="yes" if letter == winner else "no", status="finalized"
        )
    Position.objects.update(status="settled")


def test_after_settlement_advice_and_forecasts_are_scored_and_shown(world: World) -> None:
    event = world.list_event()
    position = world.hold(
        make_profile(coverage_threshold_ppm=900_000), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000
    )
    world.publish()
    agent.assess_positions([position.pk])
    SourceForecast.objects.create(
        source="nws",
        event=event,
        formed_at=clock.now() - DAY,
        probabilities={world.ticker("A"): 0.1, world.ticker("B"): 0.1, world.ticker("C"): 0.8},
        market_probabilities={world.ticker("A"): 0.43, world.ticker("B"): 0.38, world.ticker("C"): 0.19},
    )
    assert (forecasts.score_settled(), advice_scores.score_settled()) == (0, 0)
    settle(world, "C")
    from triage import advice

    advice.end_of_ended_positions()
    assert forecasts.score_settled() == 1
    assert advice_scores.score_settled() == 1
    assert (forecasts.score_settled(), advice_scores.score_settled()) == (0, 0)
    frozen = SourceForecast.objects.get()
    assert frozen.outcome == world.ticker("C")
    assert frozen.brier == pytest.approx(0.06)
    row = Recommendation.objects.get()
    assert row.score["held"] == 0
    assert row.score["difference"] == row.opening["sell_now"] > 0
    [record] = selectors.source_records()
    assert (record.source, record.settled, record.days) == ("nws", 1, 1)
    assert record.skill is not None
    assert record.skill > 0.9
    assert record.evidence == pytest.approx(0.5 + 0.5 * 0.8 / 0.19)
    [reason] = selectors.reason_records()
    assert (reason.reason, reason.scored, reason.difference) == ("coverage_below_line", 1, row.score["difference"])
    assert forecasts.evidence_of("nobody") == 1.0


def test_an_event_that_settled_at_a_price_scores_nobody_s_forecast(world: World) -> None:
    event = world.list_event()
    settle(world, "C")
    Market.objects.filter(ticker=world.ticker("A")).update(result="scalar", settlement_value_e6=500_000)
    assert forecasts.settled_outcomes([event.ticker]) == {}
    assert advice_scores.settlement_values([world.ticker("A"), world.ticker("C")]) == {
        world.ticker("A"): 5_000,
        world.ticker("C"): 10_000,
    }


def test_the_card_has_the_latest_assessment_the_advice_and_the_history(world: World) -> None:
    event = world.list_event()
    position = world.hold(
        make_profile(coverage_threshold_ppm=900_000), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000
    )
    world.publish()
    agent.assess_positions([position.pk])
    world.books["A"] = ([(3000, 5000)], [(6800, 5000)])
    world.publish()
    agent.assess_positions([position.pk])
    card = selectors.card(position.pk)
    assert len(card.history) == 2
    assert card.latest is not None
    assert card.history[-1]["sell_now"] == card.latest.sell_now
    assert [r.reason for r in card.recommendations] == ["coverage_below_line"]


def test_what_waits_for_a_far_settlement_stands_in_nobody_s_way(world: World) -> None:
    far = world.list_event()
    world.hold(make_profile(), far, {"A": "yes"}, kind="coverage", cost=1_000_000)
    waiting = world.hold(make_profile(name="second"), far, {"A": "yes"}, kind="coverage", cost=1_000_000)
    Recommendation.objects.create(
        position=waiting, reason="old", advice="watch", status="lapsed", detail="waits for months"
    )
    SourceForecast.objects.create(
        source="nws", event=far, formed_at=clock.now(), probabilities={}, market_probabilities={}
    )
    world.name = "KXTEST-26NOV25"
    near = world.list_event()
    position = world.hold(make_profile(name="third"), near, {"A": "yes"}, kind="coverage", cost=1_000_000)
    Recommendation.objects.create(
        position=position,
        reason="new",
        advice="watch",
        status="lapsed",
        detail="",
        opening={"legs": [[world.ticker("A"), "yes", 100]]},
    )
    SourceForecast.objects.create(
        source="nws", event=near, formed_at=clock.now(), probabilities={world.ticker("A"): 1.0}, market_probabilities={}
    )
    settle(world, "A")
    assert (forecasts.score_settled(limit=1), advice_scores.score_settled(limit=1)) == (1, 1)
    assert Recommendation.objects.get(reason="new").score["held"] == 1_000_000
