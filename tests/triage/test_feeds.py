"""The city temperature index and configured JSON feeds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kalbot.common.errors import SettingError
from triage.sources import citytemp, jsonfeed
from triage.sources.citytemp import CityTemperature, index_points, range_probabilities, target_ms
from triage.sources.protocol import EventFacts, Listing, NoOpinion, Opinion, Snapshot, SourceError, Subject

RANGES = (
    Listing("L", "less", "", "80", "the Kalshi city temperature index"),
    Listing("M", "between", "80", "81.99"),
    Listing("H", "greater", "81.99", ""),
)
HOUR = datetime(2026, 7, 16, 2, tzinfo=UTC)
"""22:00 in Miami on July 15."""
AT = int(HOUR.timestamp() * 1000)


def hourly(**changes: Any) -> EventFacts:
    values: dict[str, Any] = {
        "ticker": "KXTEMPMIAH-26JUL1522",
        "series": "KXTEMPMIAH",
        "title": "",
        "listings": RANGES,
        "sources": (("Kalshi", ""),),
    }
    return EventFacts(**(values | changes))


def index(points: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        "city": "miami",
        "units": "fahrenheit",
        "config_version": "miami-temperature-v1.0",
        "timeseries": points,
    } | changes


def point(minutes: int, value: float, **changes: Any) -> dict[str, Any]:
    return {"t": AT + minutes * 60_000, "v": value, "status": "normal", "contributors": 5} | changes


def test_the_hour_of_the_ticker_is_the_city_s_own() -> None:
    assert target_ms(hourly()) == AT
    assert target_ms(hourly(ticker="KXTEMPMIAH-26JUL1524")) == AT + 2 * 3_600_000
    assert target_ms(hourly(ticker="KXTEMPMIAH-26JUL15")) == "no hour in the ticker"
    assert target_ms(hourly(ticker="KXTEMPMIAH-26NOV0101")) == "the clocks change at that hour"


def test_only_events_that_say_they_settle_on_the_index_are_covered() -> None:
    source = CityTemperature()
    assert source.subject(hourly()) == Subject("miami")
    other = tuple(
        Listing(x.ticker, x.strike_type, x.floor, x.cap, "as reported by The Weather Company") for x in RANGES
    )
    said = source.subject(hourly(listings=other, sources=(("The Weather Company", "https://weather.com/kalshi"),)))
    assert isinstance(said, NoOpinion)
    assert "The Weather Company" in said.reason
    assert isinstance(source.subject(hourly(series="KXTEMPNYCH", ticker="KXTEMPNYCH-26JUL1522")), NoOpinion)
    assert isinstance(source.subject(hourly(series="KXHIGHNY")), NoOpinion)


def test_only_canonical_minutes_count() -> None:
    rows = [
        point(-3, 81.0),
        point(-2, 99.0, receipt_basis="synoptic_latency"),
        point(-1, 81.5, status="degraded"),
        {"t": AT, "status": "incomplete"},
        point(0, float("nan")),
    ]
    assert [v for _, v in index_points(index(rows), "miami")] == [81.0, 81.5]


@pytest.mark.parametrize(
    "answer", [index([]), index([point(0, 80.0)], units="celsius"), index([point(0, 80.0)], city="tampa"), None, []]
)
def test_an_index_of_another_place_or_unit_is_an_error(answer: Any) -> None:
    with pytest.raises(SourceError):
        index_points(answer, "miami")


def opine(points: list[tuple[int, float]], now_ms: int, **changes: Any) -> Opinion | NoOpinion:
    return CityTemperature().opine(
        hourly(**changes), Subject("miami"), Snapshot(now_ms, points[-1][0], {"points": points}), now_ms
    )


def test_the_nearer_the_hour_the_surer() -> None:
    far = opine([(AT - 60 * 60_000, 83.0)], AT - 59 * 60_000)
    near = opine([(AT - 2 * 60_000, 83.0)], AT - 60_000)
    assert isinstance(far, Opinion)
    assert isinstance(near, Opinion)
    assert 0.5 < far.probabilities["H"] < near.probabilities["H"]
    assert sum(far.probabilities.values()) == pytest.approx(1.0, abs=0.02)


def test_the_minute_itself_decides() -> None:
    done = opine([(AT, 81.99), (AT + 60_000, 85.0)], AT + 120_000)
    assert isinstance(done, Opinion)
    assert done.probabilities["M"] > 0.999


def test_an_old_index_or_a_far_hour_is_no_opinion() -> None:
    assert isinstance(opine([(AT - 60 * 60_000, 83.0)], AT - 40 * 60_000), NoOpinion)
    assert isinstance(opine([(AT - 5 * 3_600_000, 83.0)], AT - 5 * 3_600_000), NoOpinion)


def test_ladders_of_cumulative_thresholds_are_no_exclusive_outcomes() -> None:
    ladder = tuple(Listing(t, "greater", strike, "") for t, strike in (("A", "79.99"), ("B", "80.99")))
    assert range_probabilities(ladder, 80.0, 1.0) == "the outcomes are not disjoint"
    assert range_probabilities((Listing("A", "custom", "", ""),), 80.0, 1.0) == "strikes of no known kind"


FEED = {
    "name": "desk",
    "series": ["KXTEST"],
    "url": "https://feed.example/{series}/{event}.json",
    "as_of": "/meta/0/at",
    "probabilities": "/out",
    "error": "2 points",
}


class Answering:
    """A client with a fixed answer."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.requested = answer, ""

    def get_json(self, url: str, params: Any = None) -> Any:
        self.requested = url
        return self.answer


def event() -> EventFacts:
    listings = tuple(Listing(t, "between", low, high) for t, low, high in (("A", "1", "2"), ("B", "3", "4")))
    return EventFacts("KXTEST-26NOV24", "KXTEST", "", listings, ())


def said_by(feed: jsonfeed.JsonFeed, answer: Any, now_ms: int = AT) -> Opinion | NoOpinion:
    subject = feed.subject(event())
    assert isinstance(subject, Subject)
    return feed.opine(event(), subject, feed.fetch(subject, Answering(answer), now_ms), now_ms)


@pytest.fixture
def real_exchange(settings: Any) -> None:
    settings.KALSHI_REST_URL = "https://external-api.demo.kalshi.co/trade-api/v2"


def test_a_feed_is_read_where_its_configuration_points(real_exchange: None) -> None:
    feed = jsonfeed.JsonFeed(FEED)
    subject = feed.subject(event())
    assert isinstance(subject, Subject)
    client = Answering({"meta": [{"at": HOUR.isoformat()}], "out": {"A": 0.25, "B": 0.75, "more": 0.0}})
    feed.fetch(subject, client, AT)
    assert client.requested == "https://feed.example/KXTEST/KXTEST-26NOV24.json"
    found = said_by(feed, client.answer)
    assert isinstance(found, Opinion)
    assert found.probabilities == pytest.approx({"A": 0.25, "B": 0.75})
    by_strike = jsonfeed.JsonFeed(FEED | {"keys": "strike"})
    found = said_by(by_strike, {"meta": [{"at": AT / 1000}], "out": {"1:2": 0.4, "3:4": 0.6}})
    assert isinstance(found, Opinion)
    assert found.probabilities == pytest.approx({"A": 0.4, "B": 0.6})


@pytest.mark.parametrize(
    ("out", "now_ms"),
    [
        ({"A": 1.0}, AT),
        ({"A": 0.5, "B": 0.6}, AT),
        ({"A": 0.5, "B": 0.5}, AT + 16 * 60_000),
        ({"A": 0.5, "B": 0.5}, AT - 120_000),
    ],
)
def test_a_feed_that_is_incomplete_incoherent_or_old_has_no_opinion(
    real_exchange: None, out: dict[str, float], now_ms: int
) -> None:
    assert isinstance(
        said_by(jsonfeed.JsonFeed(FEED), {"meta": [{"at": HOUR.isoformat()}], "out": out}, now_ms), NoOpinion
    )


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"meta": [{"at": HOUR.isoformat()}], "out": {"A": 25, "B": 75}},
        {"meta": [{"at": HOUR.isoformat()}], "out": {"A": "0.5", "B": 0.5}},
        {"meta": [{"at": "2026-07-16T02:00:00"}], "out": {"A": 0.5, "B": 0.5}},
        {"meta": [{"at": "soon"}], "out": {"A": 0.5, "B": 0.5}},
        {"meta": [{"at": HOUR.isoformat()}], "out": [0.5, 0.5]},
    ],
)
def test_a_feed_of_another_shape_is_an_error(real_exchange: None, answer: Any) -> None:
    with pytest.raises(SourceError):
        said_by(jsonfeed.JsonFeed(FEED), answer)


def test_a_feed_covers_its_own_series_only(real_exchange: None) -> None:
    said = jsonfeed.JsonFeed(FEED | {"series": ["OTHER"]}).subject(event())
    assert isinstance(said, NoOpinion)


def test_feeds_come_from_a_file_and_wrong_ones_are_named(tmp_path: Path, settings: Any) -> None:
    path = tmp_path / "feeds.json"
    path.write_text(json.dumps([FEED]))
    settings.TRIAGE_JSON_FEEDS = str(path)
    assert [feed.name for feed in jsonfeed.configured()] == ["desk"]
    for wrong, says in (([{"name": "x"}], "lacks series"), ([FEED | {"name": "A b"}], "name"), ({}, "list")):
        path.write_text(json.dumps(wrong))
        jsonfeed._read.cache_clear()
        with pytest.raises(SettingError, match=says):
            jsonfeed.configured()
    settings.TRIAGE_JSON_FEEDS = str(tmp_path / "absent.json")
    with pytest.raises(SettingError, match="cannot be read"):
        jsonfeed.configured()
    settings.TRIAGE_JSON_FEEDS = ""
    assert jsonfeed.configured() == ()


def test_the_index_is_known_for_the_city_ids_that_the_definition_names() -> None:
    assert {city for city, _ in citytemp.CITIES.values()} == {"miami"}
