"""Every reader on mutated real answers: something usable or a SourceError, never another exception; odd parts cost themselves only."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kalbot.common.errors import SettingError
from triage.sources import nws_shapes as shapes
from triage.sources.citytemp import index_points
from triage.sources.coinprice import last_trade
from triage.sources.jsonfeed import JsonFeed, moment_ms, pointer, probability
from triage.sources.openmeteo import hours, issued_ms
from triage.sources.protocol import SourceError
from triage.sources.releases import release_days
from triage.sources.scoreclock import games
from triage.sources.values import number, unix_ms

DATA = Path(__file__).parent.parent / "data" / "weather" / "nws"
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e400,
    float("nan"),
    10**400,
    "",
    "x",
    "12",
    "-7.5",
    "1e5",
    "NaN",
    [],
    [None],
    [[]],
    {},
    {"value": None},
    "2026-13-45",
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "２３",
    ["a", 1],
    {"a": {"b": []}},
)


def recorded(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


REPORT = {
    "issuanceTime": "2026-07-17T05:21:00+00:00",
    "productText": "...THE CENTRAL PARK NY CLIMATE SUMMARY FOR JULY 16 2026...\n\n  MAXIMUM   91\n  MINIMUM   74\n\nPRECIPITATION (IN)",
}
REPORTS = {
    "@graph": [
        {"id": "a", "issuanceTime": "2026-07-17T05:21:00+00:00"},
        {"id": "b", "issuanceTime": "2026-07-16T05:21:00+00:00"},
    ]
}
OPEN_METEO = {
    "latitude": 40.78,
    "longitude": -73.97,
    "utc_offset_seconds": 0,
    "hourly_units": {"temperature_2m": "°F"},
    "hourly": {"time": ["2026-07-16T00:00", "2026-07-16T01:00"], "temperature_2m": [71.5, 70.9]},
}
RUN = {"last_run_initialisation_time": 1_790_000_000, "last_run_availability_time": 1_790_014_000}
TICKER = {
    "price": "64641.56",
    "bid": "64641.55",
    "ask": "64641.56",
    "time": "2026-07-16T00:23:54.832483Z",
    "size": "0.01",
}
INDEX = {
    "city": "miami",
    "units": "fahrenheit",
    "timeseries": [
        {"t": 1_790_000_000_000, "v": 81.5, "status": "normal"},
        {"t": 1_790_000_060_000, "v": 81.6, "status": "degraded"},
    ],
}
FEED = {"meta": {"updated": "2026-07-16T00:00:00+00:00"}, "outcomes": {"A": 0.4, "B": 0.6}}
SCOREBOARD = {
    "events": [
        {
            "competitions": [
                {
                    "competitors": [
                        {"homeAway": "home", "team": {"abbreviation": "GS"}, "score": "101"},
                        {"homeAway": "away", "team": {"abbreviation": "SAC"}, "score": "95"},
                    ],
                    "status": {"period": 4, "displayClock": "5:00", "type": {"state": "in"}},
                    "odds": [{"spread": -4.5}],
                }
            ]
        }
    ]
}
CALENDAR = {"release_dates": [{"release_id": 101, "date": "2026-11-05"}, {"release_id": 101, "date": "2026-12-16"}]}


def feed(answer: Any) -> Any:
    found = pointer(answer, "/outcomes")
    return moment_ms(pointer(answer, "/meta/updated")), [
        probability(value) for value in (found.values() if isinstance(found, dict) else [found])
    ]


RUN_ERRORS: tuple[Any, ...] = (
    {},
    {"last_run_availability_time": None},
    {"last_run_availability_time": "soon"},
    [],
    None,
)


@pytest.mark.parametrize("answer", [*RUN_ERRORS, {"last_run_availability_time": 1_796_000_000}])
def test_a_forecast_whose_run_is_not_dated_or_dated_ahead_is_refused(answer: Any) -> None:
    with pytest.raises(SourceError):
        issued_ms(answer, 1_795_000_000_000)


READERS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "points": (recorded("points"), lambda answer: shapes.grid(answer, "America/New_York")),
    "hourly": (recorded("gridpoints_forecast_hourly_us"), shapes.forecast),
    "daily, metric": (recorded("gridpoints_forecast_si"), shapes.forecast),
    "observations": (recorded("stations_observations_multiple"), lambda answer: shapes.readings(answer, "KORD")),
    "six hours": (recorded("stations_observations_multiple"), lambda answer: shapes.six_hour_extremes(answer, "KORD")),
    "reports": (REPORTS, shapes.climate_reports),
    "report": (REPORT, lambda answer: shapes.climate_report(answer, "NYC")),
    "open-meteo": (OPEN_METEO, lambda answer: hours(answer, 40.78, -73.97)),
    "open-meteo's run": (RUN, lambda answer: issued_ms(answer, 1_795_000_000_000)),
    "coin price": (TICKER, last_trade),
    "city index": (INDEX, lambda answer: index_points(answer, "miami")),
    "feed": (FEED, feed),
    "scoreboard": (SCOREBOARD, games),
    "calendar": (CALENDAR, lambda answer: release_days(answer, 101)),
}


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document."""
    found = [path] if path else []
    if isinstance(node, dict):
        for key, value in node.items():
            found += places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found += places(value, (*path, index))
    return found


def changed(document: Any, path: tuple[Any, ...], value: Any, *, remove: bool) -> Any:
    made = copy.deepcopy(document)
    node = made
    for part in path[:-1]:
        node = node[part]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return made


@pytest.mark.parametrize("name", READERS)
def test_an_odd_value_anywhere_is_a_source_error_or_left_out(name: str) -> None:
    document, read = READERS[name]
    dice = random.Random(name)
    every = places(document)
    for path in dice.sample(every, min(len(every), 30)):
        for value in (*ODD, "remove"):
            try:
                read(changed(document, path, value, remove=value == "remove"))
            except SourceError:
                pass
            except Exception as error:
                raise AssertionError(f"{name}: {value!r} at {path}: {type(error).__name__}: {error}") from error
    for value in ODD:
        with suppress(SourceError):
            read(value)


def test_numbers_as_text_are_numbers() -> None:
    answer = recorded("gridpoints_forecast_hourly_us")
    plain = shapes.forecast(answer)
    for period in answer["properties"]["periods"]:
        period["temperature"] = str(period["temperature"])
    assert shapes.forecast(answer) == plain
    assert [number(text) for text in ("71.5", " -3 ", "1e5", "", "NaN", "0x1", "٣")] == [
        71.5,
        -3.0,
        None,
        None,
        None,
        None,
        None,
    ]


def test_a_null_among_periods_or_readings_costs_itself_only() -> None:
    answer = recorded("gridpoints_forecast_hourly_us")
    plain = shapes.forecast(answer)
    answer["properties"]["periods"].insert(1, None)
    assert shapes.forecast(answer) == plain
    seen = recorded("stations_observations_multiple")
    station = seen["features"][0]["properties"]["station"].rpartition("/")[2]
    before = shapes.readings(seen, station)
    seen["features"].append(None)
    assert before
    assert shapes.readings(seen, station) == before


@pytest.mark.parametrize(
    ("raw", "celsius"),
    [
        ("KNYC 161851Z AUTO VRB03KT 10SM CLR 31/18 A3002 RMK AO2 SLP158 T03060178", 30.6),
        ("KNYC 161851Z AUTO VRB03KT 10SM CLR 31/18 A3002", 31.0),
        ("KORD 161851Z 10SM CLR M02/M05 A3002 RMK AO2 T10171050", -1.7),
        ("KORD 161851Z 10SM CLR M02/ A3002", -2.0),
        ("KORD 161851Z 10SM R06/1200FT CLR A3002", None),
        ("", None),
    ],
)
def test_the_stations_own_report_gives_its_temperature(raw: str, celsius: float | None) -> None:
    assert shapes.reported_celsius(raw) == celsius


def test_a_report_beside_a_null_temperature_is_used_and_one_beside_a_distrusted_value_is_not() -> None:
    seen = recorded("stations_observations_multiple")
    feature = seen["features"][0]["properties"]
    station = feature["station"].rpartition("/")[2]
    feature["rawMessage"] = "KXXX 161851Z 10SM CLR 31/18 A3002 RMK AO2 T03060178"
    feature["timestamp"] = "2019-06-27T09:00:00+00:00"
    feature["temperature"] = {"value": None, "unitCode": "unit:degC", "qualityControl": "qc:Z"}
    moment = unix_ms(feature["timestamp"])
    assert (moment, 30.6) in shapes.readings(seen, station)
    feature["temperature"] = {"value": 55.0, "unitCode": "unit:degC", "qualityControl": "qc:X"}
    assert moment not in [ms for ms, _ in shapes.readings(seen, station)]


def test_a_climate_report_of_an_impossible_date_is_a_source_error() -> None:
    with pytest.raises(SourceError, match="FEBRUARY 30"):
        shapes.climate_report({**REPORT, "productText": REPORT["productText"].replace("JULY 16", "FEBRUARY 30")}, "NYC")


@pytest.mark.parametrize(
    ("high", "low", "found"),
    [
        ("98R", "74", (98, 74)),
        ("-3", "-12R", (-3, -12)),
        ("MM", "74", (None, 74)),
        ("999", "74", (None, 74)),
        ("91", "MM", (91, None)),
    ],
)
def test_a_record_is_a_value_and_what_no_weather_has_is_none(
    high: str, low: str, found: tuple[int | None, int | None]
) -> None:
    text = REPORT["productText"].replace("  91", f"  {high}").replace("  74", f"  {low}")
    assert shapes.climate_report({**REPORT, "productText": text}, "NYC")[1:3] == found
    assert shapes.climate_report({**REPORT, "productText": text.title()}, "NYC")[1:3] == found


def test_a_report_whose_low_is_above_its_high_is_refused() -> None:
    with pytest.raises(SourceError, match="above its highest"):
        shapes.climate_report({**REPORT, "productText": REPORT["productText"].replace("74", "94")}, "NYC")


def test_a_time_with_two_readings_has_none_and_one_that_comes_twice_has_it() -> None:
    seen = recorded("stations_observations_multiple")
    station = seen["features"][0]["properties"]["station"].rpartition("/")[2]
    before = shapes.readings(seen, station)
    again = next(
        copy.deepcopy(feature)
        for feature in seen["features"]
        if unix_ms(feature["properties"]["timestamp"]) == before[-1][0]
        and feature["properties"]["temperature"]["value"] is not None
    )
    seen["features"].append(again)
    assert shapes.readings(seen, station) == before
    again["properties"]["temperature"]["value"] += 5
    assert shapes.readings(seen, station) == before[:-1]


def test_minutes_of_two_values_and_values_of_no_weather_are_no_points_of_the_index() -> None:
    series: Any = INDEX["timeseries"]
    point = series[0]
    odd = [point | {"v": 82.5}, point | {"t": point["t"] + 1, "v": -999.0}, point | {"t": point["t"] + 2, "v": 1e9}]
    assert index_points({**INDEX, "timeseries": [*series, *odd]}, "miami") == [(1_790_000_060_000, 81.6)]


def test_quotes_far_apart_say_nothing_of_a_price_between_them() -> None:
    with pytest.raises(SourceError, match="last price"):
        last_trade(TICKER | {"ask": "90000"})


def test_numbers_of_a_calendar_may_be_text() -> None:
    days = ("2026-11-05", "2026-12-16")
    rows = [{"release_id": "101", "date": day} for day in days]
    assert release_days({"release_dates": rows}, 101) == ["2026-11-05", "2026-12-16"]


FEED_FILE = {
    "name": "desk",
    "series": ["KXHIGHNY"],
    "url": "https://feed.example/{event}",
    "as_of": "/a",
    "probabilities": "/p",
}


@pytest.mark.parametrize(
    "change",
    [
        {"series": "KXHIGHNY"},
        {"series": [1]},
        {"refresh_seconds": "often"},
        {"refresh_seconds": 0},
        {"max_age_seconds": 1.5},
        {"keys": "names"},
        {"url": "https://feed.example/{day}"},
        {"url": "https://feed.example/{event.__class__}"},
        {"url": "https://feed.example/{"},
        {"url": "file:///etc/passwd"},
    ],
    ids=str,
)
def test_a_feed_that_is_configured_wrongly_is_refused_in_words(change: dict[str, Any]) -> None:
    JsonFeed(FEED_FILE)
    with pytest.raises(SettingError, match="feed"):
        JsonFeed(FEED_FILE | change)


@pytest.mark.parametrize("row", [None, 5, "desk", []], ids=str)
def test_a_row_of_the_feeds_that_is_no_object_is_refused_in_words(row: Any) -> None:
    with pytest.raises(SettingError, match="must be an object"):
        JsonFeed(row)
