"""Recorded days of daily highs into cases: settled events, prices at set hours, forecasts that carry the time they were known.

Read from the folders of recorded sets, whichever of these they hold:

- ``events/*.jsonl.gz`` (an event answer a line) and ``trades/weather/*.csv.gz`` (every print);
- ``settled/weather_*_markets.csv.gz`` and ``settled/weather_*_quotes_3x_day.csv.gz``;
- ``quotes_hf/KXHIGH*.csv.gz`` (best bids at every change, with the strikes that the tickers carry);
- ``weather/forecast_high_*.csv.gz``: forecasts with ``known_from_ts``;
- ``weather/forecast_models_nws_high.csv.gz``: of this only the station's measured high (``nws_high``), and only for stations whose values
  agree with the exchange's. The "forecasts" in the same file say not when they were issued and are never read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.best_changes import strikes_of
from markets.tape.imports.source import Aside, instant, rows
from markets.terms.settled_value import Unit, agreed
from triage.evidence import files
from triage.evidence.baselines import baselines
from triage.evidence.cases import Forecast, Recorded, RecordedCase, Values, agreement
from triage.weather.distribution import COLDEST, HOTTEST
from triage.weather.errors import published_spread
from triage.weather.mapping import (
    HOUR_MS,
    Bounds,
    Station,
    Unmapped,
    check_tiling,
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
Events = dict[str, tuple[Station, date, dict[str, Bounds]]]
"""Event -> its station, its day, its outcomes."""
Prices = dict[str, list[tuple[int, float]]]
"""Market ticker -> [(Unix ms, price in dollars), ...] oldest first."""


def read(roots: Iterable[Path]) -> Recorded:
    """All cases of these folders, oldest first."""
    found = Recorded()
    settled: Values = {}
    events: Events = {}
    prices: Prices = defaultdict(list)
    own: Values = {}
    quoted: Events = {}
    folders, aside = [Path(root) for root in roots], Aside()
    for root in folders:
        for event, markets in (*files.answers(root, aside), *_settled_rows(root, aside)):
            aside.place = event
            with aside.unreadable():
                _add_event(event, markets, events, settled, found)
        for ticker, at_ms, price, _ in files.prints(root, aside):
            prices[ticker].append((at_ms, price))
        for ticker, at_ms, price in _quotes(root, aside):
            prices[ticker].append((at_ms, price))
        for event, changes in files.best_bids(root, aside):
            aside.place = event
            with aside.unreadable():
                _add_quoted(event, changes, quoted, prices)
        own |= _measured(root, aside)
    for rows_of in prices.values():
        rows_of.sort()
    found.agreements = [agreement(station, own, settled) for station in sorted({key[0] for key in own})]
    usable = {one.station for one in found.agreements if one.counts}
    known = {key: value for key, value in own.items() if key[0] in usable} | settled
    events = {event: one for event, one in quoted.items() if (one[0].icao, one[1]) in known} | events
    found.cases += _market_cases(events, prices, known)
    for root in folders:
        found.cases += _forecast_cases(root, known, events, prices, found, aside)
    if aside.count:
        found.leave_out("lines that cannot be read", aside.count)
    aside.warn("recorded days")
    found.cases.sort(key=lambda case: (case.at_ms, case.station))
    return found


def _add_event(
    event: str,
    rows: Sequence[Mapping[str, Any]],
    events: Events,
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


def _add_quoted(event: str, changes: Sequence[tuple[str, int, float]], quoted: Events, prices: Prices) -> None:
    """An event of which prices at every change were recorded and its answer was not: strikes are those of its tickers."""
    series = reviewed_series().get(event.split("-")[0])
    legs = strikes_of(sorted({leg for leg, _, _ in changes}))
    if series is None or series["extreme"] != "high" or not all(legs.values()):
        return
    bounds = {
        leg: strike_bounds(one["strike_type"], _text(one.get("floor_strike")), _text(one.get("cap_strike")))
        for leg, one in legs.items()
    }
    check_tiling(bounds.values())
    quoted[event] = stations()[series["station"]], ticker_day(event), bounds
    for leg, at_ms, price in changes:
        prices[leg].append((at_ms, price))


def _market_cases(events: Events, prices: Prices, known: Values) -> Iterator[RecordedCase]:
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
                    "priced events",
                    station.icao,
                    day,
                    at,
                    lead,
                    bounds,
                    said,
                    known[(station.icao, day)],
                    ends + KNOWN_AFTER_MS,
                    market,
                )


def _market(bounds: Mapping[str, Bounds], prices: Prices, at_ms: int) -> dict[str, float] | None:
    """The last price of each leg by then, normalised."""
    last = {ticker: [price for ms, price in prices.get(ticker, ()) if ms <= at_ms][-1:] for ticker in bounds}
    if sum(map(bool, last.values())) < LEAST_LEGS:
        return None
    raw = {ticker: max(0.01, found[0]) if found else 0.01 for ticker, found in last.items()}
    return {ticker: price / sum(raw.values()) for ticker, price in raw.items()}


def _forecast_cases(
    root: Path, known: Values, events: Events, prices: Prices, found: Recorded, aside: Aside
) -> Iterator[RecordedCase]:
    """Each forecast when it was known: beside the market where its prices of then were recorded; else over two-degree outcomes around
    it, because the event's own strikes were not."""
    columns = ("event_ticker", "known_from_ts", "forecast_high_f")
    for path in sorted(root.glob("**/forecast_high_*.csv*")):
        for row in rows(path, columns, aside):
            with aside.unreadable():
                try:
                    yield _priced(_forecast_case(row, known), events.get(row["event_ticker"]), prices)
                except _LeftOut as why:
                    found.leave_out(str(why))


class _LeftOut(Exception):
    """Why a forecast is not used."""


def _forecast_case(row: Mapping[str, str], known: Values) -> RecordedCase:
    """Raises _LeftOut for a forecast that is not used."""
    if not row["known_from_ts"].isdigit():
        raise _LeftOut("forecasts without the time at which they were known")
    series = reviewed_series().get(row["event_ticker"].split("-")[0])
    if series is None or series["extreme"] != "high":
        raise _LeftOut("forecasts of series that are not reviewed daily highs")
    station, day = stations()[series["station"]], ticker_day(row["event_ticker"])
    value = known.get((station.icao, day))
    if value is None:
        raise _LeftOut("forecasts of days or stations without a value that counts")
    at = instant(row["known_from_ts"]) // 10**6
    peak = datetime(day.year, day.month, day.day, PEAK_UTC, tzinfo=UTC)
    lead = (peak.timestamp() * 1000 - at) / HOUR_MS
    if lead <= 0:
        raise _LeftOut("forecasts made when the day's peak was over")
    degrees = _degrees(row["forecast_high_f"])
    said = {"openmeteo": Forecast(degrees, published_spread("openmeteo", "high", lead))}
    said |= baselines(station.icao, day, at, lead, known)
    return RecordedCase(
        "forecasts",
        station.icao,
        day,
        at,
        lead,
        two_degrees(round(degrees)),
        said,
        value,
        station.day_bounds(day)[1] + KNOWN_AFTER_MS,
    )


def _priced(case: RecordedCase, event: tuple[Station, date, dict[str, Bounds]] | None, prices: Prices) -> RecordedCase:
    """The case over the event's own outcomes, with the market's prices of that moment, where there are any."""
    market = None if event is None else _market(event[2], prices, case.at_ms)
    if event is None or market is None:
        return case
    return replace(case, group="priced forecasts", bounds=event[2], market=market)


def two_degrees(center: int) -> dict[str, Bounds]:
    """Six outcomes in the exchange's shape: two open ends and four of two degrees."""
    low = center - 4
    inner = {f"{low + 2 * i}-{low + 2 * i + 1}": Bounds(low + 2 * i, low + 2 * i + 1) for i in range(4)}
    return {"below": Bounds(None, low - 1), **inner, "above": Bounds(low + 8, None)}


def _settled_rows(root: Path, aside: Aside) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for path in sorted(root.glob("**/settled/weather_*_markets.csv*")):
        events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows(path, ("event_ticker", "ticker", "strike_type", "result", "expiration_value"), aside):
            events[row["event_ticker"]].append(row)
        yield from events.items()


def _quotes(root: Path, aside: Aside) -> Iterator[tuple[str, int, float]]:
    for path in sorted(root.glob("**/settled/weather_*_quotes_3x_day.csv*")):
        for row in rows(path, ("ticker", "last_ts", "last_yes_bid", "last_yes_ask"), aside):
            with aside.unreadable():
                if row["last_yes_bid"] and row["last_yes_ask"]:
                    middle = (float(row["last_yes_bid"]) + float(row["last_yes_ask"])) / 2
                    if not 0 <= middle <= 1:
                        raise ValueError(f"not a price: {middle}")
                    yield row["ticker"], instant(row["last_ts"]) // 10**6, middle


def _measured(root: Path, aside: Aside) -> Values:
    found: Values = {}
    for path in sorted(root.glob("**/weather/forecast_models_nws_high.csv*")):
        for row in rows(path, ("series", "date", "nws_high"), aside):
            with aside.unreadable():
                series = reviewed_series().get(row["series"])
                if series is not None and row["nws_high"]:
                    found[(series["station"], date.fromisoformat(row["date"]))] = _degrees(row["nws_high"])
    return found


def _degrees(text: str) -> float:
    degrees = float(text)
    if not COLDEST <= degrees <= HOTTEST:
        raise ValueError(f"no weather has {text} degrees")
    return degrees
