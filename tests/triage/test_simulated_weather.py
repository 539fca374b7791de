"""The weather beside the simulator: what it serves is understood, and its forecasts come true as the exchange settles."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from kalbot.common import clock
from triage.sources.fetch import PoliteClient
from triage.sources.nws import NationalWeatherService
from triage.sources.openmeteo import OpenMeteo
from triage.sources.protocol import EventFacts, Listing, NoOpinion, Opinion, Subject

SPEED = 1200.0
"""A day in 72 seconds, as in the demo."""


def started(*command: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(address of the exchange, address of the weather)."""
    folder: Path = tmp_path_factory.mktemp("twin")
    twin, ready = started(
        "simulator", "--port", "0", "--credentials", str(folder), "--speed", str(SPEED), "--seed", "3"
    )
    base = f"http://127.0.0.1:{ready['port']}"
    weather, announced = started("simulator.weather.service", "--exchange", base, "--speed", str(SPEED))
    yield base, announced["url"]
    for process in (weather, twin):
        process.terminate()
        process.wait(60)


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def listed(base: str) -> list[EventFacts]:
    """Daily temperature events as the exchange lists them, as facts."""
    found, cursor = [], ""
    while True:
        page = get(f"{base}/trade-api/v2/events?with_nested_markets=true&limit=200&status=open&cursor={cursor}")
        found += [facts(e) for e in page["events"] if e["series_ticker"].startswith(("KXHIGH", "KXLOW"))]
        cursor = page["cursor"]
        if not cursor:
            return found


def facts(event: dict[str, Any]) -> EventFacts:
    def text(value: Any) -> str:
        return "" if value is None else str(value)

    listings = tuple(
        Listing(
            m["ticker"], m["strike_type"], text(m.get("floor_strike")), text(m.get("cap_strike")), m["rules_primary"]
        )
        for m in sorted(event["markets"], key=lambda m: m["ticker"])
    )
    close = min(datetime.fromisoformat(m["close_time"]).timestamp() for m in event["markets"])
    return EventFacts(event["event_ticker"], event["series_ticker"], "", listings, (), close_ms=int(close * 1000))


@pytest.mark.alike
@pytest.mark.django_db
def test_its_forecasts_are_understood_and_come_true(exchange: tuple[str, str], settings: Any, redis_db: object) -> None:
    base, weather = exchange
    settings.KALSHI_REST_URL = f"{base}/trade-api/v2"
    settings.NWS_URL = settings.OPENMETEO_URL = weather
    settings.TRIAGE_WORLD_SPEED = float(SPEED)
    events = {event.ticker: event for event in listed(base)}
    assert len(events) >= 20
    said: dict[str, Opinion] = {}
    silent: dict[str, str] = {}
    source, second = NationalWeatherService(), OpenMeteo()
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline and len(said) < 8:
        for event in [e for t, e in events.items() if t not in said][:12]:
            subject = source.subject(event)
            assert isinstance(subject, Subject), event.ticker
            now = clock.now_ms()
            found = source.opine(event, subject, source.fetch(subject, PoliteClient(5), now), now)
            if isinstance(found, Opinion):
                said[event.ticker] = found
            else:
                silent[event.ticker] = found.reason
            assert isinstance(second.fetch(subject, PoliteClient(5), now).data["hours"], list)
        events |= {event.ticker: event for event in listed(base)}
    outcomes = get(f"{base}/twin/truth?sections=outcomes")["outcomes"]
    assert len(said) >= 8, silent
    given = [opinion.probabilities[outcomes[ticker]] for ticker, opinion in said.items() if outcomes.get(ticker)]
    assert sum(given) / len(given) > 1.5 / 6
    for opinion in said.values():
        assert sum(opinion.probabilities.values()) == pytest.approx(1.0)


def test_a_place_without_a_station_is_not_found(exchange: tuple[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{exchange[1]}/points/0.0,0.0")
    assert NoOpinion("x").reason == "x"
