"""Families on recorded quotes: how far the coherent measure of an event's quotes, and simpler estimates, lie from what came.

``python -m bench.families_recorded DIRECTORY`` reads ``weather_19cities_*`` of recorded daily temperatures (whole degrees, six markets an
event, quotes three times a day, results) and prints JSON: the Brier score of each estimate over the same markets. An event of ranges is
cut into the same atoms as a family; recorded quotes of two events on one value with their results are known to nobody.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

from markets.book import Side
from markets.terms.atoms import Atoms
from markets.terms.reading.strikes import Interval
from strategies.families.measure import centre
from strategies.families.screen import Graph

HALF = Decimal("0.5")
Row = dict[str, str]


def main(argv: list[str] | None = None) -> int:
    """Read, estimate, score."""
    parser = argparse.ArgumentParser(prog="bin/bench families_recorded", description=__doc__)
    parser.add_argument(
        "directory", type=Path, help="with weather_19cities_markets.csv.gz and weather_19cities_quotes_3x_day.csv.gz"
    )
    print(json.dumps(scores(parser.parse_args(argv).directory), indent=2))
    return 0


def rows_of(path: Path) -> list[Row]:
    """The rows of a packed CSV file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def interval_of(row: Row) -> Interval:
    """The values of a market of whole degrees, with the line between two of them cut half way: no atom lies in a hole."""
    low = Decimal(row["floor_strike"]) if row["floor_strike"] else None
    high = Decimal(row["cap_strike"]) if row["cap_strike"] else None
    if row["strike_type"] == "greater" and low is not None:
        return Interval(low + HALF, True, None, False)
    if row["strike_type"] == "less" and high is not None:
        return Interval(None, False, high - HALF, False)
    if row["strike_type"] == "between" and low is not None and high is not None:
        return Interval(low - HALF, True, high + HALF, False)
    raise ValueError(f"a strike type that is not known: {row['strike_type']}")


def scores(directory: Path) -> dict[str, object]:
    """Brier score times 100 of each estimate, over every market of every event all of whose markets were quoted on both sides."""
    markets: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows_of(directory / "weather_19cities_markets.csv.gz"):
        markets[row["event_ticker"]][row["ticker"]] = row
    quotes: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows_of(directory / "weather_19cities_quotes_3x_day.csv.gz"):
        quotes[row["ticker"].rpartition("-")[0], row["snapshot_hour_utc"]][row["ticker"]] = row
    errors: dict[str, list[float]] = defaultdict(list)
    judged = baskets = left_out = 0
    for (event, _), quoted in quotes.items():
        listed = markets[event]
        if quoted.keys() != listed.keys() or any(
            not q["last_yes_bid"] or not q["last_yes_ask"] for q in quoted.values()
        ):
            left_out += 1
            continue
        atoms = Atoms.of({ticker: interval_of(row) for ticker, row in listed.items()})
        asks = {(t, Side.YES): float(q["last_yes_ask"]) for t, q in quoted.items()}
        asks |= {(t, Side.NO): 1 - float(q["last_yes_bid"]) for t, q in quoted.items()}
        measure = centre(Graph(atoms), {key: price for key, price in asks.items() if price < 1})
        if measure is None:
            baskets += 1
            continue
        judged += 1
        middles = {t: (float(q["last_yes_bid"]) + float(q["last_yes_ask"])) / 2 for t, q in quoted.items()}
        for ticker, (low, high) in atoms.spans.items():
            came = 1.0 if listed[ticker]["result"] == "yes" else 0.0
            for name, said in (
                ("middle of its own quotes", middles[ticker]),
                ("middles, divided by their sum", middles[ticker] / sum(middles.values())),
                ("middle of all measures that agree", math.fsum(measure[low:high])),
            ):
                errors[name].append((said - came) ** 2)
    return {
        "quoted events judged": judged,
        "not every market quoted": left_out,
        "quotes that agree with no measure, before fees": baskets,
        "Brier score x 100": {name: round(100 * math.fsum(found) / len(found), 3) for name, found in errors.items()},
    }


if __name__ == "__main__":
    main()
