"""A weather service beside the simulator: recorded shapes, seeded weather that ends as the exchange's outcomes say.

    python -m simulator.weather.service --exchange http://127.0.0.1:40123 --speed 1200 --port 0 --seed 1

It fetches from the exchange which daily temperature events are listed and, over ``/twin/truth``, how each will end, and serves what the
US National Weather Service would: ``/points``, hourly and daily forecasts, station observations, climate reports, and the
second forecast ``/v1/forecast``, whose run's time is under ``/data/MODEL/static/meta.json``. One JSON line on standard output
says that it listens.

**Time.** All times served are of the recorded days (see ``days``).

**Weather.** Forecasts miss the high and the low by a seeded error that shrinks with the time left; the second forecast misses by
its own. Readings are whole degrees Fahrenheit, reported in tenths of Celsius, at 51 minutes past each hour that has passed.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .days import DAY_MS, HOUR_MS, STATIONS, Day, WeatherDays, nearest


class Service:
    """Paths to answers."""

    def __init__(self, days: WeatherDays) -> None:
        self.days = days

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        """The JSON of a path, None if there is none."""
        self.days.refresh()
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
        if parts[0] == "data" and parts[2:] == ["static", "meta.json"]:
            reached = [day.reached for issuer in STATIONS for day in self.days.of(issuer)]
            return {"last_run_availability_time": max(reached) // 1000 - 1800} if reached else None
        if parts == ["v1", "forecast"]:
            return self._second(float(query["latitude"][0]), float(query["longitude"][0]))
        return None

    def _point(self, latitude: float, longitude: float) -> Any:
        issuer = nearest(latitude, longitude)
        if issuer is None:
            return None
        base = f"https://api.weather.gov/gridpoints/{issuer}/1,1"
        properties = {
            "gridId": issuer,
            "gridX": 1,
            "gridY": 1,
            "forecast": f"{base}/forecast",
            "forecastHourly": f"{base}/forecast/hourly",
            "forecastGridData": base,
            "observationStations": f"{base}/stations",
            "timeZone": STATIONS[issuer][2],
        }
        return {
            "id": f"https://api.weather.gov/points/{latitude},{longitude}",
            "type": "Feature",
            "properties": properties,
        }

    def _forecast(self, issuer: str, hourly: bool) -> Any:
        days = self.days.of(issuer)
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
            miss = self.days.miss(day, "nws")
            for hour in range(24):
                start = day.starts + hour * HOUR_MS
                if start + HOUR_MS > day.behind:
                    yield _period(start, HOUR_MS, round(day.at(start + HOUR_MS / 2, miss)), 6 <= hour < 18)

    def _halves(self, days: list[Day]) -> Iterator[dict[str, Any]]:
        for day in days:
            low, high = day.whole()
            miss = self.days.miss(day, "nws")
            for hour, degrees in ((6, high + miss[1]), (18, low + miss[0])):
                if day.starts + (hour + 12) * HOUR_MS > day.behind:
                    yield _period(day.starts + hour * HOUR_MS, 12 * HOUR_MS, round(degrees), hour == 6)

    def _observations(self, icao: str) -> Any:
        days = self.days.of(icao.removeprefix("K"))
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
        for day in self.days.of(issuer):
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
        issuer = nearest(latitude, longitude)
        days = self.days.of(issuer) if issuer else []
        times, degrees = [], []
        for day in days:
            miss = self.days.miss(day, "second")
            for hour in range(24):
                times.append(_iso(day.starts + hour * HOUR_MS)[:16])
                degrees.append(round(day.at(day.starts + hour * HOUR_MS, miss), 1))
        return {
            "latitude": latitude,
            "longitude": longitude,
            "utc_offset_seconds": 0,
            "timezone": "GMT",
            "hourly_units": {"time": "iso8601", "temperature_2m": "°F"},
            "hourly": {"time": times, "temperature_2m": degrees},
        }


def _period(start: int, length: int, degrees: int, daytime: bool) -> dict[str, Any]:
    return {
        "number": 0,
        "name": "",
        "startTime": _iso(start),
        "endTime": _iso(start + length),
        "isDaytime": daytime,
        "temperature": degrees,
        "temperatureUnit": "F",
        "temperatureTrend": None,
        "windSpeed": "5 mph",
        "windDirection": "S",
        "shortForecast": "Seeded",
        "detailedForecast": "",
    }


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
    parser = argparse.ArgumentParser(
        prog="simulator.weather.service", description="A weather service beside the simulator."
    )
    parser.add_argument("--exchange", required=True, help="address of the simulator, without a path")
    parser.add_argument("--speed", type=float, default=1.0, help="the simulator's --speed")
    parser.add_argument("--port", type=int, default=0, help="port; 0: a free one")
    parser.add_argument("--seed", type=int, default=1, help="another weather")
    options = parser.parse_args(argv)
    try:
        server = serve(Service(WeatherDays(options.exchange.rstrip("/"), options.speed, options.seed)), options.port)
    except OSError as error:
        print(f"simulator.weather.service: port {options.port} cannot be used: {error}", file=sys.stderr)
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
