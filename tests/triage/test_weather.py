"""Forecast and readings to probabilities: bounds that hold whatever the numbers, and refusals wherever something is odd."""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.sources.protocol import NoOpinion, Opinion
from triage.weather.distribution import ToCome, celsius_reading, degrees_pmf, nearest, outcome_probabilities
from triage.weather.errors import forecast_error
from triage.weather.mapping import HOUR_MS, Bounds, DailyMarket, daily_market, stations
from triage.weather.opinion import ClimateReport, DayForecast, Readings, daily_opinion, without_spikes

MINUTE = 60_000
STRIKES = [
    {"ticker": "L", "strike_type": "less", "floor": "", "cap": "83", "rules": ""},
    {"ticker": "M", "strike_type": "between", "floor": "83", "cap": "84", "rules": ""},
    {"ticker": "H", "strike_type": "greater", "floor": "84", "cap": "", "rules": ""},
]


def market(extreme: str = "high", day: str = "26JUL17") -> DailyMarket:
    series = {"high": "KXHIGHNY", "low": "KXLOWTNYC"}[extreme]
    return daily_market(f"{series}-{day}", series, STRIKES, [])


def shape(of: DailyMarket, peak: float, low: float = 65.0) -> list[float]:
    """24 hourly temperatures of a plain day, warmest at 15:00 standard time."""
    return [low + (peak - low) * max(0.0, math.cos((hour - 15) / 24 * 2 * math.pi)) for hour in range(24)]


def forecast(of: DailyMarket, peak: float, **changes: Any) -> DayForecast:
    hours = tuple(
        (of.starts_ms + i * HOUR_MS, of.starts_ms + (i + 1) * HOUR_MS, t) for i, t in enumerate(shape(of, peak))
    )
    values: dict[str, Any] = {"source": "nws", "hours": hours, "updated_ms": of.starts_ms, "max_age_ms": 24 * HOUR_MS}
    return DayForecast(**(values | changes))


def readings(of: DailyMarket, until_hour: float, peak: float = 84.0, **changes: Any) -> Readings:
    points = tuple(
        (of.starts_ms + int((i + 0.85) * HOUR_MS), round((t - 32) * 5 / 9, 1))
        for i, t in enumerate(shape(of, peak))
        if i + 0.85 <= until_hour
    )
    return Readings(**({"points": points} | changes))


def said(found: Opinion | NoOpinion) -> Opinion:
    assert isinstance(found, Opinion), found
    return found


def silent(found: Opinion | NoOpinion) -> str:
    assert isinstance(found, NoOpinion), found
    return found.reason


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["high", "low"]),
    st.floats(-40, 120),
    st.floats(0.3, 8),
    st.one_of(st.none(), st.integers(-40, 120)),
)
def test_probabilities_are_a_distribution_that_respects_what_was_measured(
    extreme: str, center: float, spread: float, measured: int | None
) -> None:
    pmf = degrees_pmf(extreme, ToCome(center, spread), measured)  # type: ignore[arg-type]
    assert sum(pmf.values()) == pytest.approx(1.0)
    assert min(pmf.values()) >= 0
    if measured is not None:
        assert (min(pmf) >= measured) if extreme == "high" else (max(pmf) <= measured)
    outcomes = outcome_probabilities(pmf, market().bounds)
    assert sum(outcomes.values()) == pytest.approx(1.0)


def test_warm_lows_lose_no_probability() -> None:
    pmf = degrees_pmf("low", ToCome(88.0, 1.5), None)
    assert sum(k * p for k, p in pmf.items()) == pytest.approx(88.0, abs=0.05)


def test_low_is_the_mirror_of_high() -> None:
    high = degrees_pmf("high", ToCome(80.0, 2.0), 79)
    low = degrees_pmf("low", ToCome(-80.0, 2.0), -79)
    assert {-k: p for k, p in low.items()} == pytest.approx(high)


def test_bounds_are_inclusive_on_both_ends() -> None:
    for degrees, outcome in ((82, "L"), (83, "M"), (84, "M"), (85, "H")):
        found = outcome_probabilities({degrees: 1.0}, market().bounds)
        assert found == {t: float(t == outcome) for t in "LMH"}
    assert Bounds(83, 84).has(84)
    assert not Bounds(83, 84).has(85)


def test_a_high_already_measured_rules_out_everything_below() -> None:
    found = outcome_probabilities(degrees_pmf("high", ToCome(70.0, 2.0), 84), market().bounds)
    assert found["L"] == 0.0
    assert found["M"] > 0.6
    assert found["H"] > 0.2  # the report may be a degree above the readings


@pytest.mark.parametrize(
    ("celsius", "bounds"),
    [
        (25.6, (78, 78)),
        (26.0, (78, 80)),
        (0.0, (31, 33)),
        (-5.0, (22, 24)),
        (-17.8, (0, 0)),
        (29.4, (85, 85)),
        (28.9, (84, 84)),
    ],
)
def test_a_whole_celsius_reading_stands_for_more_than_one_degree_fahrenheit(
    celsius: float, bounds: tuple[int, int]
) -> None:
    assert celsius_reading(celsius) == bounds


def test_every_whole_fahrenheit_comes_back_from_tenths_of_celsius() -> None:
    for degrees in range(-40, 120):
        tenth = round((degrees - 32) * 5 / 9, 1)
        least, most = celsius_reading(tenth)
        assert least <= degrees <= most
    assert nearest(84.5) == 85


def test_errors_grow_with_lead_and_a_station_s_record_pulls_on_the_prior() -> None:
    spreads = [forecast_error("nws", "KATL", "high", lead).spread for lead in (-3, 0, 6, 24, 48, 500)]
    assert all(a <= b for a, b in pairwise(spreads))
    there = forecast_error("openmeteo", "KNYC", "high", 16, month=12)
    assert there.days == 31
    assert 1.0 < there.bias < 2.07
    farther = forecast_error("openmeteo", "KNYC", "high", 40, month=12)
    assert farther.bias > there.bias
    assert farther.spread > there.spread


def test_a_bias_seen_elsewhere_or_in_another_season_widens_and_shifts_nothing() -> None:
    winter, summer = (forecast_error("openmeteo", "KNYC", "high", 16, month) for month in (12, 7))
    assert summer.bias == 0.0
    assert summer.spread > winter.spread
    prior = forecast_error("nws", "KNYC", "high", 16).spread
    assert summer.spread > prior
    unknown = forecast_error("openmeteo", "KATL", "high", 16, month=12)
    assert (unknown.bias, unknown.days) == (0.0, 0)
    assert unknown.spread > prior
    assert forecast_error("openmeteo", "KATL", "low", 16).spread == forecast_error("nws", "KATL", "low", 16).spread


def test_before_the_day_the_forecast_alone_speaks() -> None:
    of = market()
    found = said(daily_opinion(of, forecast(of, 84.0), None, None, of.starts_ms - 6 * HOUR_MS))
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert found.plot["center"] == 84.0
    assert found.plot["measured"] is None
    warm = said(daily_opinion(of, forecast(of, 92.0), None, None, of.starts_ms - 6 * HOUR_MS))
    assert warm.probabilities["H"] > 0.95 > found.probabilities["H"]


def test_during_the_day_a_source_without_readings_is_silent() -> None:
    of = market()
    assert "measures nothing" in silent(daily_opinion(of, forecast(of, 84.0), None, None, of.starts_ms + HOUR_MS))


def test_after_the_peak_the_readings_decide() -> None:
    of = market()
    now = of.starts_ms + 20 * HOUR_MS
    found = said(daily_opinion(of, forecast(of, 84.0, updated_ms=now), readings(of, 20, 84.0), None, now))
    assert found.plot["measured"] == 83 or found.plot["measured"] == 84
    assert found.probabilities["L"] == 0.0
    assert found.probabilities["M"] > 0.6


def test_a_low_cannot_rise_above_what_was_measured() -> None:
    of = market("low")
    now = of.starts_ms + 20 * HOUR_MS
    cold = readings(of, 20, 90.0)
    found = said(daily_opinion(of, forecast(of, 90.0, updated_ms=now), cold, None, now))
    assert found.probabilities["L"] == pytest.approx(1.0)


def test_the_six_hour_maximum_of_the_remarks_counts_when_it_lies_inside_the_day() -> None:
    of = market()
    now = of.starts_ms + 20 * HOUR_MS
    at = of.starts_ms + 19 * HOUR_MS
    observed = readings(of, 20, 84.0, extremes=((at, "high", 30.0),))
    found = said(daily_opinion(of, forecast(of, 84.0, updated_ms=now), observed, None, now))
    assert found.plot["measured"] == 86
    early = readings(of, 20, 84.0, extremes=((of.starts_ms + 3 * HOUR_MS, "high", 31.0),))
    assert said(daily_opinion(of, forecast(of, 84.0, updated_ms=now), early, None, now)).plot["measured"] < 86
    absurd = readings(of, 20, 84.0, extremes=((at, "high", 45.0),))
    assert said(daily_opinion(of, forecast(of, 84.0, updated_ms=now), absurd, None, now)).plot["measured"] < 86


def test_the_climate_report_settles_it_but_for_rare_corrections() -> None:
    of = market()
    found = said(daily_opinion(of, None, None, ClimateReport(85, of.ends_ms + HOUR_MS), of.ends_ms + 2 * HOUR_MS))
    assert found.probabilities["H"] > 0.98
    assert found.probabilities["L"] == 0.0


@pytest.mark.parametrize(
    ("forecast_changes", "reading_changes", "reason"),
    [
        ({"updated_ms": -(10**15)}, {}, "h old"),
        ({"hours": ()}, {}, "does not cover"),
        ({}, {"points": ()}, "nothing measured"),
    ],
)
def test_old_or_missing_data_is_no_opinion(
    forecast_changes: dict[str, Any], reading_changes: dict[str, Any], reason: str
) -> None:
    of = market()
    now = of.starts_ms + 10 * HOUR_MS
    found = daily_opinion(of, forecast(of, 84.0, **forecast_changes), readings(of, 10, **reading_changes), None, now)
    assert reason in silent(found)


def test_a_station_that_went_silent_is_no_opinion() -> None:
    of = market()
    now = of.starts_ms + 14 * HOUR_MS
    assert "nothing measured" in silent(daily_opinion(of, forecast(of, 84.0), readings(of, 10), None, now))


def test_readings_with_a_hole_could_hide_the_extreme() -> None:
    of = market()
    whole = readings(of, 20)
    holed = Readings(whole.points[:12] + whole.points[16:])
    assert "hole" in silent(daily_opinion(of, forecast(of, 84.0), holed, None, of.starts_ms + 20 * HOUR_MS))


def test_a_forecast_without_some_hours_of_the_day_is_no_opinion() -> None:
    of = market()
    whole = forecast(of, 84.0)
    cut = forecast(of, 84.0, hours=whole.hours[:20])
    assert "does not cover" in silent(daily_opinion(of, cut, None, None, of.starts_ms - HOUR_MS))


def test_a_forecast_that_does_not_fit_the_present_reading_is_no_opinion() -> None:
    """A unit that changed, a forecast for another place: the numbers of the same hour are far apart."""
    of = market()
    now = of.starts_ms + 12 * HOUR_MS
    measured = readings(of, 12, 84.0)
    in_celsius = forecast(of, 84.0, hours=tuple((a, b, (t - 32) * 5 / 9) for a, b, t in forecast(of, 84.0).hours))
    assert "were measured" in silent(daily_opinion(of, in_celsius, measured, None, now))
    assert isinstance(daily_opinion(of, forecast(of, 84.0), measured, None, now), Opinion)


def test_a_broken_reading_between_two_good_ones_is_dropped() -> None:
    points = [(0, 20.0), (1, 55.0), (2, 20.5), (3, 21.0)]
    assert without_spikes(points) == [(0, 20.0), (2, 20.5), (3, 21.0)]
    front = [(0, 30.0), (1, 29.0), (2, 17.0), (3, 16.5)]
    assert without_spikes(front) == front


@pytest.mark.parametrize("day", ["26MAR08", "26NOV01"])
def test_on_clock_change_days_readings_are_taken_from_the_standard_time_day(day: str) -> None:
    of = market(day=day)
    assert of.ends_ms - of.starts_ms == 24 * HOUR_MS
    hot_before = ((of.starts_ms - 10 * MINUTE, 40.0),)
    now = of.starts_ms + 20 * HOUR_MS
    observed = Readings(hot_before + readings(of, 20, 70.0).points)
    found = said(daily_opinion(of, forecast(of, 70.0, updated_ms=now), observed, None, now))
    assert found.plot["measured"] <= 71
    hot_within = Readings(((of.starts_ms + 10 * MINUTE, 24.0), *readings(of, 20, 70.0).points))
    assert said(daily_opinion(of, forecast(of, 70.0, updated_ms=now), hot_within, None, now)).plot["measured"] >= 74


def test_minutes_after_midnight_nothing_is_measured_and_nothing_is_wrong() -> None:
    of = market()
    found = said(daily_opinion(of, forecast(of, 84.0), Readings(()), None, of.starts_ms + 20 * MINUTE))
    assert found.plot["measured"] is None


def test_after_the_day_without_a_report_the_readings_alone_speak() -> None:
    of = market()
    found = said(daily_opinion(of, None, readings(of, 24, 84.0), None, of.ends_ms + HOUR_MS))
    assert found.probabilities["L"] == 0.0
    assert "no report yet" in found.detail


def test_the_stations_lie_where_their_states_are() -> None:
    for station in stations().values():
        assert 24 < station.latitude < 49
        assert -125 < station.longitude < -66
        assert abs(station.longitude / 15 - station.standard_hours) < 1.5, station.icao
    assert date(2026, 7, 17) == market().day
