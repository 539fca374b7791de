"""Recorded answers of api.weather.gov: whole, empty, missing, odd."""

from __future__ import annotations

import copy
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from triage.sources import nws_shapes as shapes
from triage.sources.protocol import SourceError

DATA = Path(__file__).parent.parent / "data" / "weather" / "nws"


def recorded(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


def test_a_point_gives_its_grid_when_it_lies_in_the_right_zone() -> None:
    urls = shapes.grid(recorded("points"), "America/New_York")
    assert urls["hourly"] == "https://api.weather.gov/gridpoints/TAE/58,65/forecast/hourly"
    with pytest.raises(SourceError, match="America/New_York"):
        shapes.grid(recorded("points"), "America/Chicago")


def test_forecasts_in_either_unit_come_out_in_fahrenheit() -> None:
    updated, hours = shapes.forecast(recorded("gridpoints_forecast_hourly_us"))
    assert updated == 1_571_094_984_000
    assert [t for _, _, t in hours] == [78.0, 77.0]
    assert hours[0][1] - hours[0][0] == 3_600_000
    assert [t for _, _, t in shapes.forecast(recorded("gridpoints_forecast_hourly_si"))[1]] == pytest.approx(
        [77.9, 77.0]
    )
    assert [t for _, _, t in shapes.forecast(recorded("gridpoints_forecast_us"))[1]] == [41.0, 68.0]
    assert [t for _, _, t in shapes.forecast(recorded("gridpoints_forecast_si"))[1]] == pytest.approx([41.0, 68.0])


def test_an_empty_forecast_is_an_error_not_a_forecast() -> None:
    with pytest.raises(SourceError, match="without periods"):
        shapes.forecast(recorded("gridpoints_forecast_empty_us"))


def test_the_newer_shape_of_a_temperature_is_understood() -> None:
    answer = recorded("gridpoints_forecast_hourly_us")
    answer["properties"]["periods"][0]["temperature"] = {"unitCode": "wmoUnit:degC", "value": 25.0}
    assert shapes.forecast(answer)[1][0][2] == pytest.approx(77.0)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("temperatureUnit",), "K", "'K'"),
        (("temperatureUnit",), None, "None"),
        (("temperature",), 350, "350"),
        (("temperature",), {"value": 20, "unitCode": "wmoUnit:K"}, "K"),
    ],
)
def test_an_unknown_unit_or_an_impossible_value_is_an_error(path: tuple[str, ...], value: Any, reason: str) -> None:
    answer = recorded("gridpoints_forecast_hourly_us")
    answer["properties"]["periods"][0][path[0]] = value
    with pytest.raises(SourceError, match=reason):
        shapes.forecast(answer)


def test_a_forecast_without_the_time_of_its_update_is_an_error() -> None:
    answer = recorded("gridpoints_forecast_hourly_us")
    for name in ("updated", "updateTime"):
        answer["properties"].pop(name)
    assert answer["properties"]["generatedAt"], "when the answer was made says nothing of the forecast's age"
    with pytest.raises(SourceError, match="update"):
        shapes.forecast(answer)


def test_periods_with_holes_are_left_out() -> None:
    answer = recorded("gridpoints_forecast_hourly_us")
    answer["properties"]["periods"][0]["temperature"] = None
    assert [t for _, _, t in shapes.forecast(answer)[1]] == [77.0]


def test_readings_are_taken_with_their_time_in_celsius() -> None:
    assert shapes.readings(recorded("stations_observations"), "KFLL") == [(1_561_632_780_000, 10.0)]


@pytest.mark.parametrize("name", ["stations_observations_empty", "stations_observations_missing_value"])
def test_empty_and_missing_readings_are_none_at_all(name: str) -> None:
    assert shapes.readings(recorded(name), "KFLL") == []


def test_a_missing_value_beside_a_good_one_is_left_out() -> None:
    assert shapes.readings(recorded("stations_observations_multiple"), "KFLL") == [(1_561_632_780_000, 10.0)]


def test_readings_of_another_station_are_refused() -> None:
    with pytest.raises(SourceError, match="KFLL"):
        shapes.readings(recorded("stations_observations"), "KMIA")


@pytest.mark.parametrize("quality", ["qc:X", "qc:Z", "qc:Q", None, "qc:"])
def test_readings_that_quality_control_does_not_let_through_are_left_out(quality: str | None) -> None:
    answer = recorded("stations_observations")
    answer["features"][0]["properties"]["temperature"]["qualityControl"] = quality
    assert shapes.readings(answer, "KFLL") == []


def test_newer_codes_of_unit_and_quality_are_understood() -> None:
    latest = recorded("stations_observations_latest")
    answer = {"features": [{"properties": latest["properties"]}]}
    [(ms, celsius)] = shapes.readings(answer, "KFLL")
    assert (ms, celsius) == (1_646_265_180_000, 22.8)


def test_the_remarks_give_the_extremes_of_six_hours_and_nothing_else_of_similar_form() -> None:
    latest = recorded("stations_observations_latest")
    found = {"features": [{"properties": latest["properties"]}]}
    assert [(kind, c) for _, kind, c in shapes.six_hour_extremes(found, "KFLL")] == [("high", 24.4), ("low", 22.8)]
    gusts = copy.deepcopy(found)
    gusts["features"][0]["properties"]["rawMessage"] = (
        "KFLL 022353Z 02004KT 10SM 23/18 A3008 RMK AO2 PK WND 20035/1955 SLP187 $"
    )
    assert shapes.six_hour_extremes(gusts, "KFLL") == []
    cold = copy.deepcopy(found)
    cold["features"][0]["properties"]["rawMessage"] = (
        "KFLL 022353Z 02004KT 10SM M03/M05 A3008 RMK AO2 SLP187 11012 21056 $"
    )
    assert [(kind, c) for _, kind, c in shapes.six_hour_extremes(cold, "KFLL")] == [("high", -1.2), ("low", -5.6)]
    off_hour = copy.deepcopy(found)
    off_hour["features"][0]["properties"]["timestamp"] = "2022-03-02T21:53:00+00:00"
    assert shapes.six_hour_extremes(off_hour, "KFLL") == []


@pytest.mark.parametrize("answer", [None, [], {}, {"features": None}, {"properties": []}, "busy", 5])
def test_answers_of_another_kind_are_errors(answer: Any) -> None:
    for parse in (lambda a: shapes.readings(a, "KFLL"), shapes.forecast, shapes.climate_reports, report_of):
        with pytest.raises(SourceError):
            parse(answer)


def report_of(answer: Any) -> tuple[date, int | None, int | None, bool, int]:
    return shapes.climate_report(answer, "NYC")


REPORT = """
000
CDUS41 KOKX 180617
CLINYC

CLIMATE REPORT
NATIONAL WEATHER SERVICE NEW YORK, NY
217 AM EDT SAT JUL 18 2026

...................................

...THE CENTRAL PARK NY CLIMATE SUMMARY FOR JULY 17 2026...

WEATHER ITEM   OBSERVED TIME   RECORD YEAR NORMAL DEPARTURE LAST
TEMPERATURE (F)
 YESTERDAY
  MAXIMUM         86    253 PM 100    1953  85      1       85
  MINIMUM         70    512 AM  59    1946  70      0       74
  AVERAGE         78                        77      1       80

PRECIPITATION (IN)
  YESTERDAY        0.00          2.08 1995   0.15  -0.15     0.02

CLIMATE NORMALS FOR TODAY
                         NORMAL    RECORD    YEAR
 MAXIMUM TEMPERATURE (F)   85        99      1953
 MINIMUM TEMPERATURE (F)   70        59      1946
"""
"""Written by hand after the layout of the service's daily climate report; the values are those of the recorded day."""


def test_a_climate_report_gives_day_and_extremes() -> None:
    day, high, low, final, issued = report_of({"productText": REPORT, "issuanceTime": "2026-07-18T06:17:00+00:00"})
    assert (day, high, low, final) == (date(2026, 7, 17), 86, 70, True)
    assert issued == 1_784_355_420_000


def test_an_afternoon_report_is_not_final_and_a_missing_value_is_none() -> None:
    text = REPORT.replace("...THE CENTRAL", "VALID TODAY AS OF 0400 PM LOCAL TIME.\n\n...THE CENTRAL").replace(
        "MINIMUM         70", "MINIMUM         MM"
    )
    _, high, low, final, _ = report_of({"productText": text, "issuanceTime": "2026-07-17T20:17:00+00:00"})
    assert (high, low, final) == (86, None, False)


@pytest.mark.parametrize("words", ["VALID AS OF", "VALID TODAY\nAS OF", "VALID  YESTERDAY AS\n OF"])
def test_a_report_that_is_valid_as_of_an_hour_is_not_final_however_its_lines_break(words: str) -> None:
    text = REPORT.replace("...THE CENTRAL", f"{words} 0400 PM LOCAL TIME.\n\n...THE CENTRAL")
    assert not report_of({"productText": text, "issuanceTime": "2026-07-17T20:17:00+00:00"})[3]


@pytest.mark.parametrize("name", ["LGA", "JFK", "NY1"])
def test_a_report_of_another_station_is_refused(name: str) -> None:
    answer = {"productText": REPORT.replace("CLINYC", f"CLI{name}"), "issuanceTime": "2026-07-18T06:17:00+00:00"}
    with pytest.raises(SourceError, match=name):
        report_of(answer)


def test_the_list_of_reports_is_newest_first() -> None:
    answer = {
        "@graph": [
            {"id": "a", "issuanceTime": "2026-07-17T06:17:00+00:00"},
            {"id": "b", "issuanceTime": "2026-07-18T06:17:00+00:00"},
        ]
    }
    assert shapes.climate_reports(answer) == ["b", "a"]
    same, zone = {"id": None, "issuanceTime": "2026-07-18T06:17:00+00:00"}, "2026-07-18T01:18:00-05:00"
    odd = [
        same,
        {**same, "id": {}},
        {"id": "c", "issuanceTime": zone},
        {"id": "d"},
        {"id": "e", "issuanceTime": "2026"},
    ]
    answer["@graph"] += odd  # type: ignore[arg-type]  # names that are none, as a fault may have them
    assert shapes.climate_reports(answer) == ["c", "b", "a"]
