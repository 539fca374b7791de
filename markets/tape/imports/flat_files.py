"""Archives that can be bought or downloaded: Kalshi Eye's ``book_l2`` and ``trades``, predictiondata.dev's ``kalshi/complete``.

Both become frames as the exchange would have sent them, with sequence numbers of our own for each file: the archives' numbers belong to
subscriptions that carried other markets too. Neither archive carries events; ``--events`` gives them (docs/evidence.md).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.source import Part, contracts, dollars, nanoseconds
from markets.tape.records import Kind, Record, pack_frames
from markets.tape.store import json_record

Row = Mapping[str, Any]
_ONE: Final = Decimal(1)


def kalshi_eye(root: Path) -> Iterator[Part]:
    """``book_l2`` and ``trades`` of a hive layout (``DATASET/date=.../series=.../*.parquet``)."""
    for dataset, read in (("book_l2", book_l2), ("trades", trades)):
        for number, path in enumerate(sorted((root / dataset).rglob("*.parquet"))):
            yield _part("kalshi-eye", dataset, path, root, number, read)


def predictiondata(root: Path) -> Iterator[Part]:
    """``complete`` files, CSV (gzip) or Parquet, anywhere below a folder."""
    found = [path for path in sorted(root.rglob("*")) if path.name.endswith((".csv", ".csv.gz", ".parquet"))]
    for number, path in enumerate(found):
        yield _part("predictiondata", "complete", path, root, number, complete)


def _part(
    tape: str, dataset: str, path: Path, root: Path, number: int, read: Callable[[Iterable[Row], int], Iterator[Record]]
) -> Part:
    about = {
        "source": f"{tape} {dataset}",
        "cadence": "every change",
        "absent": ["events", "settlements"],
        "assumed": ["sequence numbers renumbered for each file"],
        "licence": "the archive's own",
    }
    writer = "_".join(path.relative_to(root).with_suffix("").parts)
    return Part(tape, writer, about, lambda: read(_table(path), 5_000 + number))


def _table(path: Path) -> Iterator[Row]:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
        return
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from csv.DictReader(file)


class _Frames:
    """Numbered frames of one subscription."""

    def __init__(self, sid: int, epoch: str) -> None:
        self._sid, self._epoch, self._seq = sid, epoch, 0

    def opened(self, at: int, state: str = "open") -> Record:
        return json_record(at, Kind.CONNECTION, self._epoch, {"state": state})

    def snapshot(self, at: int, ticker: str, yes: list[list[str]], no: list[list[str]]) -> Record:
        message: dict[str, Any] = {"market_ticker": ticker}
        message |= {"yes_dollars_fp": yes} if yes else {}
        message |= {"no_dollars_fp": no} if no else {}
        return self._frame(at, "orderbook_snapshot", message)

    def delta(self, at: int, ticker: str, side: str, price: str, change: str) -> Record:
        message = {
            "market_ticker": ticker,
            "side": side,
            "price_dollars": price,
            "delta_fp": change,
            "ts_ms": at // 10**6,
        }
        return self._frame(at, "orderbook_delta", message)

    def _frame(self, at: int, kind: str, message: dict[str, Any]) -> Record:
        self._seq += 1
        frame = json.dumps(
            {"type": kind, "sid": self._sid, "seq": self._seq, "msg": message}, separators=(",", ":")
        ).encode()
        return Record(at, Kind.FRAMES, self._epoch, pack_frames([frame]))


def book_l2(rows: Iterable[Row], sid: int) -> Iterator[Record]:
    """Rows of one message share ``ts_recv``: a snapshot's are the whole book, any other's are changes."""
    frames = _Frames(sid, f"archive-{sid}")
    at = 0
    for (moment, ticker), group in groupby(rows, key=lambda row: (row["ts_recv"], row["ticker"])):
        message = list(group)
        began, at = at, instant(moment)
        if not began:
            yield frames.opened(at)
        whole = [row for row in message if row["is_snapshot"]]
        if whole:
            sides: dict[str, list[list[str]]] = {"yes": [], "no": []}
            for row in whole:
                if row["side"] and row["price"] is not None:
                    sides[row["side"]].append([dollars(_price(row["price"])), contracts(_size(row["size"]))])
            yield frames.snapshot(at, ticker, sides["yes"], sides["no"])
        for row in message:
            if not row["is_snapshot"]:
                yield frames.delta(
                    at, ticker, row["side"], dollars(_price(row["price"])), contracts(_size(row["size"]))
                )
    if at:
        yield frames.opened(at, "closed")


def trades(rows: Iterable[Row], sid: int) -> Iterator[Record]:
    """Prints; the YES price is in ``yes_price`` or ``price``, the count in ``count`` or ``size``."""
    for row in rows:
        price = row["yes_price"] if row.get("yes_price") is not None else row["price"]
        count = row["count"] if row.get("count") is not None else row["size"]
        content = {
            "yes_price_dollars": dollars(_price(price)),
            "count_fp": contracts(_size(count)),
            "taker_side": row["taker_side"],
        }
        yield json_record(instant(row["ts_recv"]), Kind.TRADE, row["ticker"], content)


def complete(rows: Iterable[Row], sid: int) -> Iterator[Record]:
    """``quantity`` is the new quantity of a level; asks are YES asks, so they are NO bids at the rest of a dollar."""
    frames = _Frames(sid, f"archive-{sid}")
    levels: dict[tuple[str, str], dict[str, Decimal]] = {}
    at = 0
    for row in rows:
        began, at, ticker = at, instant(row["local_timestamp"]), row["ticker"]
        if not began:
            yield frames.opened(at)
        if row["message_type"] == "snapshot":
            for side, prefix in (("yes", "bid"), ("no", "ask")):
                prices = _list(row[f"snapshot_{prefix}_prices"])
                sizes = _list(row[f"snapshot_{prefix}_sizes"])
                levels[ticker, side] = {
                    _own(price, side): _size(size) for price, size in zip(prices, sizes, strict=True) if _size(size)
                }
            yield frames.snapshot(
                at,
                ticker,
                *([[p, contracts(s)] for p, s in sorted(levels[ticker, side].items())] for side in ("yes", "no")),
            )
        elif row["message_type"] == "price_level_update":
            side = {"bid": "yes", "ask": "no"}[row["price_level_update_side"]]
            price = _own(row["price_level_update_price"], side)
            held = levels.setdefault((ticker, side), {})
            new = _size(row["price_level_update_quantity"])
            change = new - held.get(price, Decimal(0))
            held[price] = new
            if not new:
                del held[price]
            if change:
                yield frames.delta(at, ticker, side, price, contracts(change))
    if at:
        yield frames.opened(at, "closed")


def instant(value: Any) -> int:
    """Nanoseconds since 1970 of what archives write: integers of nanoseconds, ISO strings, timestamps."""
    if isinstance(value, datetime):
        return nanoseconds(value.isoformat()) + getattr(value, "nanosecond", 0)
    text = str(value)
    return int(text) if text.isdigit() else nanoseconds(text)


def _own(price: Any, side: str) -> str:
    exact = _price(price)
    return dollars(exact if side == "yes" else _ONE - exact)


def _price(value: Any) -> Decimal:
    return round(Decimal(str(value)), 4)


def _size(value: Any) -> Decimal:
    return round(Decimal(str(value)), 2)


def _list(text: Any) -> list[str]:
    return [part for part in str(text or "").split(",") if part.strip()]
