"""A weather service on loopback in the recorded shapes, with weather that a test decides and faults that it switches on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from triage.weather.mapping import HOUR_MS, stations


def iso(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


@dataclass
class Weather:
    """``temperature``: degrees F at a moment. ``fault``: path part -> what happens to requests that contain it: a status, ``slow``
    (thirty seconds before the first byte), ``trickle`` (thirty seconds for the body), ``drip`` (for the headers), ``garbage``."""

    now_ms: int
    temperature: Callable[[float], float]
    second: Callable[[float], float] | None = None
    reports: list[dict[str, str]] = field(default_factory=list)
    fault: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    unit: str = "F"
    station_says: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    retry_after: str = ""
    waiting: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        if path in self.extra:
            return self.extra[path]
        if path == "/v1/forecast":
            return self._second(float(query["latitude"][0]), float(query["longitude"][0]))
        if path == "/data/ncep_gfs013/static/meta.json":
            return {"last_run_availability_time": (self.now_ms - 2 * HOUR_MS) // 1000}
        if path.startswith("/points/"):
            return self._point(path)
        if path.endswith("/forecast/hourly"):
            return self._forecast(HOUR_MS, 60)
        if path.endswith("/forecast"):
            return self._forecast(12 * HOUR_MS, 6)
        if path.endswith("/observations"):
            return self._observations(path.split("/")[2])
        if path.startswith("/products/types/CLI/"):
            return {"@graph": [{"id": r["id"], "issuanceTime": r["issuanceTime"]} for r in self.reports]}
        if path.startswith("/products/"):
            return next((r for r in self.reports if r["id"] == path.rpartition("/")[2]), None)
        return None

    def _point(self, path: str) -> Any:
        latitude, longitude = map(float, path.rpartition("/")[2].split(","))
        zone = next(
            s.timezone
            for s in stations().values()
            if abs(s.latitude - latitude) < 0.01 and abs(s.longitude - longitude) < 0.01
        )
        base = "https://api.weather.gov/gridpoints/XXX/1,2/forecast"
        return {"properties": {"timeZone": zone, "forecast": base, "forecastHourly": f"{base}/hourly"}}

    def _forecast(self, step: int, number: int) -> Any:
        start = self.now_ms - self.now_ms % HOUR_MS
        periods = []
        for i in range(number):
            degrees = self.temperature(start + (i + 0.5) * step) if step == HOUR_MS else -70
            value = round(degrees) if self.unit == "F" else round((degrees - 32) * 5 / 9, 1)
            begin, end = iso(start + i * step), iso(start + (i + 1) * step)
            periods.append({"startTime": begin, "endTime": end, "temperature": value, "temperatureUnit": self.unit})
        return {"properties": {"updateTime": iso(self.now_ms - HOUR_MS), "periods": periods if step == HOUR_MS else []}}

    def _observations(self, icao: str) -> Any:
        said = self.station_says or icao
        features = []
        for i in range(34):
            at = self.now_ms - self.now_ms % HOUR_MS - i * HOUR_MS - 9 * 60_000
            celsius = round((self.temperature(at) - 32) * 5 / 9, 1)
            quantity = {"value": celsius, "unitCode": "wmoUnit:degC", "qualityControl": "V"}
            station = f"https://api.weather.gov/stations/{said}"
            features.append(
                {"properties": {"station": station, "timestamp": iso(at), "temperature": quantity, "rawMessage": ""}}
            )
        return {"features": features}

    def _second(self, latitude: float, longitude: float) -> Any:
        start = self.now_ms - self.now_ms % (24 * HOUR_MS)
        times = [start + i * HOUR_MS for i in range(96)]
        of = self.second or self.temperature
        return {
            "latitude": latitude,
            "longitude": longitude,
            "utc_offset_seconds": 0,
            "hourly_units": {"time": "iso8601", "temperature_2m": "°F"},
            "hourly": {"time": [iso(t)[:16] for t in times], "temperature_2m": [round(of(t), 1) for t in times]},
        }


def _drip(handler: BaseHTTPRequestHandler, weather: Weather) -> None:
    """A header that never ends, a byte at a time: each read is answered, the answer is not."""
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        for _ in range(300):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            if weather.released.wait(0.1):
                return


@contextmanager
def serving(weather: Weather) -> Iterator[str]:
    """The base address while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            weather.requests.append(parts.path)
            weather.agents.add(self.headers.get("User-Agent", ""))
            fault = next((what for part, what in weather.fault.items() if part in parts.path), "")
            body = b"{}"
            if fault == "slow":
                weather.waiting.set()
                weather.released.wait(30)
            if fault == "drip":
                _drip(self, weather)
                return
            status = int(fault) if fault.isdigit() else 200
            if status == 200:
                found = weather.answer(parts.path, parse_qs(parts.query))
                status, body = (404, b"{}") if found is None else (200, json.dumps(found).encode())
            if fault == "garbage":
                body = b"<html>busy</html>"
            self.send_response(status)
            if status in (429, 503) and weather.retry_after:
                self.send_header("Retry-After", weather.retry_after)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault == "trickle":
                with suppress(OSError):  # the other side may have hung up: that is the point
                    for byte in body[:300]:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(0.1)
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        weather.released.set()
        server.shutdown()
        server.server_close()
