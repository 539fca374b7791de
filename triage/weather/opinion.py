"""From forecast, readings and climate report to an opinion on a daily temperature event. Pure; shared by weather sources.

It refuses rather than guesses: an old forecast, hours missing from it, readings with a hole, a forecast that does not
fit what is measured right now (wrong station, wrong unit) are each *no opinion* with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from markets.terms.settled_value import Unit
from triage.learning.table import LearnedTable
from triage.sources.protocol import NoOpinion, Opinion, Point
from triage.weather.distribution import ToCome, celsius_reading, degrees_pmf, fahrenheit, outcome_probabilities
from triage.weather.errors import learned_error, published_spread
from triage.weather.mapping import HOUR_MS, DailyMarket

NOTHING_LEARNED: Final = LearnedTable()
MINUTE_MS: Final = 60_000
READING_AGE_MS: Final = 100 * MINUTE_MS
"""Hourly reports come once an hour, a few minutes late; beyond this the station is silent."""
READING_GAP_MS: Final = 130 * MINUTE_MS
"""Two missed hours could hide the extreme."""
CONTRADICTION: Final = 15.0
"""Degrees F between forecast and reading of the same hour that no weather explains."""
SPIKE: Final = 18.0
"""A reading this far from both its neighbours is a broken sensor."""
FITS: Final = 4.0
"""Degrees C that a six-hour extreme may lie beyond the readings of those hours."""
SURE_OF_REPORT: Final = 0.985
"""How often the first final climate report stands: corrections are rare."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Measured at the station: ``points`` (time, degrees C) oldest first; ``extremes`` (time, "high" or "low",
    degrees C) of the six hours before."""

    points: tuple[tuple[int, float], ...]
    extremes: tuple[tuple[int, str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class DayForecast:
    """``hours`` (start, end, degrees F); ``spans``: highs or lows of longer periods in the same form. ``updated_ms``:
    when the forecaster last changed it; older than ``max_age_ms`` it is not used."""

    source: str
    hours: tuple[tuple[int, int, float], ...]
    updated_ms: int
    max_age_ms: int
    spans: tuple[tuple[int, int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ClimateReport:
    """The final report of the day: what settles the market."""

    value: int
    issued_ms: int


def daily_opinion(
    market: DailyMarket,
    forecast: DayForecast | None,
    readings: Readings | None,
    report: ClimateReport | None,
    now_ms: int,
    table: LearnedTable = NOTHING_LEARNED,
) -> Opinion | NoOpinion:
    """Probabilities of the event's outcomes. ``readings`` None: the source has none, so it speaks only before the day.
    ``table``: what was learned of forecasts' errors."""
    if report is not None and now_ms >= market.ends_ms:  # a final one of a day that goes on is none
        return _reported(market, report)
    measured: int | None = None
    if now_ms > market.starts_ms:
        if readings is None:
            return NoOpinion("the day has begun and this source measures nothing")
        found = measured_so_far(market, readings, now_ms)
        if isinstance(found, NoOpinion):
            return found
        measured = found
    if now_ms >= market.ends_ms:
        return _said(
            market, None, measured, readings.points[-1][0] if readings else now_ms, "the day is over, no report yet"
        )
    if forecast is None:
        return NoOpinion("no forecast")
    if now_ms - forecast.updated_ms > forecast.max_age_ms:
        return NoOpinion(f"the forecast is {(now_ms - forecast.updated_ms) / HOUR_MS:.1f} h old")
    if readings is not None and (odd := _contradiction(forecast, readings, now_ms)):
        return NoOpinion(odd)
    return _foreseen(market, forecast, measured, now_ms, table)


def measured_so_far(market: DailyMarket, readings: Readings, now_ms: int) -> int | NoOpinion | None:
    """The day's extreme so far in whole degrees that it can surely not fall short of; None in the day's first minutes."""
    until = min(now_ms, market.ends_ms)
    today = without_spikes([p for p in readings.points if market.starts_ms <= p[0] <= until])
    times = [market.starts_ms, *(ms for ms, _ in today)]
    if until - times[-1] > READING_AGE_MS:
        return NoOpinion(f"nothing measured at {market.station.icao} for {(until - times[-1]) / MINUTE_MS:.0f} min")
    widest = max((b - a for a, b in pairwise(times)), default=0)
    if widest > READING_GAP_MS:
        return NoOpinion(f"the readings have a hole of {widest / MINUTE_MS:.0f} min")
    if not today:
        return None
    bounds = [celsius_reading(value) for _, value in today]
    remarked = list(_remarked(market, readings, today, until))
    if market.extreme == "high":
        return max([least for least, _ in bounds] + remarked)
    return min([most for _, most in bounds] + remarked)


def _remarked(market: DailyMarket, readings: Readings, today: Sequence[tuple[int, float]], until: int) -> Iterator[int]:
    """Six-hour extremes that lie inside the day and fit the readings of those hours."""
    sign = 1 if market.extreme == "high" else -1
    for ms, which, value in readings.extremes:
        since = ms - 6 * HOUR_MS
        inside = [c for t, c in today if since <= t <= ms]
        if which != market.extreme or since < market.starts_ms or ms > until or not inside:
            continue
        beyond = sign * (value - sign * max(sign * c for c in inside))
        if -0.6 <= beyond <= FITS:
            yield round(fahrenheit(value))


def without_spikes(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Readings without those that jump away from both neighbours and back."""
    kept = []
    for i, (ms, value) in enumerate(points):
        near = [points[j][1] for j in (i - 1, i + 1) if 0 <= j < len(points)]
        jumps = [(value - other) * 9 / 5 for other in near]
        if len(jumps) == 2 and min(map(abs, jumps)) > SPIKE and jumps[0] * jumps[1] > 0:
            continue
        kept.append((ms, value))
    return kept


def _contradiction(forecast: DayForecast, readings: Readings, now_ms: int) -> str:
    if not readings.points or now_ms - readings.points[-1][0] > READING_AGE_MS:
        return ""
    ms, celsius = readings.points[-1]
    for start, end, degrees in forecast.hours:
        if start - HOUR_MS <= ms < end and abs(degrees - fahrenheit(celsius)) > CONTRADICTION:
            return (
                f"the forecast says {degrees:.0f} °F for the hour in which {fahrenheit(celsius):.0f} °F were measured"
            )
    return ""


def _foreseen(
    market: DailyMarket, forecast: DayForecast, measured: int | None, now_ms: int, table: LearnedTable
) -> Opinion | NoOpinion:
    begin = max(now_ms, market.starts_ms)
    ahead = [h for h in forecast.hours if h[1] > begin and h[0] < market.ends_ms]
    covered = sum(min(end, market.ends_ms) - max(start, begin) for start, end, _ in ahead)
    if not ahead or covered < market.ends_ms - begin - HOUR_MS:
        return NoOpinion("the forecast does not cover the rest of the day")
    sign = 1 if market.extreme == "high" else -1
    peak = max(ahead, key=lambda hour: sign * hour[2])
    center = peak[2]
    for start, end, degrees in forecast.spans:
        if begin <= start and end <= market.ends_ms and sign * degrees > sign * center:
            center = degrees
    lead_hours = (peak[0] - now_ms) / HOUR_MS
    source, station = forecast.source, market.station.icao
    error = learned_error(table, source, station, market.extreme, lead_hours, forecast.updated_ms)
    to_come = ToCome(center + error.bias, error.spread)
    said = _said(market, to_come, measured, forecast.updated_ms, f"forecast {center:.0f} °F, error {error.words()}")
    point = Point(
        subject=f"{market.extreme}/{station}",
        unit=Unit.FAHRENHEIT,
        value=center,
        issued_ms=forecast.updated_ms,
        lead_hours=max(0.0, lead_hours),
        published_spread=published_spread(source, market.extreme, lead_hours),
        bias=error.bias,
        spread=error.spread,
        version=error.version,
        chances=said.plot["pmf"],
    )
    return replace(said, point=point if measured is None else None)


def _said(market: DailyMarket, to_come: ToCome | None, measured: int | None, as_of_ms: int, how: str) -> Opinion:
    pmf = degrees_pmf(market.extreme, to_come, measured)
    so_far = "" if measured is None else f", {measured} °F measured so far"
    return Opinion(
        outcome_probabilities(pmf, market.bounds),
        as_of_ms,
        f"{market.extreme} at {market.station.icao} on {market.day}: {how}{so_far}",
        "" if to_come is None else f"{to_come.spread:.1f} °F",
        _plot(market, pmf, to_come, measured),
    )


def _reported(market: DailyMarket, report: ClimateReport) -> Opinion:
    rest = (1 - SURE_OF_REPORT) / 2
    pmf = {report.value - 1: rest, report.value: SURE_OF_REPORT, report.value + 1: rest}
    return Opinion(
        outcome_probabilities(pmf, market.bounds),
        report.issued_ms,
        f"the climate report of {market.station.icao} for {market.day} says {report.value} °F",
        "corrections are rare",
        _plot(market, pmf, None, report.value),
        Point(
            f"{market.extreme}/{market.station.icao}",
            Unit.FAHRENHEIT,
            report.value,
            report.issued_ms,
            0.0,
            1.0,
            is_report=True,
        ),
    )


def _plot(
    market: DailyMarket, pmf: dict[int, float], to_come: ToCome | None, measured: int | None
) -> dict[str, object]:
    return {
        "unit": "°F",
        "station": market.station.icao,
        "extreme": market.extreme,
        "day": market.day.isoformat(),
        "center": None if to_come is None else round(to_come.center, 1),
        "spread": None if to_come is None else round(to_come.spread, 2),
        "measured": measured,
        "pmf": {str(degrees): round(p, 4) for degrees, p in pmf.items() if p >= 0.0005},
        "bounds": {ticker: [b.low, b.high] for ticker, b in market.bounds.items()},
    }
