"""The weather of the simulator's days: seeded, and ending as the exchange's outcomes say.

A day runs from its low at 6:00 to its high at 15:00 standard time. The low and the high are the values that the exchange will
read out; where a day has an event for one of them only, the other is 17 degrees away. A day may turn (``adverse_turns``): from then
on it heads for its new high, and what was measured before stays as it was. The exchange keeps recorded days in its
tickers and lets them pass faster: an event's trading ends when its climate day ends, so the moment of that day is its end less
the time to the close, times the speed.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

from simulator.listing.series import weather_city
from simulator.listing.tickers import last_day

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
STALE_S = 2.0
SPREAD = 2.5
"""Standard error of a forecast a day ahead, degrees Fahrenheit."""
STATIONS = {
    "ATL": (33.63, -84.44, "America/New_York", -5),
    "AUS": (30.18, -97.68, "America/Chicago", -6),
    "BOS": (42.36, -71.01, "America/New_York", -5),
    "MDW": (41.78, -87.76, "America/Chicago", -6),
    "DFW": (32.90, -97.02, "America/Chicago", -6),
    "DCA": (38.85, -77.03, "America/New_York", -5),
    "DEN": (39.85, -104.66, "America/Denver", -7),
    "HOU": (29.64, -95.28, "America/Chicago", -6),
    "LAS": (36.07, -115.16, "America/Los_Angeles", -8),
    "LAX": (33.94, -118.39, "America/Los_Angeles", -8),
    "MIA": (25.79, -80.32, "America/New_York", -5),
    "MSP": (44.88, -93.23, "America/Chicago", -6),
    "MSY": (29.99, -90.25, "America/Chicago", -6),
    "NYC": (40.78, -73.97, "America/New_York", -5),
    "OKC": (35.39, -97.60, "America/Chicago", -6),
    "PHL": (39.87, -75.23, "America/New_York", -5),
    "PHX": (33.43, -112.00, "America/Phoenix", -7),
    "SAT": (29.53, -98.46, "America/Chicago", -6),
    "SEA": (47.44, -122.31, "America/Los_Angeles", -8),
    "SFO": (37.62, -122.37, "America/Los_Angeles", -8),
}
"""Climate report's issuer -> latitude, longitude, zone, hours of standard time from UTC."""


@dataclass
class Day:
    """The weather of one station on one climate day. ``closes``: event -> when its trading ends, real milliseconds."""

    issuer: str
    day: date
    starts: int
    speed: float
    high: int | None = None
    low: int | None = None
    closes: dict[str, int] = field(default_factory=dict)
    before: list[tuple[int, tuple[int, int]]] = field(default_factory=list)
    """(moment of the day, low and high that it was heading for until then), oldest first: how it turned."""

    @property
    def reached(self) -> int:
        """How far the day has come by the clock of the event that is farthest."""
        return self._moment(min(self.closes.values()))

    @property
    def behind(self) -> int:
        """How far it has come by the clock of the event that is least far."""
        return self._moment(max(self.closes.values()))

    def _moment(self, close: int) -> int:
        return self.starts + DAY_MS - round((close - time.time_ns() // 1_000_000) * self.speed)

    def whole(self) -> tuple[int, int]:
        """(low, high); the one that no event settles on is 17 degrees away."""
        high = self.high if self.high is not None else (self.low or 60) + 17
        low = self.low if self.low is not None else high - 17
        return min(low, high), max(low, high)

    def at(self, ms: float, miss: tuple[float, float] = (0.0, 0.0)) -> float:
        """Degrees at a moment, with the low and the high missed by ``miss``."""
        low, high = next((bounds for until, bounds in self.before if ms <= until), self.whole())
        return low + miss[0] + (high + miss[1] - low - miss[0]) * _curve((ms - self.starts) / HOUR_MS)


def _curve(hour: float) -> float:
    """Share of the way from the low to the high: 0 at 6:00, 1 at 15:00."""
    if hour <= 6:
        return 0.3 * (1 + math.cos(math.pi * hour / 6)) / 2
    if hour <= 15:
        return (1 - math.cos(math.pi * (hour - 6) / 9)) / 2
    return 0.3 + 0.7 * (1 + math.cos(math.pi * (hour - 15) / 9)) / 2


@dataclass
class WeatherDays:
    """All days that the exchange's events need, refreshed from it on demand."""

    exchange: str
    speed: float
    seed: int
    days: dict[tuple[str, date], Day] = field(default_factory=dict)
    fetched_at: float = -1e9
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> None:
        """Fetch from the exchange at most every ``STALE_S`` seconds."""
        with self.lock:
            if time.monotonic() - self.fetched_at < STALE_S:
                return
            outcomes = self._get("/twin/truth?sections=outcomes")["outcomes"]
            for event in self._events():
                found = _issuer_and_day(event["event_ticker"], event["series_ticker"])
                if found is not None:
                    self._update(event, found, outcomes.get(event["event_ticker"], ""))
            self.fetched_at = time.monotonic()

    def of(self, issuer: str) -> list[Day]:
        """The station's days, oldest first."""
        return sorted((d for d in self.days.values() if d.issuer == issuer), key=lambda d: d.day)

    def miss(self, day: Day, which: str) -> tuple[float, float]:
        """By how much a forecast of ``which`` service made now misses (low, high)."""
        rng = random.Random(f"{self.seed}:{which}:{day.issuer}:{day.day}")
        errors = rng.gauss(0, SPREAD), rng.gauss(0, SPREAD)
        left = [max(0.0, day.starts + hour * HOUR_MS - day.behind) / DAY_MS for hour in (6, 15)]
        return errors[0] * min(1.5, left[0]), errors[1] * min(1.5, left[1])

    def _update(self, event: dict[str, Any], found: tuple[str, date], outcome: str) -> None:
        issuer, day = found
        zone = timezone(timedelta(hours=STATIONS[issuer][3]))
        starts = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
        known = self.days.setdefault(found, Day(issuer, day, starts, self.speed))
        closes = [int(datetime.fromisoformat(m["close_time"]).timestamp() * 1000) for m in event["markets"]]
        known.closes[event["event_ticker"]] = min(closes)
        value = _value(event["markets"], outcome)
        which = "high" if event["series_ticker"].startswith("KXHIGH") else "low"
        if getattr(known, which) not in (None, value):
            known.before.append((known.reached, known.whole()))  # what was measured so far stays as it was
        setattr(known, which, value)

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
    city, day = weather_city(series), last_day(ticker)
    if city is None or day is None or city[3] not in STATIONS:
        return None
    return city[3], day


def _value(markets: list[dict[str, Any]], outcome: str) -> int:
    """The whole degree that the exchange reads out when it determines: the first one of the outcome that wins. Without a
    winner, of the middle outcome."""
    winner = next((m for m in markets if m["ticker"] == outcome), markets[len(markets) // 2])
    low, high = winner.get("floor_strike"), winner.get("cap_strike")
    if low is None:
        return int(high or 0) - 1
    return int(low) + (1 if winner["strike_type"] == "greater" else 0)


def nearest(latitude: float, longitude: float) -> str | None:
    """The station at a place, None if there is none."""
    for issuer, (north, east, _, _) in STATIONS.items():
        if abs(north - latitude) < 0.05 and abs(east - longitude) < 0.05:
            return issuer
    return None
