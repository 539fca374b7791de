"""The National Weather Service's answers, parsed: the one boundary where its bytes become ours. Pure.

Everything is checked: units by their code, ranges, the station's name. Values that are absent, not quality-checked or
refused by quality control are left out; an answer that is not what it should be is a SourceError. Temperatures leave
here as degrees Fahrenheit (forecast) or Celsius as measured (readings); times as Unix milliseconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from triage.sources.protocol import SourceError
from triage.sources.values import number, objects, unix_ms
from triage.weather.distribution import COLDEST, HOTTEST, fahrenheit

TRUSTED: Final = frozenset({"V", "C", "S", "G"})
"""Quality control that lets a reading through: verified, coarse pass, screened, good."""

_UNITS: Final = {"F": "F", "C": "C", "degF": "F", "degC": "C"}
_SIX_HOURS: Final = re.compile(r"(?<=\s)(?P<which>[12])(?P<sign>[01])(?P<tenths>\d{3})(?=\s|$)")
_TENTHS: Final = re.compile(r"(?<!\S)T(?P<sign>[01])(?P<tenths>\d{3})[01]\d{3}(?!\S)")
_WHOLE: Final = re.compile(r"(?<!\S)(?P<minus>M?)(?P<degrees>\d{2})/(M?\d{2}|//)?(?!\S)")
_DAY: Final = re.compile(
    r"CLIMATE SUMMARY FOR (?P<month>JANUARY|FEBRUARY|MARCH|APRIL|MAY|JUNE|JULY|AUGUST|SEPTEMBER|OCTOBER|NOVEMBER|DECEMBER)"
    r"\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4})"
)
_NOT_FINAL: Final = re.compile(r"\bVALID(?:\s+\w+)?\s+AS\s+OF\b")
_PRODUCT: Final = re.compile(r"^CLI([A-Z0-9]{3})\s*$", re.MULTILINE)
"""The line that names a report, with its station."""
_EXTREME: Final = re.compile(r"^\s*(?P<which>MAXIMUM|MINIMUM)\s+(?P<value>-?\d{1,3})R?\b", re.MULTILINE)
"""An ``R`` behind the value marks a record."""
_MONTHS: Final = (
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
)


def grid(answer: Any, timezone: str) -> dict[str, str]:
    """Addresses of ``/points``: hourly and daily forecast. The point must lie in the station's time zone."""
    found = _properties(answer)
    if found.get("timeZone") != timezone:
        raise SourceError(f"the point lies in {found.get('timeZone')}, the station in {timezone}")
    urls = {"hourly": found.get("forecastHourly"), "daily": found.get("forecast")}
    if not all(isinstance(url, str) and url.startswith("http") for url in urls.values()):
        raise SourceError("the point has no forecast")
    return {name: str(url) for name, url in urls.items()}


def forecast(answer: Any) -> tuple[int, list[tuple[int, int, float]]]:
    """(time of update, [(start, end, degrees F), ...]) of an hourly or daily forecast.

    Periods without a time or a temperature are left out; a forecast without any period is a SourceError.
    """
    found = _properties(answer)
    updated = unix_ms(
        found.get("updateTime") or found.get("updated")
    )  # ``generatedAt`` is when the answer was made, not the forecast
    if updated is None:
        raise SourceError("a forecast without the time of its update")
    periods = []
    for period in objects(found.get("periods") or [], "periods of a forecast"):
        start, end = unix_ms(period.get("startTime")), unix_ms(period.get("endTime"))
        degrees = _period_temperature(period)
        if start is not None and end is not None and end > start and degrees is not None:
            periods.append((start, end, degrees))
    if not periods:
        raise SourceError("a forecast without periods")
    return updated, periods


def readings(answer: Any, icao: str) -> list[tuple[int, float]]:
    """[(time, degrees C), ...] of a station's observations, oldest first. SourceError if one is of another station.

    Of a time with two different values neither is known.
    """
    rows = list(_observations(answer, icao))
    decoded = {(ms, value) for ms, value, _, _ in rows if value is not None}
    times = {ms for ms, _ in decoded}
    reported = {(ms, value) for ms, _, value, _ in rows if value is not None and ms not in times}
    found = sorted(decoded | reported)
    often = Counter(ms for ms, _ in found)
    return [(ms, value) for ms, value in found if often[ms] == 1]


def six_hour_extremes(answer: Any, icao: str) -> list[tuple[int, str, float]]:
    """[(time, "high" | "low", degrees C), ...]: what the remarks of a report say of the six hours before it.

    Group ``1sTTT`` is the highest, ``2sTTT`` the lowest temperature in tenths, ``s`` = 1 below zero.
    """
    found = set()
    for ms, _, _, raw in _observations(answer, icao):
        remarks = raw.partition(" RMK ")[2]
        if not remarks or datetime.fromtimestamp(ms / 1000, UTC).hour not in (5, 11, 17, 23):
            continue
        for group in _SIX_HOURS.finditer(remarks):
            value = int(group["tenths"]) / 10 * (-1 if group["sign"] == "1" else 1)
            if COLDEST <= fahrenheit(value) <= HOTTEST:
                found.add((ms, "high" if group["which"] == "1" else "low", value))
    return sorted(found)


def climate_reports(answer: Any) -> list[str]:
    """Ids of the newest daily climate reports, newest first."""
    graph = answer.get("@graph") if isinstance(answer, Mapping) else None
    if not isinstance(graph, list):
        raise SourceError("not a list of products")
    rows = [(unix_ms(row.get("issuanceTime")), row.get("id")) for row in graph if isinstance(row, Mapping)]
    named = [(ms, name) for ms, name in rows if ms is not None and isinstance(name, str) and name]
    return [name for _, name in sorted(named, reverse=True)]


def climate_report(answer: Any, issued_by: str) -> tuple[date, int | None, int | None, bool, int]:
    """(day, high, low, is final, issued) of the text of this station's report. A report "valid as of" an hour of the day is not final.

    A value that is missing (``MM``) or that no weather has is None. SourceError if the text is no daily climate report, or its lowest
    temperature is above its highest.
    """
    text = answer.get("productText") if isinstance(answer, Mapping) else None
    text = text.upper() if isinstance(text, str) else None
    issued = unix_ms(answer.get("issuanceTime")) if isinstance(answer, Mapping) else None
    found = _DAY.search(text) if text is not None else None
    if text is None or found is None or issued is None:
        raise SourceError("not a daily climate report")
    for name in _PRODUCT.findall(text):
        if name != issued_by:
            raise SourceError(f"a climate report of {name} instead of {issued_by}")
    section = text[found.end() :].partition("PRECIPITATION")[0]
    said = {row["which"]: int(row["value"]) for row in reversed(list(_EXTREME.finditer(section)))}
    values = {which: value for which, value in said.items() if COLDEST <= value <= HOTTEST}
    if len(values) == 2 and values["MINIMUM"] > values["MAXIMUM"]:
        raise SourceError("a climate report whose lowest temperature is above its highest")
    try:
        day = date(int(found["year"]), _MONTHS.index(found["month"]) + 1, int(found["day"]))
    except ValueError as error:
        raise SourceError(f"a climate report for {found['month']} {found['day']} {found['year']}") from error
    return (
        day,
        values.get("MAXIMUM"),
        values.get("MINIMUM"),
        _NOT_FINAL.search(text) is None,
        issued,
    )


def _observations(answer: Any, icao: str) -> Iterator[tuple[int, float | None, float | None, str]]:
    """(time, degrees C as decoded, as reported where nothing was decoded, raw report) of each usable observation."""
    features = answer.get("features") if isinstance(answer, Mapping) else None
    if not isinstance(features, list):
        raise SourceError("not a list of observations")
    for feature in features:
        found = feature.get("properties") if isinstance(feature, Mapping) else None
        if not isinstance(found, Mapping):
            continue
        station = found.get("station")
        if station is not None and str(station).rstrip("/").rpartition("/")[2] != icao:
            raise SourceError(f"an observation of {station} instead of {icao}")
        ms = unix_ms(found.get("timestamp"))
        if ms is None or station is None:
            continue
        raw = str(found.get("rawMessage") or "")
        quantity = found.get("temperature")
        decoded = quantity.get("value") if isinstance(quantity, Mapping) else None
        yield ms, _celsius(quantity), reported_celsius(raw) if decoded is None else None, raw


def reported_celsius(raw: str) -> float | None:
    """Degrees C of a METAR: the remarks' group in tenths (``T01830122``) before the body's whole degrees (``18/12``, ``M02/M05``)."""
    body, _, remarks = raw.partition(" RMK ")
    tenths, whole = _TENTHS.search(remarks), _WHOLE.search(body)
    if tenths is not None:
        value = int(tenths["tenths"]) / 10 * (-1 if tenths["sign"] == "1" else 1)
    elif whole is not None:
        value = int(whole["degrees"]) * (-1 if whole["minus"] else 1)
    else:
        return None
    return value if COLDEST <= fahrenheit(value) <= HOTTEST else None


def _celsius(quantity: Any) -> float | None:
    """A measured temperature, None unless quality control lets it through."""
    if not isinstance(quantity, Mapping):
        return None
    quality = str(quantity.get("qualityControl") or "").rpartition(":")[2]
    value = number(quantity.get("value"))
    if value is None or quality not in TRUSTED:
        return None
    unit = _UNITS.get(str(quantity.get("unitCode")).rpartition(":")[2])
    if unit is None:
        return None  # one reading in a unit that nobody knows says nothing; the others do
    celsius = value if unit == "C" else (value - 32) * 5 / 9
    return celsius if COLDEST <= fahrenheit(celsius) <= HOTTEST else None


def _period_temperature(period: Mapping[str, Any]) -> float | None:
    """Degrees F of a forecast period, in the older shape (number and unit) or the newer one (a quantity)."""
    raw = period.get("temperature")
    value = number(raw.get("value") if isinstance(raw, Mapping) else raw)
    if value is None:
        return None
    unit = _unit(raw.get("unitCode") if isinstance(raw, Mapping) else period.get("temperatureUnit"))
    degrees = value if unit == "F" else fahrenheit(value)
    if not COLDEST <= degrees <= HOTTEST:
        raise SourceError(f"a forecast of {degrees:.0f} °F")
    return degrees


def _unit(code: Any) -> str:
    unit = _UNITS.get(str(code).rpartition(":")[2])
    if unit is None:
        raise SourceError(f"a temperature in {code!r}")
    return unit


def _properties(answer: Any) -> Mapping[str, Any]:
    found = answer.get("properties") if isinstance(answer, Mapping) else None
    if not isinstance(found, Mapping):
        raise SourceError("an answer without properties")
    return found
