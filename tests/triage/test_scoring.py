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
from triage.scoring.ranked import crps, crps_normal, normal_cdf, order_by_strikes, ranked
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


@given(
    st.dictionaries(st.integers(-60, 60).map(lambda n: n / 4), st.floats(0.001, 1), min_size=1, max_size=8),
    st.integers(-80, 80).map(lambda n: n / 4 + 0.1),
)
def test_the_score_of_a_distribution_is_the_integral_that_defines_it(chances: dict[float, float], came: float) -> None:
    total, step = sum(chances.values()), 0.05
    middles = np.arange(-25, 25, step) + step / 2  # no step of either function lies inside of a cell
    said = sum((p / total * (middles >= x) for x, p in chances.items()), np.zeros_like(middles))
    assert crps(chances, came) == pytest.approx(float((((said - (middles >= came)) ** 2) * step).sum()), abs=1e-6)


@pytest.mark.parametrize(("center", "spread", "came"), [(0, 1, 0), (80, 2.7, 82), (80, 2.7, 60), (-3, 0.2, -3.1)])
def test_the_score_of_a_normal_distribution_is_its_integral(center: float, spread: float, came: float) -> None:
    step = spread / 2_000
    below, above = (
        sum((normal_cdf((x - center) / spread) - came_by) ** 2 * step for x in np.arange(first, last, step) + step / 2)
        for first, last, came_by in (
            (min(came, center) - 9 * spread, came, 0.0),
            (came, max(came, center) + 9 * spread, 1.0),
        )
    )
    assert crps_normal(center, spread, came) == pytest.approx(below + above, rel=1e-3)


def test_a_forecast_of_one_number_scores_its_distance_and_nothing_said_scores_nothing() -> None:
    assert crps({80.0: 1.0}, 83.5) == 3.5
    assert crps({80.0: 0.2, 81.0: 0.2}, 80.0) == 0.25
    assert crps({}, 80.0) is crps({80.0: 0.0}, 80.0) is None
    assert crps_normal(80.0, 0.0, 80.0) is crps_normal(80.0, float("nan"), 80.0) is None


def test_what_was_given_to_a_neighbour_costs_less_than_what_was_given_to_the_far_end() -> None:
    order = ["L", "M", "H"]
    near, far = {"L": 0.0, "M": 1.0, "H": 0.0}, {"L": 0.0, "M": 0.0, "H": 1.0}
    assert (ranked(near, order, "L"), ranked(far, order, "L"), ranked(far, order, "H")) == (1.0, 2.0, 0.0)
    assert ranked({"L": 0.5, "M": 0.3, "H": 0.2}, order, "M") == pytest.approx(0.5**2 + 0.2**2)
    assert ranked(near, order, "") is ranked(near, order[:2], "M") is ranked(near, [], "M") is None


@pytest.mark.parametrize(
    ("strikes", "order"),
    [
        ([("H", "84", ""), ("M", "83", "84"), ("L", "", "83")], ["L", "M", "H"]),
        ([("A", "100.5", "101"), ("B", "99.99", "100.49")], ["B", "A"]),
        ([("A", "", ""), ("B", "", "")], []),  # teams
        ([("A", "83", ""), ("B", "84", "")], []),  # a ladder
        ([("A", "83", "84"), ("B", "eighty", "")], []),
        ([("A", "nan", "84"), ("B", "84", "")], []),
        ([("A", "83", "")], []),
    ],
)
def test_outcomes_have_an_order_only_where_their_strikes_lie_apart(
    strikes: list[tuple[str, str, str]], order: list[str]
) -> None:
    assert order_by_strikes(strikes) == order


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
    assert frozen.ranked is None, "its outcomes have no order"
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


STRIKES = {"A": ("", "83"), "B": ("83", "84"), "C": ("84", "")}


def test_a_result_that_the_exchange_corrects_or_takes_back_is_scored_as_it_stands(world: World) -> None:
    event = world.list_event()
    position = world.hold(make_profile(), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000)
    chances = {world.ticker("A"): 0.1, world.ticker("B"): 0.1, world.ticker("C"): 0.8}
    SourceForecast.objects.create(
        source="nws", event=event, formed_at=clock.now() - DAY, probabilities=chances, market_probabilities=chances
    )
    opening = {"sell_now": 500_000, "legs": [[world.ticker("A"), "yes", 100]], "came_from": 1}
    Recommendation.objects.create(
        position=position, reason="x", advice="exit", status="lapsed", detail="", opening=opening
    )
    for letter, (floor, cap) in STRIKES.items():
        Market.objects.filter(ticker=world.ticker(letter)).update(floor_strike=floor, cap_strike=cap)

    def scores() -> tuple[int, int]:
        Market.objects.update(updated_at=clock.now())
        return forecasts.score_settled(), advice_scores.score_settled()

    settle(world, "C")
    assert (scores(), scores()) == ((1, 1), (0, 0)), "once, however often the market's row is written"
    first, advised = SourceForecast.objects.get(), Recommendation.objects.get()
    assert first.ranked == first.ranked_market == pytest.approx(0.1**2 + 0.2**2)
    assert advised.score["difference"] == 500_000
    settle(world, "A")
    assert scores() == (1, 1)
    corrected, advised = SourceForecast.objects.get(), Recommendation.objects.get()
    assert corrected.outcome == world.ticker("A")
    assert corrected.brier is not None
    assert first.brier is not None
    assert corrected.brier > first.brier
    assert advised.score["difference"] == -500_000
    Market.objects.update(result="", status="disputed")
    assert scores() == (1, 1)
    taken_back, advised = SourceForecast.objects.get(), Recommendation.objects.get()
    assert (taken_back.outcome, taken_back.brier, taken_back.settled_at) == ("", None, None)
    assert (advised.score, advised.scored_at) == ({}, None)
    settle(world, "B")
    assert scores() == (1, 1)


def test_an_event_of_two_winners_is_scored_by_nobody_and_stands_in_nobody_s_way(world: World) -> None:
    chances: dict[str, float] = {}
    for n in range(2):
        world.name = f"KXTEST-26NOV{n + 1:02d}"
        row = {"event": world.list_event(), "formed_at": clock.now(), "probabilities": chances}
        SourceForecast.objects.create(source="nws", market_probabilities=chances, **row)
        settle(world, "A")
        if n == 0:
            Market.objects.filter(ticker=world.ticker("B")).update(result="yes")
    assert forecasts.score_settled(limit=1) == 1
    assert not forecasts.settled_waiting()


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
