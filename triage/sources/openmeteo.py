"""A second forecast (the shape of api.open-meteo.com): hourly temperature on a grid, no readings.

It speaks only before the climate day begins; its use is to disagree. The forecast itself does not say when its model ran, so one model
is named in the request and the time at which that model's run became available is fetched beside it: a forecast without
its issue time is neither used nor scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from triage import conf
from triage.learning.current import current
from triage.sources.protocol import Client, EventFacts, NoOpinion, Opinion, Snapshot, SourceError, Subject
from triage.sources.values import number, unix_ms
from triage.weather.distribution import COLDEST, HOTTEST
from triage.weather.events import day_clock_ms, in_dispute, mapped
from triage.weather.mapping import HOUR_MS, stations
from triage.weather.opinion import DayForecast, daily_opinion

MODEL: Final = "gfs_global"
RUNS: Final = "ncep_gfs013"
"""The same model's name where its runs are listed."""
MAX_AGE_MS: Final = 14 * HOUR_MS
"""The model runs every six hours and takes four; beyond this two runs are missing."""
SNAPSHOT_MAX_AGE_MS: Final = 3 * HOUR_MS
FUTURE_MS: Final = 5 * 60_000
FARTHEST: Final = 0.2
"""Degrees of latitude or longitude between the station and the grid cell that answered."""


class OpenMeteo:
    """The source ``openmeteo``."""

    name = "openmeteo"
    refresh_seconds = 1800

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        market = mapped(event)
        if isinstance(market, NoOpinion):
            return market
        if not conf.may_query(conf.openmeteo_url()):
            return NoOpinion("the exchange is a simulator; the real weather says nothing about it")
        return Subject(market.station.icao)

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        station = stations()[subject.key]
        params = {
            "latitude": f"{station.latitude:.4f}",
            "longitude": f"{station.longitude:.4f}",
            "hourly": "temperature_2m",
            "temperature_unit": "fahrenheit",
            "timezone": "UTC",
            "forecast_days": "4",
            "models": MODEL,
        }
        issued = issued_ms(client.get_json(f"{conf.openmeteo_url()}/data/{RUNS}/static/meta.json"), now_ms)
        answer = client.get_json(f"{conf.openmeteo_url()}/v1/forecast", params)
        return Snapshot(now_ms, issued, {"hours": hours(answer, station.latitude, station.longitude)})

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        market = mapped(event)
        if isinstance(market, NoOpinion):
            return market
        if (dispute := in_dispute(market)) is not None and not conf.is_simulated():
            return dispute
        if now_ms - snapshot.fetched_ms > SNAPSHOT_MAX_AGE_MS:
            return NoOpinion(f"last heard {(now_ms - snapshot.fetched_ms) / HOUR_MS:.1f} h ago")
        moment = day_clock_ms(event, market, now_ms)
        if moment is None:
            return NoOpinion("the simulated day has no end")
        found = tuple((start, end, degrees) for start, end, degrees in snapshot.data["hours"])
        forecast = DayForecast(self.name, found, snapshot.as_of_ms, MAX_AGE_MS)
        return daily_opinion(market, forecast, None, None, moment, current().table)


def issued_ms(answer: Any, now_ms: int) -> int:
    """When the newest run became available, Unix milliseconds. SourceError where that is not said, or lies in the future."""
    found = number(answer.get("last_run_availability_time")) if isinstance(answer, Mapping) else None
    if found is None or not 1e9 < found < 1e10:
        raise SourceError("the forecast's issue time is not known")
    if found * 1000 > now_ms + FUTURE_MS:
        raise SourceError("the forecast says that it was issued in the future")
    return min(now_ms, int(found * 1000))


def hours(answer: Any, latitude: float, longitude: float) -> list[tuple[int, int, float]]:
    """[(start, end, degrees F), ...]. SourceError for other units, another zone, another place or nothing at all."""
    if not isinstance(answer, Mapping):
        raise SourceError("not a forecast")
    units, rows = answer.get("hourly_units"), answer.get("hourly")
    if not isinstance(units, Mapping) or not isinstance(rows, Mapping):
        raise SourceError("a forecast without hours")
    if units.get("temperature_2m") != "°F":
        raise SourceError(f"temperatures in {units.get('temperature_2m')!r} instead of °F")
    if number(answer.get("utc_offset_seconds")) != 0:
        raise SourceError("times are not UTC")
    where = number(answer.get("latitude")), number(answer.get("longitude"))
    if where[0] is None or where[1] is None:
        raise SourceError("a forecast without a place")
    far = max(abs(where[0] - latitude), abs(where[1] - longitude))
    if far > FARTHEST:
        raise SourceError(f"a forecast for a place {far:.2f} degrees away")
    times, temperatures = rows.get("time"), rows.get("temperature_2m")
    if not isinstance(times, list) or not isinstance(temperatures, list) or len(times) != len(temperatures):
        raise SourceError("a forecast whose hours and temperatures do not fit together")
    found = []
    for text, raw in zip(times, temperatures, strict=True):
        degrees, start = number(raw), unix_ms(f"{text}+00:00")
        if degrees is None or start is None:
            continue
        if not COLDEST <= degrees <= HOTTEST:
            raise SourceError(f"a forecast of {degrees} °F")
        found.append((start - HOUR_MS // 2, start + HOUR_MS // 2, degrees))
    if not found:
        raise SourceError("a forecast without hours")
    return found
