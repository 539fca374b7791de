"""A tape as Parquet: ``book_l2``, ``trades``, ``quotes``, ``settlements`` and ``events``, hive layout by day and series.

``book_l2`` is the layout that archives use (docs/evidence.md), so that other people's readers rebuild the same books.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow
import pyarrow.parquet

from markets.kalshi.schemas.pages import parse_orderbook
from markets.kalshi.ws.frames import TradeFrame
from markets.tape.known_books import KnownBooks, whole
from markets.tape.reader import Tape
from markets.tape.records import UNREADABLE, Kind, Record, content

log = logging.getLogger(__name__)

_TIME: Final = pyarrow.timestamp("ns", tz="UTC")
SCHEMAS: Final = {
    "book_l2": pyarrow.schema(
        [
            ("ticker", pyarrow.string()),
            ("ts_recv", _TIME),
            ("seq", pyarrow.int64()),
            ("side", pyarrow.string()),
            ("price", pyarrow.float64()),
            ("size", pyarrow.float64()),
            ("is_snapshot", pyarrow.bool_()),
        ]
    ),
    "trades": pyarrow.schema(
        [
            ("ticker", pyarrow.string()),
            ("ts_recv", _TIME),
            ("yes_price", pyarrow.float64()),
            ("count", pyarrow.float64()),
            ("taker_side", pyarrow.string()),
        ]
    ),
    "quotes": pyarrow.schema(
        [
            ("ticker", pyarrow.string()),
            ("ts_recv", _TIME),
            ("yes_bid", pyarrow.float64()),
            ("no_bid", pyarrow.float64()),
        ]
    ),
    "settlements": pyarrow.schema([("ticker", pyarrow.string()), ("ts_recv", _TIME), ("result", pyarrow.string())]),
    "events": pyarrow.schema([("ticker", pyarrow.string()), ("ts_recv", _TIME), ("event", pyarrow.string())]),
}
MOST_ROWS: Final = 200_000

Row = dict[str, Any]


def export(tape: Tape, folder: Path, start_ns: int, end_ns: int) -> dict[str, int]:
    """Write the tape below ``folder``. Returns the rows of each dataset. Memory stays bounded by ``MOST_ROWS`` a file."""
    files = _Files(folder)
    books = KnownBooks()
    for record in tape.records(start_ns, end_ns):
        try:
            rows = list(_rows(record, books))
        except UNREADABLE as error:
            log.warning("record of %s not exported: %s: %s", record.key, type(error).__name__, error)
            continue
        for dataset, row in rows:
            files.add(dataset, row["ts_recv"], row)
    return files.close()


def _rows(record: Record, books: KnownBooks) -> Iterator[tuple[str, Row]]:
    at, ticker = record.received_ns, record.key
    if record.kind in (Kind.FRAMES, Kind.CONNECTION, Kind.GAP):
        for row in books.rows(record):
            yield "book_l2", row
        for moment, frame in books.others:
            if isinstance(frame, TradeFrame):
                yield "trades", _printed(frame, moment)
        return
    if record.kind is Kind.BOOK:
        book = parse_orderbook(record.payload)
        for row in whole(ticker, at, 0, {"yes": book.yes, "no": book.no}):
            yield "book_l2", row
        return
    said = content(record) if record.kind in (Kind.TRADE, Kind.QUOTE, Kind.SETTLEMENT) else {}
    base = {"ticker": ticker, "ts_recv": at}
    if record.kind is Kind.TRADE:
        price, count = float(said["yes_price_dollars"]), float(said["count_fp"])
        yield "trades", base | {"yes_price": price, "count": count, "taker_side": said["taker_side"]}
    elif record.kind is Kind.QUOTE:
        bids = {side: said[f"{side}_dollars"] for side in ("yes_bid", "no_bid")}
        yield "quotes", base | {k: None if v is None else float(v) for k, v in bids.items()}
    elif record.kind is Kind.SETTLEMENT:
        yield "settlements", base | {"result": said["result"]}
    elif record.kind is Kind.EVENT:
        yield "events", base | {"event": record.payload.decode()}


def _printed(frame: TradeFrame, at: int) -> Row:
    return {
        "ticker": frame.market_ticker,
        "ts_recv": at,
        "yes_price": frame.yes_price / 10_000,
        "count": frame.count / 100,
        "taker_side": str(frame.taker_side),
    }


class _Files:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[str, str, str], list[Row]] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._counts: dict[str, int] = {}

    def add(self, dataset: str, at: int, row: Row) -> None:
        day = f"{datetime.fromtimestamp(at // 10**9, UTC):%Y-%m-%d}"
        key = (dataset, day, row["ticker"].split("-", 1)[0])
        rows = self._open.setdefault(key, [])
        rows.append(row)
        self._counts[dataset] = self._counts.get(dataset, 0) + 1
        if len(rows) >= MOST_ROWS:
            self._flush(key)

    def _flush(self, key: tuple[str, str, str]) -> None:
        dataset, day, series = key
        number = self._numbers[key] = self._numbers.get(key, -1) + 1
        folder = self._folder / dataset / f"date={day}" / f"series={series}"
        folder.mkdir(parents=True, exist_ok=True)
        table = pyarrow.Table.from_pylist(self._open.pop(key), schema=SCHEMAS[dataset])
        pyarrow.parquet.write_table(table, folder / f"part-{number:05}.parquet", compression="zstd")

    def close(self) -> dict[str, int]:
        for key in list(self._open):
            self._flush(key)
        return dict(sorted(self._counts.items()))
