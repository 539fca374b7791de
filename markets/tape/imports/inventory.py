"""What becomes of every file of a folder of recorded sets: read by a kind, read beside another file, or refused by name with the reason.

A file that no line names is refused as unknown: a recording is never left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from markets.tape.imports.packed import unpacked_name

READ: Final[tuple[tuple[str, str], ...]] = (
    ("snapshots/*/*.jsonl", "snapshots"),
    ("books/*.jsonl", "books"),
    ("quotes/*.jsonl", "quotes"),
    ("quotes_hf/KX*.csv", "best-changes"),
    ("trades/weather/*.csv", "prints"),
    ("trades/weather_unlabelled/*.csv", "prints"),
    ("ws/gold15m/*.ndjson", "frames"),
    ("ws/orderbook_stream_*.json", "frames"),
    ("sports/worldcup_winner_*.jsonl", "winners"),
    ("sports/*_games.jsonl", "basketball"),
    ("crypto15m/*_raw_snapshots.jsonl", "crypto15m"),
    ("settled/weather_19cities_markets.csv", "settled"),
    ("settled/sports_near_close_*.jsonl", "settled"),
)
"""Files, and the kind of import that reads them. A file may be packed (``.gz``, ``.zst``); a name here is without that."""

BESIDE: Final[tuple[tuple[str, str], ...]] = (
    ("README.md", "describes the set"),
    ("MANIFEST.csv", "describes the set"),
    ("catalog/events_all_*.jsonl", "gives categories and exclusiveness to events of other files"),
    ("catalog/series_all_*.jsonl", "gives fees to events of other files"),
    ("catalog/sports_markets_raw_*.jsonl", "gives rules to games of other files"),
    ("catalog/weather_series_meta_*.jsonl", "gives rules to temperatures of other files"),
    ("settlement/*.jsonl", "results of other files"),
    ("weather/actuals_*.jsonl", "results of other files"),
    ("events/KX*.jsonl", "events of the prints"),
    ("ws/gold15m/metadata/*.json", "events of the frames"),
    ("quotes_hf/results_derived.csv", "results of best bids"),
    ("crypto15m/*_trades.jsonl", "prints of the same markets"),
    ("crypto15m/*_model_training_data.jsonl", "results of the same markets"),
    ("settled/weather_19cities_quotes_3x_day.csv", "prices of the settled events"),
    ("settled/weather_19cities_quotes_12utc.csv", "one of the three moments of the day, which are read"),
)
"""Files that other files are read with."""

REFUSED: Final[tuple[tuple[str, str], ...]] = (
    ("sports/ticks/*.jsonl", "the market is not named: a price whose leg is not known is no price"),
    (
        "minutes/*.csv",
        "percentages of a chart (last price or middle): neither a bid nor a print, nobody could trade on them",
    ),
    (
        "ladders/*.csv",
        "last prices without side, size and taker, some computed by the recorder: neither a bid nor a print",
    ),
    (
        "settled/weather_open_close_prices.csv",
        "the first and last price of a day without side and size: neither a bid nor a print",
    ),
    ("weather/forecast_models_*.csv", "forecasts without the time at which they were known"),
    ("weather/forecast_vs_actual_*.csv", "forecasts without the time at which they were known"),
    ("weather/openmeteo_daily_*.csv", "forecasts without the time at which they were known"),
    ("weather/forecast_high_*.csv", "no prices; read by triage_evidence"),
    ("weather/iem/*.json", "no prices; read by triage_evidence"),
    ("weather/nws/*", "samples of another service's answers, years old; read by tests"),
    ("sports/odds/*.json", "another service's odds, not the exchange's"),
    ("reference/*", "published tables over all markets, no recording"),
    ("ws/demo_session_*.jsonl", "the demo exchange: its prices are nobody's"),
    ("ws/ticker_*.jsonl", "ten messages without a book, read by tests"),
    ("ws/trade_*.jsonl", "ten messages without their events, read by tests"),
    ("rest/*", "single answers of the exchange, read by tests"),
    ("orders/*", "answers about somebody's orders, read by tests"),
    ("catalog/events_page_raw_*.json", "one page of events without prices"),
    ("catalog/markets_page_mve_*.json", "one page of combinations, which are not traded"),
    ("catalog/feddecision_markets_*.csv", "prices without the time at which they were taken"),
)
"""Files that become no tape, and why."""


def left_out(root: Path) -> Iterator[tuple[str, str]]:
    """(path below ``root``, why it is on no tape) of every file that is neither read nor read beside another."""
    seen: set[str] = set()
    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        name = path.relative_to(root).as_posix()
        plain = unpacked_name(name)
        if plain in seen:
            yield name, "the same file is there in another packing"
        elif not _named(plain, READ) and not _named(plain, BESIDE):
            yield name, _named(plain, REFUSED) or "no reader knows it"
        seen.add(plain)


def _named(name: str, table: tuple[tuple[str, str], ...]) -> str:
    return next((what for pattern, what in table if fnmatch(name, pattern)), "")
