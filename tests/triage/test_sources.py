"""Sources end to end: a loopback service, real Redis, rows; what they say, and that nothing they do wrong spreads."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kalbot.common import cache, clock
from markets.models import Event, Market
from tests.triage.stub import Weather, serving
from tests.triage.world import World, make_profile
from trading.models import ExitRequest, Position
from triage import agent, conf
from triage.models import Assessment, Recommendation, SourceForecast
from triage.sources import cached, refresh, registry
from triage.sources.facts import event_facts
from triage.sources.fetch import PoliteClient, paused_for
from triage.sources.nws import NationalWeatherService
from triage.sources.protocol import Snapshot, SourceError, Subject
from triage.weather.events import day_clock_ms, mapped
from triage.weather.mapping import HOUR_MS, DailyMarket, stations

STRIKES = {"L": ("less", "", "83"), "M": ("between", "83", "84"), "H": ("greater", "84", "")}


def day_shape(peak: float, station: str = "KNYC") -> Any:
    """A plain day: warmest at 15:00 standard time."""
    offset = stations()[station].standard_hours

    def temperature(ms: float) -> float:
        hour = (ms / HOUR_MS + offset) % 24
        return 65 + (peak - 65) * math.cos((hour - 15) / 24 * 2 * math.pi)

    return temperature


@pytest.fixture
def weather() -> Weather:
    return Weather(clock.now_ms(), day_shape(92.0))


@pytest.fixture
def service(weather: Weather, settings: Any) -> Iterator[str]:
    with serving(weather) as url:
        settings.NWS_URL = url
        settings.OPENMETEO_URL = url
        settings.CITYTEMP_URL = url
        settings.CONTACT = "ops@example.com"
        settings.TRIAGE_FETCH_SECONDS = 2.0
        yield url


def ticker_of(days_ahead: int, series: str = "KXHIGHNY") -> str:
    day = datetime.now(UTC) + timedelta(hours=stations()["KNYC"].standard_hours, days=days_ahead)
    return f"{series}-{day:%y}{day.strftime('%b').upper()}{day:%d}"


CLI = "https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=NYC"


def temperature_event(world: World, days_ahead: int = 1) -> Event:
    world.name = ticker_of(days_ahead)
    world.books = {
        "L": ([(4500, 9000)], [(5300, 9000)]),
        "M": ([(4300, 9000)], [(5500, 9000)]),
        "H": ([(700, 9000)], [(9100, 9000)]),
    }
    event = world.list_event(settlement_sources=[{"name": "NWS Climatological Report", "url": CLI}])
    for letter, (kind, floor, cap) in STRIKES.items():
        Market.objects.filter(ticker=world.ticker(letter)).update(
            strike_type=kind, floor_strike=floor, cap_strike=cap, rules_primary=""
        )
    return event


def covered(world: World, days_ahead: int = 1) -> Position:
    event = temperature_event(world, days_ahead)
    return world.hold(
        make_profile(coverage_threshold_ppm=800_000),
        event,
        {"L": "yes", "M": "yes"},
        kind="coverage",
        cost=9_000_000,
        coverage_ppm=920_000,
    )


def test_a_source_that_sees_the_uncovered_outcome_coming_opens_an_advice_to_exit(
    world: World, weather: Weather, service: str
) -> None:
    position = covered(world)
    world.publish()
    run = refresh.refresh()
    assert run.failed == {}
    assert run.fetched == 2
    assert run.events == [world.name]
    agent.assess_positions([position.pk])
    row = Recommendation.objects.get(reason="source_sell_beats_hold:nws")
    assert (row.advice, row.source) == ("exit", "nws")
    assert row.gain
    assert row.gain > 5_000_000
    assessment = Assessment.objects.get()
    [nws] = [s for s in assessment.sources if s["source"] == "nws"]
    assert nws["opinion"]
    assert nws["probabilities"][world.ticker("H")] > 0.9
    assert nws["plot"]["station"] == "KNYC"
    assert nws["age_ms"] >= 3_000_000
    assert weather.agents == {"Kalbot/0.1 (ops@example.com)"}
    frozen = SourceForecast.objects.get(source="nws")
    assert frozen.market_probabilities[world.ticker("H")] < 0.1


def test_a_second_assessment_requests_nothing_and_freezes_nothing_again(
    world: World, weather: Weather, service: str
) -> None:
    position = covered(world)
    world.publish()
    refresh.refresh()
    agent.assess_positions([position.pk])
    count = len(weather.requests)
    assert refresh.refresh().not_due == 2
    agent.assess_positions([position.pk])
    assert len(weather.requests) == count
    assert SourceForecast.objects.filter(source="nws").count() == 1


def test_two_sources_that_contradict_each_other_both_fall_silent(world: World, weather: Weather, service: str) -> None:
    weather.second = day_shape(76.0)
    position = covered(world)
    world.publish()
    refresh.refresh()
    agent.assess_positions([position.pk])
    said = {s["source"]: s for s in Assessment.objects.get().sources}
    assert [said[name]["opinion"] for name in ("nws", "openmeteo")] == [False, False]
    assert said["nws"]["detail"] == "contradicts openmeteo"
    assert Assessment.objects.get().advice != "exit"
    assert not SourceForecast.objects.exists()


@pytest.mark.parametrize("fault", ["500", "503", "404", "429", "garbage", "slow", "trickle", "drip"])
def test_a_source_that_fails_says_nothing_and_delays_no_assessment(
    world: World, weather: Weather, service: str, fault: str
) -> None:
    weather.fault["/"] = fault
    position = covered(world)
    world.publish()
    started = time.monotonic()
    run = refresh.refresh(seconds=6)
    assert time.monotonic() - started < 20, "the source takes thirty"
    assert len(run.failed) == 2
    assert run.unfinished == 0, "the client itself gave up: no thread is left behind with the server"
    before = len(weather.requests)
    agent.assess_positions([position.pk])
    assert len(weather.requests) == before, "an assessment waits for no source"
    assessment = Assessment.objects.get()
    assert [s["opinion"] for s in assessment.sources] == [False, False]
    assert assessment.sell_now is not None
    assert not Recommendation.objects.exclude(source="market").exists()


def test_a_source_that_takes_thirty_seconds_holds_up_nobody_else(
    world: World, weather: Weather, service: str, settings: Any
) -> None:
    settings.TRIAGE_FETCH_SECONDS = 5.0
    weather.fault["/points"] = "slow"
    event = temperature_event(world)
    profile = make_profile(
        coverage_threshold_ppm=100_000, triage_policy="any", triage_evidence_ppm=0, triage_min_hold_seconds=0
    )
    position = world.hold(
        profile, event, {"L": "yes", "M": "yes"}, kind="coverage", cost=9_000_000, coverage_ppm=920_000
    )
    world.publish()
    wanted = registry.subjects(refresh.open_event_facts())
    with ThreadPoolExecutor(2) as pool:
        nws, second = (pool.submit(refresh._fetch, *wanted[name, "KNYC"], None) for name in ("nws", "openmeteo"))
        assert second.result(60) == ""
        assert weather.waiting.wait(60)
        for _ in range(3):
            run = agent.assess_positions([position.pk])
            assert (run.positions, run.failed, run.exits) == (1, 0, 0)
        assert not nws.done(), "the assessments did not wait for the slow source"
        said = {s["source"]: s for s in Assessment.objects.latest("pk").sources}
        assert (said["nws"]["opinion"], said["nws"]["detail"]) == (False, "nothing fetched yet")
        assert said["openmeteo"]["opinion"]
        assert "no answer within 5 s" in nws.result(60)
    assert not Recommendation.objects.filter(source="nws").exists()
    assert not ExitRequest.objects.exists()


def test_a_host_that_fails_is_left_alone_for_a_while(
    world: World, weather: Weather, service: str, settings: Any
) -> None:
    settings.OPENMETEO_URL = "http://127.0.0.1:9"
    weather.fault["/points"] = "500"
    covered(world)
    refresh.refresh(seconds=5)
    assert paused_for(service.removeprefix("http://")) > 0
    count = len(weather.requests)
    run = refresh.refresh(seconds=5)
    assert len(weather.requests) == count
    assert "left alone" in run.failed["nws/KNYC"]


def test_a_host_that_names_a_time_is_left_alone_for_that_time(world: World, weather: Weather, service: str) -> None:
    weather.fault["/points"], weather.retry_after = "429", "120"
    covered(world)
    refresh.refresh(seconds=5)
    assert 60 < paused_for(service.removeprefix("http://")) <= 120


def test_a_question_that_was_wrong_pauses_nobody(weather: Weather, service: str, redis_db: object) -> None:
    with pytest.raises(SourceError, match="404"):
        PoliteClient(1).get_json(f"{service}/nothing")
    assert paused_for(service.removeprefix("http://")) == 0


def test_readings_of_the_wrong_station_are_an_error(world: World, weather: Weather, service: str) -> None:
    weather.station_says = "KLGA"
    covered(world)
    assert "KLGA" in refresh.refresh().failed["nws/KNYC"]


def test_a_change_of_unit_is_followed_and_an_unnamed_one_refused(world: World, weather: Weather, service: str) -> None:
    position = covered(world)
    world.publish()
    weather.unit = "C"
    refresh.refresh()
    agent.assess_positions([position.pk])
    [nws] = [s for s in Assessment.objects.get().sources if s["source"] == "nws"]
    assert nws["plot"]["center"] == pytest.approx(92, abs=1)
    weather.unit = "K"
    cached_keys(world)
    assert "'K'" in refresh.refresh().failed["nws/KNYC"]


def cached_keys(world: World) -> None:
    for key in world.client.scan_iter(cache.key("triage:snapshot:*")):
        world.client.delete(key)


def test_an_old_snapshot_is_no_opinion(world: World, weather: Weather, service: str) -> None:
    position = covered(world)
    world.publish()
    refresh.refresh()
    [pair] = [("nws", "KNYC")]
    old = cached.load([pair])[pair]
    cached.store(*pair, Snapshot(old.fetched_ms - 2 * HOUR_MS, old.as_of_ms, old.data))
    agent.assess_positions([position.pk])
    [nws] = [s for s in Assessment.objects.get().sources if s["source"] == "nws"]
    assert (nws["opinion"], "last heard" in nws["detail"]) == (False, True)


def test_an_emptied_redis_costs_the_opinion_until_the_next_fetch_and_closes_no_advice(
    world: World, weather: Weather, service: str
) -> None:
    position = covered(world)
    world.publish()
    refresh.refresh()
    agent.assess_positions([position.pk])
    assert Recommendation.objects.filter(source="nws", status="open").exists()
    cached_keys(world)
    agent.assess_positions([position.pk])
    assert Recommendation.objects.filter(source="nws", status="open").exists()
    weather.temperature = day_shape(77.0)
    refresh.refresh()
    agent.assess_positions([position.pk])
    assert Recommendation.objects.get(source="nws", reason="source_sell_beats_hold:nws").status == "lapsed"


def test_an_event_whose_texts_name_another_station_gets_no_opinion(
    world: World, weather: Weather, service: str
) -> None:
    position = covered(world)
    url = "https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=LGA"
    Event.objects.update(settlement_sources=[{"name": "NWS", "url": url}], rules_hash="changed")
    world.publish()
    assert refresh.refresh().fetched == 0
    agent.assess_positions([position.pk])
    row = Assessment.objects.get()
    assert [(one["source"], one["opinion"]) for one in row.sources] == [("nws", False), ("openmeteo", False)]
    assert "settles on LGA, reviewed was NYC" in row.sources[0]["detail"]
    flag = position.recommendations.get(reason="source_not_as_reviewed")
    assert (flag.advice, flag.status) == ("watch", "open")
    assert "settles on LGA" in flag.detail


def test_an_event_that_says_nowhere_what_it_settles_on_gets_no_opinion(
    world: World, weather: Weather, service: str
) -> None:
    position = covered(world)
    Event.objects.update(settlement_sources=[], rules_hash="changed")
    world.publish()
    assert refresh.refresh().fetched == 0
    agent.assess_positions([position.pk])
    assert not any(one["opinion"] for one in Assessment.objects.get().sources)
    assert position.recommendations.filter(reason="source_not_as_reviewed").exists()


def test_real_weather_is_not_queried_about_a_simulated_exchange(
    world: World, weather: Weather, service: str, settings: Any
) -> None:
    covered(world)
    settings.KALSHI_REST_URL = service
    settings.NWS_URL = "https://api.weather.gov"
    settings.OPENMETEO_URL = "https://api.open-meteo.com"
    facts = refresh.open_event_facts()
    assert registry.subjects(facts) == {}
    settings.KALSHI_REST_URL = "https://external-api.demo.kalshi.co/trade-api/v2"
    assert {name for name, _ in registry.subjects(facts)} == {"nws", "openmeteo"}


def test_sources_can_be_switched_off(settings: Any) -> None:
    settings.TRIAGE_SOURCES = "nws"
    assert [s.name for s in registry.sources()] == ["nws"]
    settings.TRIAGE_SOURCES = ""
    assert registry.sources() == ()


def test_the_same_facts_are_read_once_and_changed_ones_again(world: World) -> None:
    event = temperature_event(world)
    first = event_facts({event.ticker: event})[event.ticker]
    Market.objects.filter(ticker=world.ticker("M")).update(cap_strike="85")
    assert event_facts({event.ticker: event})[event.ticker] is first
    event.rules_hash = "another"
    assert event_facts({event.ticker: event})[event.ticker].digest != first.digest


def test_the_climate_report_is_used_once_it_is_final(world: World, weather: Weather, service: str) -> None:
    event = temperature_event(world, days_ahead=-1)
    day = datetime.now(UTC) + timedelta(hours=-5, days=-1)
    title = f"THE CENTRAL PARK NY CLIMATE SUMMARY FOR {day:%B} {day.day} {day.year}..."
    text = f"{title}\n MAXIMUM 84 253 PM\n MINIMUM 70\nPRECIPITATION".upper()
    weather.reports = [{"id": "r1", "issuanceTime": datetime.now(UTC).isoformat(), "productText": text}]
    facts = event_facts({event.ticker: event})[event.ticker]
    source = NationalWeatherService()
    subject = source.subject(facts)
    assert isinstance(subject, Subject)
    snapshot = source.fetch(subject, PoliteClient(5), clock.now_ms())
    found = source.opine(facts, subject, snapshot, clock.now_ms())
    assert found.probabilities[world.ticker("M")] > 0.98  # type: ignore[union-attr]


def test_a_simulated_day_runs_by_the_close_of_its_event_and_by_the_simulator_s_speed(
    world: World, settings: Any
) -> None:
    event = temperature_event(world)
    event.close_time = clock.from_ms(clock.now_ms() + 36_000)
    facts = event_facts({event.ticker: event})[event.ticker]
    market = mapped(facts)
    assert isinstance(market, DailyMarket)
    now = clock.now_ms()
    assert day_clock_ms(facts, market, now) == now
    settings.KALSHI_REST_URL = "http://127.0.0.1:1/trade-api/v2"
    settings.TRIAGE_WORLD_SPEED = 1200.0
    assert day_clock_ms(facts, market, now) == pytest.approx(market.ends_ms - 12 * HOUR_MS, abs=120_000)
    assert conf.refresh_seconds(600) == 5.0
    settings.TRIAGE_REFRESH_SECONDS = 2.0
    assert conf.refresh_seconds(600) == 2.0
