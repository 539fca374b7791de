"""A weather service beside the twin: recorded shapes, seeded weather that ends as the exchange's outcomes say.

    python -m simulator.weather --exchange http://127.0.0.1:40123 --speed 1200 --port 0 --seed 1

It asks the exchange which daily temperature events are listed and, over ``/twin/truth``, how each will end, and serves what the
US National Weather Service would: ``/points``, hourly and daily forecasts, station observations, climate reports, and the
second forecast ``/v1/forecast``. One JSON line on standard output says that it listens.

**Time.** The exchange keeps recorded days in its tickers and lets them pass ``--speed`` times faster. An event's trading ends when its
climate day ends, so the moment of that day is its end less the time to the close, times the speed. All times served are of those days.

**Weather.** A day runs from its low at 6:00 to its high at 15:00 standard time, both inside the outcome that will win. Forecasts miss the
high and the low by a seeded error that shrinks with the time left; the second forecast misses by its own. Readings are whole
degrees Fahrenheit, told in tenths of Celsius, at 51 minutes past each hour that has passed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .series import weather_city

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
STALE_S = 2.0
SPREAD = 2.5
"""Standard error of a forecast a day ahead, degrees Fahrenheit."""
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
STATIONS = {
    "ATL": (33.63, -84.44, "America/New_York", -5), "AUS": (30.18, -97.68, "America/Chicago", -6),
    "BOS": (42.36, -71.01, "America/New_York", -5), "MDW": (41.78, -87.76, "America/Chicago", -6),
    "DFW": (32.90, -97.02, "America/Chicago", -6), "DCA": (38.85, -77.03, "America/New_York", -5),
    "DEN": (39.85, -104.66, "America/Denver", -7), "HOU": (29.64, -95.28, "America/Chicago", -6),
    "LAS": (36.07, -115.16, "America/Los_Angeles", -8), "LAX": (33.94, -118.39, "America/Los_Angeles", -8),
    "MIA": (25.79, -80.32, "America/New_York", -5), "MSP": (44.88, -93.23, "America/Chicago", -6),
    "MSY": (29.99, -90.25, "America/Chicago", -6), "NYC": (40.78, -73.97, "America/New_York", -5),
    "OKC": (35.39, -97.60, "America/Chicago", -6), "PHL": (39.87, -75.23, "America/New_York", -5),
    "PHX": (33.43, -112.00, "America/Phoenix", -7), "SAT": (29.53, -98.46, "America/Chicago", -6),
    "SEA": (47.44, -122.31, "America/Los_Angeles", -8), "SFO": (37.62, -122.37, "America/Los_Angeles", -8),
}  # fmt: skip
"""Climate report's issuer -> latitude, longitude, zone, hours of standard time from UTC."""


@dataclass
class Day:
    """The weather of one station on one climate day. ``reached``: how far its events' clocks have come (latest, earliest)."""

    issuer: str
    day: date
    starts: int
    high: int | None = None
    low: int | None = None
    reached: int = 0
    behind: int = 0

    def whole(self) -> tuple[int, int]:
        """(low, high); the one that no event settles on is 17 degrees away."""
        high = self.high if self.high is not None else (self.low or 60) + 17
        low = self.low if self.low is not None else high - 17
        return min(low, high), max(low, high)

    def at(self, ms: float, miss: tuple[float, float] = (0.0, 0.0)) -> float:
        """Degrees at a moment, with the low and the high missed by ``miss``."""
        low, high = self.whole()
        return low + miss[0] + (high + miss[1] - low - miss[0]) * _curve((ms - self.starts) / HOUR_MS)


def _curve(hour: float) -> float:
    """Share of the way from the low to the high: 0 at 6:00, 1 at 15:00."""
    if hour <= 6:
        return 0.3 * (1 + math.cos(math.pi * hour / 6)) / 2
    if hour <= 15:
        return (1 - math.cos(math.pi * (hour - 6) / 9)) / 2
    return 0.3 + 0.7 * (1 + math.cos(math.pi * (hour - 15) / 9)) / 2


@dataclass
class Sky:
    """All days that the exchange's events need, refreshed from it when asked."""

    exchange: str
    speed: float
    seed: int
    days: dict[tuple[str, date], Day] = field(default_factory=dict)
    asked_at: float = -1e9
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> None:
        """Ask the exchange at most every ``STALE_S`` seconds."""
        with self.lock:
            if time.monotonic() - self.asked_at < STALE_S:
                return
            outcomes = self._get("/twin/truth?sections=outcomes")["outcomes"]
            now = time.time_ns() // 1_000_000
            behind: dict[tuple[str, date], int] = {}
            for event in self._events():
                found = _issuer_and_day(event["event_ticker"], event["series_ticker"])
                if found is not None:
                    self._learn(event, found, outcomes.get(event["event_ticker"], ""), now, behind)
            for key, moment in behind.items():
                self.days[key].behind = moment
            self.asked_at = time.monotonic()

    def of(self, issuer: str) -> list[Day]:
        """The station's days, oldest first."""
        return sorted((d for d in self.days.values() if d.issuer == issuer), key=lambda d: d.day)

    def miss(self, day: Day, which: str) -> tuple[float, float]:
        """By how much a forecast of ``which`` service made now misses (low, high)."""
        rng = random.Random(f"{self.seed}:{which}:{day.issuer}:{day.day}")
        errors = rng.gauss(0, SPREAD), rng.gauss(0, SPREAD)
        left = [max(0.0, day.starts + hour * HOUR_MS - day.behind) / DAY_MS for hour in (6, 15)]
        return errors[0] * min(1.5, left[0]), errors[1] * min(1.5, left[1])

    def _learn(
        self, event: dict[str, Any], found: tuple[str, date], outcome: str, now: int, behind: dict[Any, int]
    ) -> None:
        issuer, day = found
        zone = timezone(timedelta(hours=STATIONS[issuer][3]))
        starts = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
        known = self.days.setdefault(found, Day(issuer, day, starts))
        close = max(int(datetime.fromisoformat(m["close_time"]).timestamp() * 1000) for m in event["markets"])
        moment = starts + DAY_MS - round((close - now) * self.speed)
        known.reached = max(known.reached, moment)
        behind[found] = min(behind.get(found, moment), moment)
        value = _value(event["markets"], outcome)
        if event["series_ticker"].startswith("KXHIGH"):
            known.high = value
        else:
            known.low = value

    def _events(self) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            page = self._get(
                f"/trade-api/v2/events?with_nested_markets=true&limit=200&cursor={urllib.parse.quote(cursor)}"
            )
            yield from page["events"]
            cursor = page.get("cursor") or ""
            if not cursor:
                return

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.exchange + path, timeout=5) as answer:
            return json.load(answer)


def _issuer_and_day(ticker: str, series: str) -> tuple[str, date] | None:
    """(issuer, climate day) of a daily temperature event."""
    city, found = weather_city(series), re.search(r"-(\d\d)([A-Z]{3})(\d\d)$", ticker)
    if city is None or found is None or found[2] not in MONTHS or city[3] not in STATIONS:
        return None
    return city[3], date(2000 + int(found[1]), MONTHS.index(found[2]) + 1, int(found[3]))


def _value(markets: list[dict[str, Any]], outcome: str) -> int:
    """The whole degree that the exchange reads out when it determines: the first one of the outcome that wins. Without a
    winner, of the middle outcome."""
    winner = next((m for m in markets if m["ticker"] == outcome), markets[len(markets) // 2])
    low, high = winner.get("floor_strike"), winner.get("cap_strike")
    if low is None:
        return int(high or 0) - 1
    return int(low) + (1 if winner["strike_type"] == "greater" else 0)


class Service:
    """Paths to answers."""

    def __init__(self, sky: Sky) -> None:
        self.sky = sky

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        """The JSON of a path, None if there is none."""
        self.sky.refresh()
        parts = path.strip("/").split("/")
        if parts[0] == "points" and len(parts) == 2:
            return self._point(*map(float, parts[1].split(",")))
        if parts[0] == "gridpoints" and len(parts) >= 4 and parts[3] == "forecast":
            return self._forecast(parts[1], hourly=parts[4:] == ["hourly"])
        if parts[0] == "stations" and parts[2:] == ["observations"]:
            return self._observations(parts[1])
        if parts[:3] == ["products", "types", "CLI"] and len(parts) == 5:
            return {"@graph": [{"id": r["id"], "issuanceTime": r["issuanceTime"]} for r in self._reports(parts[4])]}
        if parts[0] == "products" and len(parts) == 2:
            return next((r for r in self._reports(parts[1][:3]) if r["id"] == parts[1]), None)
        if parts == ["v1", "forecast"]:
            return self._second(float(query["latitude"][0]), float(query["longitude"][0]))
        return None

    def _point(self, latitude: float, longitude: float) -> Any:
        issuer = _nearest(latitude, longitude)
        if issuer is None:
            return None
        base = f"https://api.weather.gov/gridpoints/{issuer}/1,1"
        properties = {
            "gridId": issuer, "gridX": 1, "gridY": 1, "forecast": f"{base}/forecast", "forecastHourly": f"{base}/forecast/hourly",
            "forecastGridData": base, "observationStations": f"{base}/stations", "timeZone": STATIONS[issuer][2],
        }  # fmt: skip
        return {
            "id": f"https://api.weather.gov/points/{latitude},{longitude}",
            "type": "Feature",
            "properties": properties,
        }

    def _forecast(self, issuer: str, hourly: bool) -> Any:
        days = self.sky.of(issuer)
        if not days:
            return None
        updated = max(d.reached for d in days) - HOUR_MS // 2
        periods = list(self._hours(days) if hourly else self._halves(days))
        for number, period in enumerate(periods, 1):
            period["number"] = number
        stamp = _iso(updated)
        return {
            "type": "Feature",
            "properties": {"units": "us", "generatedAt": stamp, "updateTime": stamp, "periods": periods},
        }

    def _hours(self, days: list[Day]) -> Iterator[dict[str, Any]]:
        for day in days:
            miss = self.sky.miss(day, "nws")
            for hour in range(24):
                start = day.starts + hour * HOUR_MS
                if start + HOUR_MS > day.behind:
                    yield _period(start, HOUR_MS, round(day.at(start + HOUR_MS / 2, miss)), 6 <= hour < 18)

    def _halves(self, days: list[Day]) -> Iterator[dict[str, Any]]:
        for day in days:
            low, high = day.whole()
            miss = self.sky.miss(day, "nws")
            for hour, degrees in ((6, high + miss[1]), (18, low + miss[0])):
                if day.starts + (hour + 12) * HOUR_MS > day.behind:
                    yield _period(day.starts + hour * HOUR_MS, 12 * HOUR_MS, round(degrees), hour == 6)

    def _observations(self, icao: str) -> Any:
        days = self.sky.of(icao.removeprefix("K"))
        features = []
        for day in days:
            for hour in range(24):
                at = day.starts + hour * HOUR_MS + 51 * 60_000
                if at <= day.reached:
                    features.append(_observation(icao, at, round((round(day.at(at)) - 32) * 5 / 9, 1)))
        return {"type": "FeatureCollection", "features": features[::-1]}

    def _reports(self, issuer: str) -> list[dict[str, str]]:
        """Climate reports of days that are over, newest first."""
        found = []
        for day in self.sky.of(issuer):
            if day.reached >= day.starts + DAY_MS:
                low, high = day.whole()
                title = f"...THE {issuer} CLIMATE SUMMARY FOR {day.day:%B} {day.day.day} {day.day.year}...".upper()
                table = f"TEMPERATURE (F)\n YESTERDAY\n  MAXIMUM {high:>10}    300 PM\n  MINIMUM {low:>10}    600 AM\n"
                text = f"CLIMATE REPORT\n\n{title}\n\n{table}\nPRECIPITATION (IN)\n"
                issued = _iso(day.starts + DAY_MS + HOUR_MS)
                found.append(
                    {"id": f"{issuer}-{day.day}", "issuanceTime": issued, "productCode": "CLI", "productText": text}
                )
        return found[::-1]

    def _second(self, latitude: float, longitude: float) -> Any:
        issuer = _nearest(latitude, longitude)
        days = self.sky.of(issuer) if issuer else []
        times, degrees = [], []
        for day in days:
            miss = self.sky.miss(day, "second")
            for hour in range(24):
                times.append(_iso(day.starts + hour * HOUR_MS)[:16])
                degrees.append(round(day.at(day.starts + hour * HOUR_MS, miss), 1))
        return {
            "latitude": latitude, "longitude": longitude, "utc_offset_seconds": 0, "timezone": "GMT",
            "hourly_units": {"time": "iso8601", "temperature_2m": "°F"},
            "hourly": {"time": times, "temperature_2m": degrees},
        }  # fmt: skip


def _nearest(latitude: float, longitude: float) -> str | None:
    for issuer, (north, east, _, _) in STATIONS.items():
        if abs(north - latitude) < 0.05 and abs(east - longitude) < 0.05:
            return issuer
    return None


def _period(start: int, length: int, degrees: int, daytime: bool) -> dict[str, Any]:
    return {
        "number": 0, "name": "", "startTime": _iso(start), "endTime": _iso(start + length), "isDaytime": daytime,
        "temperature": degrees, "temperatureUnit": "F", "temperatureTrend": None, "windSpeed": "5 mph", "windDirection": "S",
        "shortForecast": "Seeded", "detailedForecast": "",
    }  # fmt: skip


def _observation(icao: str, at: int, celsius: float) -> dict[str, Any]:
    name = f"https://api.weather.gov/stations/{icao}"
    temperature = {"unitCode": "wmoUnit:degC", "value": celsius, "qualityControl": "V"}
    properties = {
        "station": name,
        "timestamp": _iso(at),
        "rawMessage": "",
        "textDescription": "Seeded",
        "temperature": temperature,
    }
    return {"id": f"{name}/observations/{_iso(at)}", "type": "Feature", "properties": properties}


def _iso(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def serve(service: Service, port: int) -> ThreadingHTTPServer:
    """A server on loopback, not yet running. OSError if the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            try:
                found = service.answer(parts.path, urllib.parse.parse_qs(parts.query))
                status = 200 if found is not None else 404
            except (urllib.error.URLError, OSError, KeyError, ValueError, IndexError) as error:
                status, found = 503, {"detail": f"{type(error).__name__}: {error}"}
            body = json.dumps(found if found is not None else {"status": 404}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/geo+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal; 2 with one sentence when it cannot."""
    parser = argparse.ArgumentParser(prog="simulator.weather", description="A weather service beside the twin.")
    parser.add_argument("--exchange", required=True, help="address of the twin, without a path")
    parser.add_argument("--speed", type=float, default=1.0, help="the twin's --speed")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    try:
        server = serve(Service(Sky(options.exchange.rstrip("/"), options.speed, options.seed)), options.port)
    except OSError as error:
        print(f"simulator.weather: port {options.port} cannot be used: {error}", file=sys.stderr)
        return 2
    print(
        json.dumps({"ready": True, "port": server.server_port, "url": f"http://127.0.0.1:{server.server_port}"}),
        flush=True,
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
