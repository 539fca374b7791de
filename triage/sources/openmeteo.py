"""A second forecast (the shape of api.open-meteo.com): hourly temperature on a grid, no readings.

It speaks only before the climate day begins; its use is to disagree. It does not say when its model ran, so its age is
that of the fetch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from triage import conf
from triage.sources.protocol import Client, EventFacts, NoOpinion, Opinion, Snapshot, SourceError, Subject
from triage.weather.distribution import COLDEST, HOTTEST
from triage.weather.events import day_clock_ms, mapped
from triage.weather.mapping import HOUR_MS, stations
from triage.weather.opinion import DayForecast, daily_opinion

MAX_AGE_MS: Final = 3 * HOUR_MS
FARTHEST: Final = 0.2
"""Degrees of latitude or longitude between the station and the grid cell that answered."""


class OpenMeteo:
    """The source ``openmeteo``."""

    name = "openmeteo"
    refresh_seconds = 1800

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        market = mapped(event)
        if isinstance(market, str):
            return NoOpinion(market)
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
        }
        answer = client.get_json(f"{conf.openmeteo_url()}/v1/forecast", params)
        return Snapshot(now_ms, now_ms, {"hours": hours(answer, station.latitude, station.longitude)})

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        market = mapped(event)
        if isinstance(market, str):
            return NoOpinion(market)
        moment = day_clock_ms(event, market, now_ms)
        if moment is None:
            return NoOpinion("the simulated day has no end")
        found = tuple((start, end, degrees) for start, end, degrees in snapshot.data["hours"])
        forecast = DayForecast(self.name, found, moment - (now_ms - snapshot.as_of_ms), MAX_AGE_MS)
        return daily_opinion(market, forecast, None, None, moment)


def hours(answer: Any, latitude: float, longitude: float) -> list[tuple[int, int, float]]:
    """[(start, end, degrees F), ...]. SourceError for other units, another zone, another place or nothing at all."""
    if not isinstance(answer, Mapping):
        raise SourceError("not a forecast")
    units, rows = answer.get("hourly_units"), answer.get("hourly")
    if not isinstance(units, Mapping) or not isinstance(rows, Mapping):
        raise SourceError("a forecast without hours")
    if units.get("temperature_2m") != "°F":
        raise SourceError(f"temperatures in {units.get('temperature_2m')!r} instead of °F")
    if answer.get("utc_offset_seconds") != 0:
        raise SourceError("times are not UTC")
    try:
        far = max(abs(float(answer["latitude"]) - latitude), abs(float(answer["longitude"]) - longitude))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError("a forecast without a place") from error
    if far > FARTHEST:
        raise SourceError(f"a forecast for a place {far:.2f} degrees away")
    found = []
    for text, degrees in zip(rows.get("time") or (), rows.get("temperature_2m") or (), strict=False):
        if isinstance(degrees, int | float) and math.isfinite(degrees):
            if not COLDEST <= degrees <= HOTTEST:
                raise SourceError(f"a forecast of {degrees} °F")
            start = int(datetime.fromisoformat(str(text)).replace(tzinfo=UTC).timestamp() * 1000)
            found.append((start - HOUR_MS // 2, start + HOUR_MS // 2, float(degrees)))
    if not found:
        raise SourceError("a forecast without hours")
    return found
