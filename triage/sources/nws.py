"""US National Weather Service: hourly and daily forecast, the station's readings, and the climate report that settles.

Covers the daily temperature events that ``triage.weather.mapping`` maps. One fetch a station serves all its events.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, Final

import redis

from kalbot.common import cache
from triage import conf
from triage.learning.current import current
from triage.sources import nws_shapes as shapes
from triage.sources.protocol import Client, EventFacts, NoOpinion, Opinion, Snapshot, SourceError, Subject
from triage.weather.events import day_clock_ms, in_dispute, mapped
from triage.weather.mapping import HOUR_MS, DailyMarket, stations
from triage.weather.opinion import ClimateReport, DayForecast, Readings, daily_opinion

FORECAST_MAX_AGE_MS: Final = 12 * HOUR_MS
"""Offices renew their forecasts at least twice a day."""
SNAPSHOT_MAX_AGE_MS: Final = HOUR_MS
FUTURE_MS: Final = 5 * 60_000
"""Clocks differ a little; a forecast that is dated farther ahead has no issue time."""
READINGS_BACK_MS: Final = 34 * HOUR_MS
GRID_KEPT_SECONDS: Final = 24 * 3600
REPORTS_READ: Final = 3


class NationalWeatherService:
    """The source ``nws``."""

    name = "nws"
    refresh_seconds = 600

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        market = mapped(event)
        if isinstance(market, NoOpinion):
            return market
        if not conf.may_query(conf.nws_url()):
            return NoOpinion("the exchange is a simulator; the real weather says nothing about it")
        return Subject(market.station.icao)

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        station, base = stations()[subject.key], conf.nws_url()
        urls = _grid_urls(base, subject.key, client)
        updated, hours = shapes.forecast(client.get_json(urls["hourly"]))
        if updated > now_ms + FUTURE_MS and not conf.is_simulated():
            raise SourceError("the forecast says that it was issued in the future")
        spans = []
        with suppress(SourceError):  # the hourly forecast stands alone; the daily one only sharpens it
            spans = shapes.forecast(client.get_json(urls["daily"]))[1]
        seen = client.get_json(f"{base}/stations/{subject.key}/observations", _window(now_ms))
        data = {
            "updated": updated,
            "hours": hours,
            "spans": spans,
            "readings": shapes.readings(seen, subject.key),
            "extremes": shapes.six_hour_extremes(seen, subject.key),
            "reports": _reports(base, station.issued_by, client),
        }
        return Snapshot(now_ms, updated, data)

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        market = mapped(event)
        if isinstance(market, NoOpinion):
            return market
        if (dispute := in_dispute(market)) is not None and not conf.is_simulated():
            return dispute
        if now_ms - snapshot.fetched_ms > SNAPSHOT_MAX_AGE_MS:
            return NoOpinion(f"last heard {(now_ms - snapshot.fetched_ms) / HOUR_MS:.1f} h ago")
        moment = day_clock_ms(event, market, snapshot.fetched_ms if conf.is_simulated() else now_ms)
        if moment is None:
            return NoOpinion("the simulated day has no end")
        data = snapshot.data
        forecast = DayForecast(
            self.name, _triples(data["hours"]), data["updated"], FORECAST_MAX_AGE_MS, _triples(data["spans"])
        )
        readings = Readings(
            tuple((ms, celsius) for ms, celsius in data["readings"]),
            tuple((ms, kind, c) for ms, kind, c in data["extremes"]),
        )
        return daily_opinion(market, forecast, readings, _report_for(market, data["reports"]), moment, current().table)


def _window(now_ms: int) -> dict[str, str]:
    """Which readings to ask for. A simulator's days are not ours: there all that it has."""
    if conf.is_simulated():
        return {"limit": "500"}
    start = datetime.fromtimestamp((now_ms - READINGS_BACK_MS) / 1000, UTC)
    return {"start": start.strftime("%Y-%m-%dT%H:%M:%SZ"), "limit": "500"}


def _triples(rows: list[list[Any]]) -> tuple[tuple[int, int, float], ...]:
    return tuple((start, end, degrees) for start, end, degrees in rows)


def _grid_urls(base: str, icao: str, client: Client) -> dict[str, str]:
    """Forecast addresses of the station's grid cell, remembered for a day: cells move once in years.

    The addresses are put under our base address, so that a stub which answers with the service's own is not left."""
    key = cache.key(f"triage:grid:{base}:{icao}")
    with suppress(redis.RedisError):
        kept: dict[bytes, bytes] = cache.prices().hgetall(key)  # type: ignore[assignment]
        if kept:
            return {k.decode(): v.decode() for k, v in kept.items()}
    station = stations()[icao]
    answer = client.get_json(f"{base}/points/{station.latitude:.4f},{station.longitude:.4f}")
    urls = {
        name: base + "/gridpoints/" + url.partition("/gridpoints/")[2]
        for name, url in shapes.grid(answer, station.timezone).items()
    }
    with suppress(redis.RedisError):
        cache.prices().hset(key, mapping=urls)  # type: ignore[arg-type]
        cache.prices().expire(key, GRID_KEPT_SECONDS)
    return urls


def _reports(base: str, issued_by: str, client: Client) -> list[list[Any]]:
    """The newest climate reports: [day, high, low, is final, issued]. Their absence is not an error: they come once a day."""
    found: list[list[Any]] = []
    names: list[str] = []
    with suppress(SourceError):
        names = shapes.climate_reports(client.get_json(f"{base}/products/types/CLI/locations/{issued_by}"))
    for name in names[:REPORTS_READ]:
        with suppress(SourceError):  # one that cannot be read does not hide the others
            day, high, low, final, issued = shapes.climate_report(client.get_json(f"{base}/products/{name}"), issued_by)
            found.append([day.isoformat(), high, low, final, issued])
    return found


def _report_for(market: DailyMarket, reports: list[list[Any]]) -> ClimateReport | None:
    """The newest final report of the market's day, issued after that day ended."""
    for day, high, low, final, issued in sorted(reports, key=lambda r: -int(r[4])):
        value = high if market.extreme == "high" else low
        if date.fromisoformat(day) == market.day and final and value is not None and issued >= market.ends_ms:
            return ClimateReport(value, issued)
    return None
