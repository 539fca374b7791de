"""The exchange's own city temperature index: ``GET /live_data/weather/{city}``, for hourly events that settle on it.

An event is covered only if its own texts say that it settles on that index, its city is one whose id is known
(``CITIES``), its outcomes are disjoint ranges, and its hour is near. Hourly series that settle on another company's
readings (The Weather Company, as recorded in July 2026) are *not* covered, however close the numbers are.

The index is a minute series in degrees Fahrenheit with two decimals; minutes without a value are gaps. Points that were
filled in later (``receipt_basis``) do not settle anything and are left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from math import sqrt
from typing import Any, Final
from zoneinfo import ZoneInfo

from triage import conf
from triage.scoring.ranked import normal_cdf
from triage.sources.protocol import Client, EventFacts, Listing, NoOpinion, Opinion, Snapshot, SourceError, Subject
from triage.sources.values import number, objects
from triage.weather.distribution import COLDEST, HOTTEST
from triage.weather.mapping import Unmapped, ticker_day

MINUTE_MS: Final = 60_000
MAX_AGE_MS: Final = 10 * MINUTE_MS
FARTHEST_MS: Final = 90 * MINUTE_MS
"""Beyond this, persistence of the index says too little."""
CITIES: Final = {"MIA": ("miami", "America/New_York")}
"""Letters of the series -> (the index's city id, zone of the hour in its tickers). Only ids that the API definition names."""

_SERIES: Final = re.compile(r"\AKXTEMP([A-Z]{2,4})H\Z")
_HOUR: Final = re.compile(r"\A(.+-\d{2}[A-Z]{3}\d{2})(\d{2})\Z")
_INDEX: Final = re.compile(r"kalshi[^.]{0,60}temperature index|temperature index[^.]{0,60}kalshi", re.IGNORECASE)


class CityTemperature:
    """The source ``citytemp``."""

    name = "citytemp"
    refresh_seconds = 60

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        found = _SERIES.match(event.series)
        if found is None:
            return NoOpinion("no hourly temperature series")
        said = [*(x.rules for x in event.listings), event.rules_secondary, *(name for name, _ in event.sources)]
        if not any(_INDEX.search(text) for text in said):
            settles = ", ".join(name for name, _ in event.sources) or "something else"
            return NoOpinion(f"it settles on {settles}, not on the exchange's index")
        if found[1] not in CITIES:
            return NoOpinion(f"the index's id for {found[1]} is not known")
        if isinstance(when := target_ms(event), str):
            return NoOpinion(when)
        return Subject(CITIES[found[1]][0])

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        answer = client.get_json(f"{conf.citytemp_url()}/live_data/weather/{subject.key}", {"last_sec": "7200"})
        points = index_points(answer, subject.key)
        return Snapshot(now_ms, points[-1][0], {"points": points})

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        when, points = target_ms(event), snapshot.data["points"]
        if isinstance(when, str):
            return NoOpinion(when)
        at, value = points[-1]
        if at > now_ms + MINUTE_MS:
            return NoOpinion("the index is dated ahead")
        if now_ms - at > MAX_AGE_MS and at < when:
            return NoOpinion(f"the index is {(now_ms - at) / MINUTE_MS:.0f} min old")
        if when - at > FARTHEST_MS:
            return NoOpinion("the hour is too far away")
        settled = next((v for t, v in points if t == when), None)
        center, spread = (
            (settled, 0.001) if settled is not None else (value, 0.15 * sqrt(max(1, (when - at) / MINUTE_MS)))
        )
        found = range_probabilities(event.listings, center, spread)
        if isinstance(found, str):
            return NoOpinion(found)
        words = f"index of {subject.key} {value:.2f} °F, {max(0, when - at) / MINUTE_MS:.0f} min before the hour"
        return Opinion(found, at, words, f"{spread:.2f} °F", {"unit": "°F", "center": center, "spread": spread})


def target_ms(event: EventFacts) -> int | str:
    """The minute that decides, from the ticker (``…-26JUL1522`` = 22:00 in the city); or why it is unknown."""
    found, series = _HOUR.match(event.ticker), _SERIES.match(event.series)
    if found is None or series is None or series[1] not in CITIES:
        return "no hour in the ticker"
    try:
        day = ticker_day(found[1])
    except Unmapped as error:
        return str(error)
    hour = int(found[2])
    if hour > 24:
        return "no such hour"
    zone = ZoneInfo(CITIES[series[1]][1])
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    moment = (start.replace(tzinfo=None) + timedelta(hours=hour)).replace(tzinfo=zone)
    if moment.utcoffset() != (moment + timedelta(hours=1)).utcoffset() or moment.fold:
        return "the clocks change at that hour"
    return int(moment.timestamp() * 1000)


def index_points(answer: Any, city: str) -> list[tuple[int, float]]:
    """[(minute, degrees F), ...] oldest first, without minutes of two values and values that no weather has. SourceError for another city,
    another unit, or no usable minute."""
    if not isinstance(answer, Mapping) or answer.get("city") != city:
        raise SourceError("not the index of this city")
    if answer.get("units") != "fahrenheit":
        raise SourceError(f"the index is in {answer.get('units')!r}")
    found: dict[int, set[float]] = {}
    for point in objects(answer.get("timeseries") or [], "the index"):
        t, v = number(point.get("t")), number(point.get("v"))
        usable = point.get("status") in ("normal", "degraded") and "receipt_basis" not in point
        if usable and t is not None and t == int(t) and v is not None and COLDEST <= v <= HOTTEST:
            found.setdefault(int(t), set()).add(v)
    points = sorted((t, values.pop()) for t, values in found.items() if len(values) == 1)
    if not points:
        raise SourceError("the index has no usable minute")
    return points


def range_probabilities(listings: tuple[Listing, ...], center: float, spread: float) -> dict[str, float] | str:
    """Probability of each range of a value known to the hundredth; or why the outcomes are no disjoint ranges."""
    ranges = []
    for x in listings:
        try:
            low = float(x.floor) + (0.005 if x.strike_type == "greater" else -0.005) if x.floor else -math.inf
            high = float(x.cap) - (0.005 if x.strike_type == "less" else -0.005) if x.cap else math.inf
        except ValueError:
            return "a strike is no number"
        if x.strike_type not in ("greater", "less", "between") or low >= high:
            return "strikes of no known kind"
        ranges.append((low, high, x.ticker))
    ranges.sort()
    if any(a[1] > b[0] + 1e-9 for a, b in pairwise(ranges)):
        return "the outcomes are not disjoint"
    return {t: normal_cdf((high - center) / spread) - normal_cdf((low - center) / spread) for low, high, t in ranges}
