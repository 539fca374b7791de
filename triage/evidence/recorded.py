"""Recorded days of daily highs into cases: settled events, prices at set hours, forecasts that carry the time they were known.

Read from the folders of recorded sets, whichever of these they hold:

- ``events/*.jsonl.gz`` (an event answer a line) and ``trades/weather/*.csv.gz`` (every print);
- ``settled/weather_*_markets.csv.gz`` and ``settled/weather_*_quotes_3x_day.csv.gz``;
- ``weather/forecast_high_*.csv.gz``: forecasts with ``known_from_ts``;
- ``weather/forecast_models_nws_high.csv.gz``: of this only the station's measured high (``nws_high``), and only for stations whose values
  agree with the exchange's. The "forecasts" in the same file say not when they were issued and are never read.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from markets.terms.settled_value import Unit, agreed
from triage.evidence.baselines import baselines
from triage.evidence.cases import Forecast, Recorded, RecordedCase, Values, agreement
from triage.weather.errors import published_spread
from triage.weather.mapping import (
    HOUR_MS,
    Bounds,
    Station,
    Unmapped,
    reviewed_series,
    stations,
    strike_bounds,
    ticker_day,
)

HOURS: Final = (0, 12)
"""UTC hours of the event's day at which the market is read: the evening before and the morning, in America."""
PEAK_UTC: Final = 20
KNOWN_AFTER_MS: Final = 10 * HOUR_MS
"""After the end of the climate day the settled value is known."""
LEAST_LEGS: Final = 4
"""An event with fewer legs priced at a moment has no market then; the others count as one cent."""
Prices = dict[str, list[tuple[int, float]]]
"""Market ticker -> [(Unix ms, price in dollars), ...] oldest first."""


def read(roots: Iterable[Path]) -> Recorded:
    """All cases of these folders, oldest first."""
    found = Recorded()
    settled: Values = {}
    events: dict[str, tuple[Station, date, dict[str, Bounds]]] = {}
    prices: Prices = defaultdict(list)
    own: Values = {}
    folders = [Path(root) for root in roots]
    for root in folders:
        for event, rows in (*_event_answers(root), *_settled_rows(root)):
            _add_event(event, rows, events, settled, found)
        for ticker, at_ms, price in (*_prints(root), *_quotes(root)):
            prices[ticker].append((at_ms, price))
        own |= _measured(root)
    for rows_of in prices.values():
        rows_of.sort()
    found.agreements = [agreement(station, own, settled) for station in sorted({key[0] for key in own})]
    usable = {one.station for one in found.agreements if one.counts}
    known = {key: value for key, value in own.items() if key[0] in usable} | settled
    found.cases += _market_cases(events, settled, prices, known)
    for root in folders:
        found.cases += _forecast_cases(root, known, found)
    found.cases.sort(key=lambda case: (case.at_ms, case.station))
    return found


def _add_event(
    event: str,
    rows: Sequence[Mapping[str, Any]],
    events: dict[str, tuple[Station, date, dict[str, Bounds]]],
    settled: Values,
    found: Recorded,
) -> None:
    """One settled event by the exchange's own value; what cannot be read is counted."""
    series = reviewed_series().get("KX" + event.split("-")[0].removeprefix("KX"))
    if series is None or series["extreme"] != "high":
        return found.leave_out("events of series that are not reviewed daily highs")
    value = agreed([str(row.get("expiration_value") or "") for row in rows], Unit.FAHRENHEIT)
    try:
        day = ticker_day(event)
        bounds = {
            str(row["ticker"]): strike_bounds(
                str(row.get("strike_type") or ""), _text(row.get("floor_strike")), _text(row.get("cap_strike"))
            )
            for row in rows
        }
    except Unmapped:
        return found.leave_out("events whose strikes were not recorded")
    if value is None:
        return found.leave_out("events without a readable value")
    winners = [str(row["ticker"]) for row in rows if row.get("result") == "yes"]
    station = stations()[series["station"]]
    if len(winners) != 1 or not bounds[winners[0]].has(round(value)):
        return found.leave_out("events whose value is not inside the outcome that won")
    events[event] = (station, day, bounds)
    settled[(station.icao, day)] = float(value)
    return None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _market_cases(
    events: Mapping[str, tuple[Station, date, dict[str, Bounds]]], settled: Values, prices: Prices, known: Values
) -> Iterator[RecordedCase]:
    for station, day, bounds in events.values():
        ends = station.day_bounds(day)[1]
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
        for hour in HOURS:
            at = midnight + hour * HOUR_MS
            market = _market(bounds, prices, at)
            lead = float(PEAK_UTC - hour)
            said = baselines(station.icao, day, at, lead, known)
            if market is not None:
                yield RecordedCase(
                    "priced events", station.icao, day, at, lead, bounds, said, settled[(station.icao, day)],
                    ends + KNOWN_AFTER_MS, market,
                )  # fmt: skip


def _market(bounds: Mapping[str, Bounds], prices: Prices, at_ms: int) -> dict[str, float] | None:
    """The last price of each leg by then, normalised."""
    last = {ticker: [price for ms, price in prices.get(ticker, ()) if ms <= at_ms][-1:] for ticker in bounds}
    if sum(map(bool, last.values())) < LEAST_LEGS:
        return None
    raw = {ticker: max(0.01, found[0]) if found else 0.01 for ticker, found in last.items()}
    return {ticker: price / sum(raw.values()) for ticker, price in raw.items()}


def _forecast_cases(root: Path, known: Values, found: Recorded) -> Iterator[RecordedCase]:
    """Two-degree outcomes around each forecast: the events' own strikes were not recorded."""
    for path in sorted(root.glob("**/forecast_high_*.csv*")):
        for row in _rows(path):
            if not row.get("known_from_ts", "").isdigit():
                found.leave_out("forecasts without the time at which they were known")
                continue
            series, day = reviewed_series()[row["event_ticker"].split("-")[0]], ticker_day(row["event_ticker"])
            station = stations()[series["station"]]
            value = known.get((station.icao, day))
            if value is None:
                found.leave_out("forecasts of days or stations without a value that counts")
                continue
            at = int(row["known_from_ts"]) * 1000
            peak = datetime(day.year, day.month, day.day, PEAK_UTC, tzinfo=UTC)
            lead = (peak.timestamp() * 1000 - at) / HOUR_MS
            degrees = float(row["forecast_high_f"])
            said = {"openmeteo": Forecast(degrees, published_spread("openmeteo", "high", lead))}
            said |= baselines(station.icao, day, at, lead, known)
            yield RecordedCase(
                "forecasts", station.icao, day, at, lead, two_degrees(round(degrees)), said, value,
                station.day_bounds(day)[1] + KNOWN_AFTER_MS,
            )  # fmt: skip


def two_degrees(center: int) -> dict[str, Bounds]:
    """Six outcomes in the exchange's shape: two open ends and four of two degrees."""
    low = center - 4
    inner = {f"{low + 2 * i}-{low + 2 * i + 1}": Bounds(low + 2 * i, low + 2 * i + 1) for i in range(4)}
    return {"below": Bounds(None, low - 1), **inner, "above": Bounds(low + 8, None)}


def _event_answers(root: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for path in sorted(root.glob("**/events/KXHIGH*.jsonl*")):
        with _opened(path) as lines:
            for answer in map(json.loads, lines):
                yield answer["event"]["event_ticker"], answer["markets"]


def _settled_rows(root: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for path in sorted(root.glob("**/settled/weather_*_markets.csv*")):
        events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in _rows(path):
            events[row["event_ticker"]].append(row)
        yield from events.items()


def _prints(root: Path) -> Iterator[tuple[str, int, float]]:
    for path in sorted(root.glob("**/trades/weather/*.csv*")):
        for row in _rows(path):
            at = datetime.fromisoformat(row["created_time"])
            yield row["ticker"], int(at.timestamp() * 1000), int(row["yes_price_cents"]) / 100


def _quotes(root: Path) -> Iterator[tuple[str, int, float]]:
    for path in sorted(root.glob("**/settled/weather_*_quotes_3x_day.csv*")):
        for row in _rows(path):
            if row["last_yes_bid"] and row["last_yes_ask"]:
                middle = (float(row["last_yes_bid"]) + float(row["last_yes_ask"])) / 2
                yield row["ticker"], int(float(row["last_ts"])) * 1000, middle


def _measured(root: Path) -> Values:
    found: Values = {}
    for path in sorted(root.glob("**/weather/forecast_models_nws_high.csv*")):
        for row in _rows(path):
            series = reviewed_series().get(row["series"])
            if series is not None and row["nws_high"]:
                found[(series["station"], date.fromisoformat(row["date"]))] = float(row["nws_high"])
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with _opened(path) as lines:
        yield from csv.DictReader(lines)


def _opened(path: Path) -> Any:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
