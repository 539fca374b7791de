"""Walk-forward: what forecasts knew before the day, scored by what came. The numbers are printed, whatever they are.

Two records exist and they do not overlap: forecasts of New York's high with official values (December 2025, no books), and
books with official values for 20 cities (July 2026, no forecasts). So the first shows how well the error model is calibrated
when it learns only from earlier days; the second sets the market's own prices against the only outside forecast that the
recording holds, "tomorrow is as today was", through the same machinery. Persistence is a weak forecaster: the test is that the
machinery says so.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from kalbot.common.units import parse_count, parse_price
from markets.book import Depth
from strategies.dutch.coverage import probabilities as devig
from tests.triage.test_mapping import actuals
from triage.scoring.scoring import Scored, brier, calibration, evidence, probability_of
from triage.weather.distribution import ToCome, degrees_pmf, outcome_probabilities
from triage.weather.errors import forecast_error
from triage.weather.mapping import DATA as WEATHER_DATA
from triage.weather.mapping import DailyMarket, daily_market, ticker_day

DATA = Path(__file__).parent.parent / "data" / "weather"
PRIOR = 2.7


def first_books(recorded: Path, day: str) -> dict[str, tuple[datetime, dict[str, Depth], list[dict[str, str]]]]:
    """Event -> (time, books, strikes) of the first pass recorded on a UTC day: the evening before, in America."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(recorded / "books" / f"weather_{day}.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            event = row["ticker"].rpartition("-")[0]
            if row["group"] == "daily" and (not rows[event] or rows[event][0]["captured_at"] == row["captured_at"]):
                rows[event].append(row)
    return {
        event: (datetime.fromisoformat(found[0]["captured_at"]), _books(found), _strikes(found))
        for event, found in rows.items()
    }


def _books(rows: list[dict[str, Any]]) -> dict[str, Depth]:
    def levels(row: dict[str, Any], side: str) -> list[tuple[int, int]]:
        return [(parse_price(p), parse_count(c)) for p, c in row["raw_orderbook"].get(side) or ()]

    return {row["ticker"]: Depth.of(levels(row, "yes_dollars"), levels(row, "no_dollars")) for row in rows}


def _strikes(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    def text(value: Any) -> str:
        return "" if value is None else str(value)

    columns = {"floor": "floor_strike", "cap": "cap_strike"}
    return [
        {"ticker": r["ticker"], "strike_type": r["strike_type"], "rules": ""}
        | {name: text(r[column]) for name, column in columns.items()}
        for r in rows
    ]


def settled() -> dict[str, tuple[str, str, str]]:
    """Event -> (winner, station, day), and the official values by (station, day, extreme)."""
    found = {}
    for row in actuals():
        for event in row["settled_markets"]["events"]:
            [winner] = [ticker for ticker, result in event["results"].items() if result == "yes"]
            found[event["event_ticker"]] = (winner, row["cli_station"], row["target_day"])
    return found


def persistence(market: DailyMarket, values: dict[tuple[str, str, str], float]) -> dict[str, float] | None:
    """Tomorrow is as today was, with the error that such a forecast has."""
    before = (market.day - timedelta(days=1)).isoformat()
    value = values.get((market.station.icao, before, market.extreme))
    if value is None:
        return None
    error = forecast_error("persistence", market.station.icao, market.extreme, 20)
    return outcome_probabilities(degrees_pmf(market.extreme, ToCome(value, error.spread), None), market.bounds)


@pytest.mark.shared
def test_persistence_against_the_market_on_the_recorded_books(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {
        (row["cli_station"], row["target_day"], extreme): row["actuals"][extreme]["metar"]
        for row in actuals()
        for extreme in ("high", "low")
    }
    outcomes = settled()
    scores: dict[str, list[float]] = defaultdict(list)
    pairs: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    record: list[Scored] = []
    favourites = 0
    for day in ("2026-07-16", "2026-07-17"):
        for event, (at, books, strikes) in first_books(recorded, day).items():
            if event not in outcomes or outcomes[event][2] != day or len(books) != 6:
                continue
            winner = outcomes[event][0]
            prices = devig(books, certified=True)
            assert prices is not None, event
            market = daily_market(event, event.split("-")[0], strikes, [])
            scores["market"].append(brier(prices, winner))
            pairs["market"] += [(p, t == winner) for t, p in prices.items()]
            favourites += max(prices, key=lambda t: prices[t]) == winner
            said = persistence(market, values)
            if said is None:
                continue
            scores["persistence"].append(brier(said, winner))
            scores["market where both speak"].append(brier(prices, winner))
            pairs["persistence"] += [(p, t == winner) for t, p in said.items()]
            ends = datetime.fromtimestamp(market.ends_ms / 1000, UTC)
            record.append(Scored(at, ends, probability_of(said, winner), probability_of(prices, winner)))
    mean = {name: sum(found) / len(found) for name, found in scores.items()}
    value, days = evidence(record)
    with capsys.disabled():
        print(
            f"\nJuly 2026, the evening before, Brier score over six outcomes (favourite won {favourites} of {len(scores['market'])}):"
        )
        for name, found in scores.items():
            print(f"  {name}: {mean[name]:.3f} on {len(found)} events")
        print(
            f"  evidence for persistence against the market: e-value {value:.3f} over {days} day(s); 20 would let it drive exits"
        )
        for name in ("market", "persistence"):
            for b in calibration(pairs[name]):
                print(f"  {name}: said {b.said:5.1%}  came {b.came:5.1%}  ({b.forecasts} outcomes)")
    assert len(scores["market"]) >= 70
    assert len(record) >= 35
    assert mean["market where both speak"] < mean["persistence"]
    assert value < 20


@pytest.mark.shared
def test_the_error_table_s_figures_come_from_the_recorded_forecasts(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    official = {
        row["date"]: row["max_tmpf"] for row in json.loads((DATA / "daily_nyc_2025_12.json").read_text())["data"]
    }
    known: dict[str, dict[int, float]] = defaultdict(dict)
    with gzip.open(recorded / "weather" / "forecast_high_2025-10_2026-03.csv.gz", "rt") as rows:
        for row in csv.DictReader(rows):
            known[row["event_ticker"]][int(row["known_from_ts"])] = float(row["forecast_high_f"])
    misses: dict[int, list[float]] = defaultdict(list)
    revised: dict[str, list[float]] = defaultdict(list)
    for event, by_time in known.items():
        first, *later = [by_time[at] for at in sorted(by_time)]
        day = ticker_day(event).isoformat()
        revised[event.split("-")[0]] += [last - first for last in later]
        if event.startswith("KXHIGHNY-") and day in official:
            for lead, said in zip((40, 16), (first, *later), strict=True):
                misses[lead].append(official[day] - said)
    table = json.loads((WEATHER_DATA / "errors.json").read_text("utf-8"))["stations"]
    with capsys.disabled():
        print("\nrecorded forecasts of the high, October 2025 to March 2026 (degrees F):")
        for lead, found in sorted(misses.items()):
            print(f"  New York, {lead} h ahead, {len(found)} days: bias {mean(found):+.2f}, spread {stdev(found):.2f}")
        for series, found in sorted(revised.items()):
            print(f"  {series}: {len(found)} days revised by {stdev(found):.2f} from the second day to the last")
    for lead, bias, spread in table["openmeteo/KNYC/high"]["leads"]:
        assert (round(mean(misses[lead]), 2), round(stdev(misses[lead]), 2)) == (bias, spread)
    for station, series in (("KAUS", "AUS"), ("KMDW", "CHI"), ("KDEN", "DEN"), ("KMIA", "MIA")):
        ratio = max(1.0, stdev(revised[f"KXHIGH{series}"]) / stdev(revised["KXHIGHNY"]))
        for lead, _, spread in table[f"openmeteo/{station}/high"]["leads"]:
            assert spread == pytest.approx(forecast_error("", "", "high", lead).spread * ratio, abs=0.05)
