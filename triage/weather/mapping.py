"""Which station, which day, which bounds: read from the event's own rules, and checked against what was reviewed.

A daily temperature event is mapped only if everything that it says about itself agrees:

- its series is in ``data/series.json``, each entry with the rules text and settlement source that it was read from;
- its settlement source is the National Weather Service's daily climate report (``product=CLI``) *issued by* that station;
- its rules name the same report, the same extreme (highest / lowest), a place that is known to mean the station, and the
  day in its ticker; what the second part names (``CLIxxx``, a location) is the same station, and every sentence of it is one that was read:
  another source may hide in one that was not;
- its contract terms, where it names any, are among those that the reviewed series have;
- the bounds in each market's rules are the strikes of that market, and the outcomes tile the whole degrees.

What the event does not say (an exchange that serves no rules text) is not held against it; what it says differently is.
Anything else is ``Unmapped`` with the reason: no mapping, no opinion.

The climate day is midnight to midnight in *local standard time* all year round: on a summer's day 1:00 to 1:00 by the
clocks, and 24 hours long on the days on which the clocks change. Values are whole degrees Fahrenheit; ``greater than
95`` begins at 96, ``less than 88`` ends at 87, ``between 85-86`` has both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote

from markets.terms.reading.primary import read_condition
from markets.terms.reading.secondary import Topic, read_sentence
from markets.terms.reading.text import address_of, plain, sentences
from markets.terms.sources import NWS_CLI

Extreme = Literal["high", "low"]
DATA: Final = Path(__file__).parent / "data"
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TICKER_DAY: Final = re.compile(r"-(\d{2})([A-Z]{3})(\d{2})\Z")
_RULE: Final = re.compile(
    r"If the (?P<word>highest|maximum|lowest|minimum) temperature recorded (?:in|at) (?P<place>.+?) for "
    r"(?P<month>[A-Z][a-z]{2})[a-z]* (?P<day>\d{1,2}), (?P<year>\d{4})\b",
)
_BOUND: Final = re.compile(
    r"is (?:(?P<way>greater|less) than (?P<limit>-?\d+(?:\.\d+)?)°|between (?P<low>-?\d+)\s*(?:-|–|° to |° and )\s*(?P<high>-?\d+)°)"
)
REVIEWED_TERMS: Final = frozenset(
    ("AUSHIGH", "CHIHIGH", "DENHIGH", "LAXHIGH", "MIAHIGH", "NHIGH", "PHILHIGH", "GLOBALTEMPERATURE", "TEMPERATURE")
)
"""Documents of contract terms of the reviewed series, by name; the last is the simulator's. Another one may name another source."""
AMENDED: Final = {"GLOBALTEMPERATURE": (date(2026, 8, 17), "The Weather Company")}
"""Contract terms -> from which day on they name whom first. An event under them settles on that source's figures first."""
_CLI: Final = re.compile(r"\bCLI([A-Z0-9]{3})\b")
_LOCATION: Final = re.compile(r'(?:location|choose) "([^"]*)"')


@dataclass(frozen=True, slots=True)
class Station:
    """A climate station. ``names``: places that mean it in rules texts; ``locations``: the weather service's own words for it in the
    menus that rules point to. ``standard_hours``: UTC offset of standard time."""

    icao: str
    issued_by: str
    names: frozenset[str]
    locations: frozenset[str]
    latitude: float
    longitude: float
    timezone: str
    standard_hours: int

    def day_bounds(self, day: date) -> tuple[int, int]:
        """The climate day in Unix milliseconds, end exclusive."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=timezone(timedelta(hours=self.standard_hours)))
        start = int(midnight.timestamp() * 1000)
        return start, start + DAY_MS

    def day_of(self, ms: int) -> date:
        """The climate day that a moment belongs to."""
        return (datetime.fromtimestamp(ms / 1000, UTC) + timedelta(hours=self.standard_hours)).date()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whole degrees that an outcome takes, both ends included; None = open end."""

    low: int | None
    high: int | None

    def has(self, degrees: int) -> bool:
        """Whether a settled value belongs to the outcome."""
        return (self.low is None or degrees >= self.low) and (self.high is None or degrees <= self.high)


@dataclass(frozen=True, slots=True)
class DailyMarket:
    """A mapped event: what settles it. ``starts_ms``..``ends_ms``: the climate day, end exclusive."""

    station: Station
    extreme: Extreme
    day: date
    starts_ms: int
    ends_ms: int
    bounds: Mapping[str, Bounds]


class Unmapped(ValueError):
    """The event cannot be mapped with certainty. The message says why."""


class OtherSource(Unmapped):
    """A reviewed series whose event names another source, report or place than was reviewed, or something that was not read: a
    person has to check it."""


def daily_market(
    event_ticker: str,
    series: str,
    markets: Iterable[Mapping[str, str]],
    sources: Iterable[tuple[str, str]],
    rules_secondary: str = "",
    terms_url: str = "",
) -> DailyMarket:
    """Map one event. ``markets``: ``ticker``, ``strike_type``, ``floor``, ``cap``, ``rules`` as strings, empty if absent;
    ``sources``: settlement sources (name, url); ``rules_secondary``: of all markets, each text once; ``terms_url``: of the contract
    terms. Raises Unmapped."""
    reviewed = reviewed_series().get(series)
    if reviewed is None:
        raise Unmapped(f"{series} is not a reviewed daily temperature series")
    station, extreme = stations()[reviewed["station"]], reviewed["extreme"]
    rows = list(markets)
    day = ticker_day(event_ticker)
    check_terms(terms_url, day)
    for _, url in sources:
        if (issuer := issuing_station(url)) != station.issued_by:
            raise OtherSource(f"settles on {issuer or url}, reviewed was {station.issued_by}")
    check_secondary(rules_secondary, station)
    bounds = {}
    for row in rows:
        bounds[row["ticker"]] = strike_bounds(row["strike_type"], row["floor"], row["cap"])
        if row["rules"]:
            check_rules(row["rules"], station, extreme, day, bounds[row["ticker"]])
    check_tiling(bounds.values())
    starts, ends = station.day_bounds(day)
    return DailyMarket(station, extreme, day, starts, ends, bounds)


def check_secondary(rules: str, station: Station) -> None:
    """Raise OtherSource where the rules' second part says anything that was not read, or points to another station or place."""
    unread = next((s for s in sentences(rules) if read_sentence(s, Topic.WEATHER) is None), "")
    if unread:
        raise OtherSource(f"a sentence of the rules was not read: {unread}")
    text = plain(rules)  # as the sentences were read
    for named in _CLI.findall(text):
        if named != station.issued_by:
            raise OtherSource(f"the rules point to CLI{named}, reviewed was CLI{station.issued_by}")
    for place in _LOCATION.findall(text):
        if place not in station.locations:
            raise OtherSource(f"the rules point to {place!r}, which is not known to mean {station.icao}")


def check_terms(url: str, day: date) -> None:
    """Raise OtherSource where the contract terms were not reviewed, or name another source first from this day on."""
    name = unquote(address_of(url).path).rpartition("/")[2].rpartition(".")[0].upper()
    if url and name not in REVIEWED_TERMS:
        raise OtherSource(f"its contract terms were not reviewed: {url}")
    since, who = AMENDED.get(name, (date.max, ""))
    if day >= since:
        raise OtherSource(f"its contract terms ({name}) name {who} first since {since}")


def ticker_day(event_ticker: str) -> date:
    """``KXHIGHNY-26JUL17`` -> 2026-07-17. Raises Unmapped."""
    found = _TICKER_DAY.search(event_ticker)
    if found is None or found[2] not in _MONTHS:
        raise Unmapped(f"no day in {event_ticker}")
    try:
        return date(2000 + int(found[1]), _MONTHS.index(found[2]) + 1, int(found[3]))
    except ValueError as error:
        raise Unmapped(f"no such day: {event_ticker}") from error


def issuing_station(url: str) -> str | None:
    """The station of a daily climate report's address, None if it is not one.

    >>> issuing_station("https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=NYC")
    'NYC'
    """
    parts = address_of(url)
    query = parse_qs(parts.query)
    if (
        parts.hostname != "forecast.weather.gov"
        or query.get("product") != ["CLI"]
        or len(query.get("issuedby", [])) != 1
    ):
        return None
    return query["issuedby"][0]


def extreme_of(rules: str) -> Extreme | None:
    """Whether a rule is about the day's highest or lowest temperature; None if it is about neither."""
    found = _RULE.search(rules)
    if found is None:
        return None
    return "high" if found["word"] in ("highest", "maximum") else "low"


def rule_bounds(rules: str) -> Bounds | None:
    """The whole degrees that a market's rule names; None if it names none."""
    found = _BOUND.search(rules)
    if found is None:
        return None
    if found["low"] is not None:
        return Bounds(int(found["low"]), int(found["high"]))
    limit = float(found["limit"])
    if limit != int(limit):
        return None
    return Bounds(int(limit) + 1, None) if found["way"] == "greater" else Bounds(None, int(limit) - 1)


def strike_bounds(strike_type: str, floor: str, cap: str) -> Bounds:
    """Strikes to whole degrees. Raises Unmapped for a strike type or a strike that is none."""
    try:
        if strike_type == "greater":
            return Bounds(_whole(floor) + 1, None)
        if strike_type == "less":
            return Bounds(None, _whole(cap) - 1)
        if strike_type == "between" and _whole(floor) <= _whole(cap):
            return Bounds(_whole(floor), _whole(cap))
    except ValueError as error:
        raise Unmapped(f"a strike is not a whole degree: {error}") from error
    raise Unmapped(f"strikes of no known kind: {strike_type!r} {floor!r} {cap!r}")


def _whole(text: str) -> int:
    value = float(text)
    if value != int(value):
        raise ValueError(text)
    return int(value)


def check_rules(rules: str, station: Station, extreme: Extreme, day: date, bounds: Bounds) -> None:
    """Raise Unmapped where a market's rule says something else than the mapping."""
    found = _RULE.search(rules)
    read = read_condition(plain(rules))  # every word of it: what is added somewhere may be another source
    if found is None or read is None or read.source != NWS_CLI:
        raise OtherSource("the rules are not those of a daily climate report")
    if extreme_of(rules) != extreme:
        raise OtherSource(f"the rules are about the {found['word']} temperature, reviewed was the {extreme}")
    if found["place"] not in station.names:
        raise OtherSource(f"the rules speak of {found['place']!r}, which is not known to mean {station.icao}")
    said = f"{found['year'][2:]}{found['month'].upper()}{int(found['day']):02d}"
    if said != f"{day:%y}{_MONTHS[day.month - 1]}{day.day:02d}":
        raise Unmapped(f"the rules are about another day than the ticker ({said})")
    if rule_bounds(rules) != bounds:
        raise Unmapped(f"the rules name {rule_bounds(rules)}, the strikes {bounds}")


def check_tiling(bounds: Iterable[Bounds]) -> None:
    """Raise Unmapped unless every whole degree belongs to exactly one outcome."""
    ordered = sorted(bounds, key=lambda b: -(10**6) if b.low is None else b.low)
    if len(ordered) < 2 or ordered[0].low is not None or ordered[-1].high is not None:
        raise Unmapped("the outcomes have no open ends")
    for below, above in pairwise(ordered):
        if below.high is None or above.low is None or above.low != below.high + 1:
            raise Unmapped(f"the outcomes do not tile the degrees between {below} and {above}")


@cache
def stations() -> dict[str, Station]:
    """All stations of the data file, by ICAO name."""
    rows = json.loads((DATA / "stations.json").read_text("utf-8"))["stations"]
    return {
        r["icao"]: Station(
            r["icao"],
            r["issued_by"],
            frozenset(r["names"]),
            frozenset(r["locations"]),
            r["latitude"],
            r["longitude"],
            r["timezone"],
            r["standard_hours"],
        )
        for r in rows
    }


@cache
def reviewed_series() -> dict[str, dict[str, Any]]:
    """All reviewed daily series with their evidence, by series ticker."""
    rows = json.loads((DATA / "series.json").read_text("utf-8"))["series"]
    return {row["series"]: row for row in rows}
