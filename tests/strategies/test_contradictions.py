"""Settings that contradict each other are refused at a field; what is accepted can buy something."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from strategies.models import DOLLAR, Profile
from strategies.profiles import validation

GUARANTEED = ["all_yes", "all_no"]


@pytest.mark.parametrize(
    ("field", "columns"),
    [
        ("plausible_margin_ppm", {"min_margin_ppm": 200_000, "plausible_margin_ppm": 100_000}),
        ("min_annualised_ppm", {"min_seconds_to_close": 86_400, "min_annualised_ppm": 40_000_000}),
        ("count_step", {"count_step": 30_000}),
        ("count_step", {"count_step": 5_000, "max_per_position": 40 * DOLLAR}),
        ("count_step", {"count_step": 1_000, "max_per_position": 9 * DOLLAR, "max_per_event": 9 * DOLLAR}),
        ("max_per_leg", {"count_step": 1_000, "max_per_leg": DOLLAR, "max_outcomes": 4}),
        ("max_per_leg", {"count_step": 1_000, "max_per_leg": DOLLAR, "max_orders_per_minute": 8}),
        ("max_per_leg", {"count_step": 1_000, "max_per_leg": 50_000, "kinds": ["coverage"]}),
        ("min_profit", {"min_profit": 25 * DOLLAR}),
        ("min_profit", {"min_profit": 6 * DOLLAR, "max_per_position": 50 * DOLLAR}),
        ("leg_risk_budget", {"leg_risk_budget": 0}),
        ("blackout", {"blackout": ["Mon-Sun 00:00-12:00", "12:00-00:00"]}),
    ],
)
def test_a_pair_that_leaves_nothing_to_buy_is_refused_at_its_field(field: str, columns: dict[str, Any]) -> None:
    found = validation.problems(Profile(name="x", **({"kinds": GUARANTEED} | columns)))
    assert list(found) == [field]
    assert found[field].endswith(".")


def test_the_defaults_and_a_pause_of_a_day_are_no_contradiction() -> None:
    for columns in ({}, {"blackout": ["Mon-Fri 00:00-24:00"]}, {"kinds": ["coverage"], "min_profit": 150 * DOLLAR}):
        assert validation.problems(Profile(name="x", **({"kinds": GUARANTEED} | columns))) == {}, columns


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    """Limits that are sane one by one."""
    position = draw(st.integers(1, 800)) * DOLLAR // 4
    event = position * draw(st.integers(1, 3))
    outcomes = draw(st.integers(2, 12))
    return {
        "capital": event * draw(st.integers(1, 3)),
        "max_per_event": event,
        "max_per_position": position,
        "max_per_leg": max(1, position // draw(st.integers(1, 40))),
        "min_profit": draw(st.integers(0, 40)) * DOLLAR // 10,
        "min_margin_ppm": draw(st.integers(0, 300_000)),
        "plausible_margin_ppm": draw(st.integers(10_000, 400_000)),
        "count_step": draw(st.sampled_from([1, 50, 100, 500, 2_000, 10_000])),
        "min_outcomes": outcomes,
        "max_outcomes": outcomes + draw(st.integers(0, 40)),
        "max_orders_per_minute": outcomes + draw(st.integers(0, 60)),
        "min_seconds_to_close": draw(st.sampled_from([0, 60, 86_400, 864_000])),
        "min_annualised_ppm": draw(st.sampled_from([0, 100_000, 5_000_000, 100_000_000])),
    }


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(columns=limits())
def test_what_is_accepted_can_buy_a_basket(columns: dict[str, Any]) -> None:
    """There is a number of steps, a margin and a number of legs within each limit; searched without the rules under test."""
    profile = Profile(name="x", kinds=GUARANTEED, **columns)
    assume(validation.problems(profile) == {})
    margin = profile.plausible_margin_ppm
    legs = min(profile.max_outcomes, profile.max_orders_per_minute)
    most_cost = min(profile.max_per_position, profile.max_per_event, profile.capital, profile.max_per_leg * legs)
    profits, steps = [], 0
    while True:
        steps += 1
        pays = steps * profile.count_step * 10_000
        cost = pays * 1_000_000 / (1_000_000 + margin)
        if cost > most_cost + steps:
            break
        profits.append(pays - cost)
    assert profits, "no step of a basket fits"
    assert max(profits) >= profile.min_profit - len(profits)
    assert profile.min_margin_ppm <= margin
    assert legs >= profile.min_outcomes
    assert margin * 365 * 86_400 >= profile.min_annualised_ppm * profile.min_seconds_to_close
