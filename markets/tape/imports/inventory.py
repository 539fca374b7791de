"""What becomes of every file of a folder of recorded sets: read by a kind, read beside another file, or refused by name with the reason.

A file that no line names is refused as unknown: a recording is never left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

READ: Final[tuple[tuple[str, str], ...]] = (
    ("snapshots/*/*.jsonl.gz", "snapshots"),
    ("books/*.jsonl.gz", "books"),
    ("quotes/*.jsonl.gz", "quotes"),
    ("quotes_hf/KX*.csv.gz", "best-changes"),
    ("trades/weather/*.csv.gz", "prints"),
    ("trades/weather_unlabelled/*.csv.gz", "prints"),
    ("ws/gold15m/*.ndjson.gz", "frames"),
    ("ws/orderbook_stream_*.json", "frames"),
    ("sports/worldcup_winner_*.jsonl.gz", "winners"),
    ("sports/*_games.jsonl.gz", "basketball"),
    ("crypto15m/*_raw_snapshots.jsonl.gz", "crypto15m"),
    ("settled/weather_19cities_markets.csv.gz", "settled"),
    ("settled/sports_near_close_*.jsonl.gz", "settled"),
)
"""Files, and the kind of import that reads them."""

BESIDE: Final[tuple[tuple[str, str], ...]] = (
    ("README.md", "describes the set"),
    ("MANIFEST.csv", "describes the set"),
    ("catalog/events_all_*.jsonl.gz", "gives categories and exclusiveness to events of other files"),
    ("catalog/series_all_*.jsonl.gz", "gives fees to events of other files"),
    ("catalog/sports_markets_raw_*.jsonl.gz", "gives rules to games of other files"),
    ("catalog/weather_series_meta_*.jsonl.gz", "gives rules to temperatures of other files"),
    ("settlement/*.jsonl.gz", "results of other files"),
    ("weather/actuals_*.jsonl.gz", "results of other files"),
    ("events/KX*.jsonl.gz", "events of the prints"),
    ("ws/gold15m/metadata/*.json", "events of the frames"),
    ("quotes_hf/results_derived.csv", "results of best bids"),
    ("crypto15m/*_trades.jsonl.gz", "prints of the same markets"),
    ("crypto15m/*_model_training_data.jsonl.gz", "results of the same markets"),
    ("settled/weather_19cities_quotes_3x_day.csv.gz", "prices of the settled events"),
    ("settled/weather_19cities_quotes_12utc.csv.gz", "one of the three moments of the day, which are read"),
)
"""Files that other files are read with."""

REFUSED: Final[tuple[tuple[str, str], ...]] = (
    ("sports/ticks/*.jsonl.gz", "the market is not named: a price whose leg is not known is no price"),
    (
        "minutes/*.csv.gz",
        "percentages of a chart (last price or middle): neither a bid nor a print, nobody could trade on them",
    ),
    (
        "ladders/*.csv.gz",
        "last prices without side, size and taker, some computed by the recorder: neither a bid nor a print",
    ),
    (
        "settled/weather_open_close_prices.csv.gz",
        "the first and last price of a day without side and size: neither a bid nor a print",
    ),
    ("weather/forecast_models_*.csv.gz", "forecasts without the time at which they were known"),
    ("weather/forecast_vs_actual_*.csv.gz", "forecasts without the time at which they were known"),
    ("weather/openmeteo_daily_*.csv", "forecasts without the time at which they were known"),
    ("weather/forecast_high_*.csv.gz", "no prices; read by triage_evidence"),
    ("weather/iem/*.json", "no prices; read by triage_evidence"),
    ("weather/nws/*", "samples of another service's answers, years old; read by tests"),
    ("sports/odds/*.json.gz", "another service's odds, not the exchange's"),
    ("reference/*", "published tables over all markets, no recording"),
    ("ws/demo_session_*.jsonl.gz", "the demo exchange: its prices are nobody's"),
    ("ws/ticker_*.jsonl", "ten messages without a book, read by tests"),
    ("ws/trade_*.jsonl", "ten messages without their events, read by tests"),
    ("rest/*", "single answers of the exchange, read by tests"),
    ("orders/*", "answers about somebody's orders, read by tests"),
    ("catalog/events_page_raw_*.json.gz", "one page of events without prices"),
    ("catalog/markets_page_mve_*.json.gz", "one page of combinations, which are not traded"),
    ("catalog/feddecision_markets_*.csv.gz", "prices without the time at which they were taken"),
)
"""Files that become no tape, and why."""


def left_out(root: Path) -> Iterator[tuple[str, str]]:
    """(path below ``root``, why it is on no tape) of every file that is neither read nor read beside another."""
    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        name = path.relative_to(root).as_posix()
        if not _named(name, READ) and not _named(name, BESIDE):
            yield name, _named(name, REFUSED) or "no reader knows it"


def _named(name: str, table: tuple[tuple[str, str], ...]) -> str:
    return next((what for pattern, what in table if fnmatch(name, pattern)), "")
