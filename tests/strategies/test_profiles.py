"""Seeded profiles, and what is wrong with a profile in words."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps

from strategies.models import DOLLAR, Profile
from strategies.profiles import seeds, validation


@pytest.mark.django_db
def test_seeding_creates_what_is_missing_and_leaves_what_a_person_changed() -> None:
    assert [profile.name for profile in seeds.seed()] == ["careful", "balanced", "coverage"]
    Profile.objects.filter(name="careful").update(min_profit=5 * DOLLAR)
    Profile.objects.filter(name="coverage").delete()
    assert [profile.name for profile in seeds.seed()] == ["coverage"]
    assert Profile.objects.get(name="careful").min_profit == 5 * DOLLAR


@pytest.mark.parametrize("name", sorted(seeds.SEEDED))
def test_seeded_profiles_are_sound_and_ask_for_ten_cents(name: str) -> None:
    profile = seeds.definition(name)
    assert profile is not None
    assert validation.problems(profile) == {}
    assert profile.min_profit == DOLLAR // 10


def test_seeded_profiles_trade_as_documented() -> None:
    seeded = {name: seeds.definition(name) for name in seeds.SEEDED}
    kinds = {name: profile.kinds for name, profile in seeded.items() if profile is not None}
    modes = {name: profile.mode for name, profile in seeded.items() if profile is not None}
    assert kinds == {"careful": ["all_yes", "all_no"], "balanced": ["all_yes", "all_no"], "coverage": ["coverage"]}
    grades = {name: profile.least_grade for name, profile in seeded.items() if profile is not None}
    assert grades["careful"] == "guaranteed"
    assert grades["balanced"] == "if_determined"
    assert set(modes.values()) == {"sim"}
    assert seeded["coverage"] is not None
    assert seeded["coverage"].coverage_threshold_ppm == 900_000


@pytest.mark.parametrize(
    ("field", "columns"),
    [
        ("kinds", {"kinds": []}),
        ("kinds", {"kinds": ["all_in"]}),
        ("coverage_threshold_ppm", {"kinds": ["coverage"], "coverage_threshold_ppm": 0}),
        ("min_margin_ppm", {"min_margin_ppm": -1}),
        ("min_profit", {"min_profit": -1}),
        ("min_profit", {"min_profit": 300 * DOLLAR}),
        ("count_step", {"count_step": 0}),
        ("watch_margin_ppm", {"watch_margin_ppm": 2_000_000}),
        ("max_outcomes", {"min_outcomes": 5, "max_outcomes": 4}),
        ("categories", {"categories": "Sports"}),
        ("categories", {"categories": [""]}),
        ("series_exclude", {"series_include": ["KXA"], "series_exclude": ["kxa"]}),
        ("min_seconds_to_close", {"min_seconds_to_close": 100_000, "max_days_to_close": 1.0}),
        ("max_days_to_close", {"max_days_to_close": 0.0}),
        ("capital", {"capital": 0}),
        ("max_per_event", {"max_per_event": 2_000 * DOLLAR}),
        ("max_per_position", {"max_per_position": 150 * DOLLAR, "max_per_event": 100 * DOLLAR}),
        ("max_per_leg", {"max_per_leg": 0}),
        ("max_open_positions", {"max_open_positions": 0}),
        ("max_daily_loss", {"max_daily_loss": 0}),
        ("subaccount", {"subaccount": 3}),
        ("max_orders_per_minute", {"max_orders_per_minute": 1}),
        ("max_price_age_ms", {"max_price_age_ms": 600_000}),
        ("complete_seconds", {"complete_seconds": 3_600}),
        ("blackout", {"blackout": [["07:00"]]}),
        ("blackout", {"blackout": [["25:00", "26:00"]]}),
        ("blackout", {"blackout": "at night"}),
        ("mode", {"mode": "live", "shadow_of": Profile(name="l", mode="live")}),
        ("shadow_of", {"shadow_of": Profile(name="s", mode="sim")}),
        ("min_depth", {"min_depth": -1}),
        ("quote_sides", {"quoting": "all_legs", "quote_sides": "both"}),
        ("quote_sides", {"quoting": "one_leg", "quote_sides": "yes"}),
        ("quote_min_margin_ppm", {"quoting": "all_legs", "min_margin_ppm": 40_000}),
        ("quote_count", {"quoting": "all_legs", "quote_count": 50}),
        ("max_quotes", {"quoting": "all_legs", "max_quotes": 0}),
        ("orphan_budget", {"quoting": "all_legs", "orphan_budget": 0}),
        ("orphan_budget_day", {"quoting": "all_legs", "orphan_budget_day": 5 * DOLLAR}),
        ("count_step", {"count_step": 100_000_000}),
    ],
)
def test_each_problem_stands_at_its_field_in_a_sentence(field: str, columns: dict[str, Any]) -> None:
    found = validation.problems(Profile(name="x", **({"kinds": ["all_no"]} | columns)))
    assert field in found
    assert found[field].endswith(".")
    assert len(found[field].split()) > 4


def test_a_profile_that_quotes_no_is_sound_and_quoting_is_off_by_default() -> None:
    assert Profile(name="x").quoting == "none"
    assert validation.problems(Profile(name="x", kinds=["all_no"], quoting="all_legs")) == {}


def test_a_live_profile_with_a_shadow_is_sound() -> None:
    live = Profile(name="l", mode="live", kinds=["all_no"], subaccount=3)
    assert validation.problems(live) == {}
    assert validation.problems(Profile(name="s", mode="sim", kinds=["all_no"], shadow_of=live)) == {}


@pytest.mark.django_db
def test_an_old_profile_that_never_touched_its_most_outcomes_takes_wide_events_with_a_note() -> None:
    upgrade = importlib.import_module("strategies.migrations.0014_wide_events_of_old_profiles")
    untouched, chosen = (Profile.objects.create(name=name, max_outcomes=12) for name in ("untouched", "chosen"))
    chosen.max_outcomes = 8
    chosen.save()
    chosen.max_outcomes = 12
    chosen.save()
    upgrade.raise_untouched(apps, None)
    for profile, most in ((untouched, 400), (chosen, 12)):
        profile.refresh_from_db()
        assert profile.max_outcomes == most
    last = untouched.history.latest()
    assert (last.max_outcomes, last.history_change_reason) == (400, upgrade.NOTE)
