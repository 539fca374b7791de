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
from markets.kalshi.ws.frames import BookDelta, BookSnapshot, TradeFrame
from markets.kalshi.ws.intake import Intake
from markets.tape.connections import Connections
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
    connections = Connections(lambda epoch: Intake())
    for record in tape.records(start_ns, end_ns):
        try:
            rows = list(_rows(record, connections))
        except UNREADABLE as error:
            log.warning("record of %s not exported: %s: %s", record.key, type(error).__name__, error)
            continue
        for dataset, row in rows:
            files.add(dataset, record.received_ns, row)
    return files.close()


def _rows(record: Record, connections: Connections[Intake]) -> Iterator[tuple[str, Row]]:
    at, ticker = record.received_ns, record.key
    if record.kind in (Kind.FRAMES, Kind.CONNECTION):
        for number, frame in enumerate(connections.apply(record)):
            yield from _frame(frame, at + number)
        return
    if record.kind is Kind.BOOK:
        book = parse_orderbook(record.payload)
        yield from _whole(ticker, at, 0, {"yes": book.yes, "no": book.no})
        return
    said = content(record) if record.kind in (Kind.TRADE, Kind.QUOTE, Kind.SETTLEMENT) else {}
    if record.kind is Kind.TRADE:
        price, count = float(said["yes_price_dollars"]), float(said["count_fp"])
        yield (
            "trades",
            {
                "ticker": ticker,
                "ts_recv": at,
                "yes_price": price,
                "count": count,
                "taker_side": said["taker_side"],
            },
        )
    elif record.kind is Kind.QUOTE:
        bids = {side: said[f"{side}_dollars"] for side in ("yes_bid", "no_bid")}
        yield (
            "quotes",
            {"ticker": ticker, "ts_recv": at} | {k: None if v is None else float(v) for k, v in bids.items()},
        )
    elif record.kind is Kind.SETTLEMENT:
        yield "settlements", {"ticker": ticker, "ts_recv": at, "result": said["result"]}
    elif record.kind is Kind.EVENT:
        yield "events", {"ticker": ticker, "ts_recv": at, "event": record.payload.decode()}


def _frame(frame: object, at: int) -> Iterator[tuple[str, Row]]:
    if isinstance(frame, BookSnapshot):
        yield from _whole(frame.market_ticker, at, frame.seq, {"yes": frame.yes, "no": frame.no})
    elif isinstance(frame, BookDelta):
        yield (
            "book_l2",
            {
                "ticker": frame.market_ticker,
                "ts_recv": at,
                "seq": frame.seq,
                "side": str(frame.side),
                "price": frame.price / 10_000,
                "size": frame.delta / 100,
                "is_snapshot": False,
            },
        )
    elif isinstance(frame, TradeFrame):
        yield (
            "trades",
            {
                "ticker": frame.market_ticker,
                "ts_recv": at,
                "yes_price": frame.yes_price / 10_000,
                "count": frame.count / 100,
                "taker_side": str(frame.taker_side),
            },
        )


def _whole(ticker: str, at: int, seq: int, sides: dict[str, Any]) -> Iterator[tuple[str, Row]]:
    """A snapshot's rows; an empty book is one row without side and price."""
    base = {"ticker": ticker, "ts_recv": at, "seq": seq, "is_snapshot": True}
    levels: list[tuple[str | None, Any, Any]] = [
        (side, price, size) for side, bids in sides.items() for price, size in bids
    ]
    for side, price, size in levels or [(None, None, None)]:
        yield (
            "book_l2",
            base
            | {
                "side": side,
                "price": None if price is None else price / 10_000,
                "size": None if size is None else size / 100,
            },
        )


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
