"""Archives that can be bought or downloaded: Kalshi Eye's ``book_l2`` and ``trades``, predictiondata.dev's ``kalshi/complete``.

Both become frames as the exchange would have sent them, with sequence numbers of our own for each file: the archives' numbers belong to
subscriptions that carried other markets too. Neither archive carries events; ``--events`` gives them (docs/evidence.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from markets.tape.imports import source
from markets.tape.imports.prints import print_of
from markets.tape.imports.source import Aside, Part, Refused, change, contracts, dollars, nanoseconds, rows
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


_Read = Callable[[Iterable[Row], int, Aside], Iterator[Record]]


def _part(tape: str, dataset: str, path: Path, root: Path, number: int, read: _Read) -> Part:
    about = {
        "source": f"{tape} {dataset}",
        "cadence": "every change",
        "absent": ["events", "settlements"],
        "assumed": ["sequence numbers renumbered for each file"],
        "licence": "the archive's own",
    }
    writer = "_".join(path.relative_to(root).with_suffix("").parts)
    needed = NEEDED[dataset]
    return Part(tape, writer, about, lambda aside: read(_table(path, needed, aside), 5_000 + number, aside))


NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "book_l2": ("ticker", "ts_recv", "side", "price", "size", "is_snapshot"),
    "trades": ("ticker", "ts_recv", "taker_side"),
    "complete": (
        "ticker",
        "local_timestamp",
        "message_type",
        *(f"price_level_update_{name}" for name in ("price", "quantity", "side")),
        *(f"snapshot_{side}_{name}" for side in ("bid", "ask") for name in ("prices", "sizes")),
    ),
}
"""The columns without which nothing can be made of a dataset."""


def _table(path: Path, needed: Sequence[str], aside: Aside) -> Iterator[Row]:
    if path.suffix != ".parquet":
        yield from rows(path, needed, aside)
        return
    import pyarrow
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    missing = sorted(set(needed) - set(file.schema_arrow.names))
    if missing:
        raise Refused(f"{path.name} has no column {', '.join(missing)}")
    number = 0
    for batch in file.iter_batches():
        table = pyarrow.Table.from_batches([batch])
        for place, column in enumerate(table.schema):
            if pyarrow.types.is_timestamp(column.type):  # whole nanoseconds, which Python's own times cannot hold
                whole = table[column.name].cast(pyarrow.timestamp("ns", column.type.tz)).cast(pyarrow.int64())
                table = table.set_column(place, column.name, whole)
        for row in table.to_pylist():
            number += 1
            aside.place = f"{path.name} row {number}"
            yield row


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

    def lost(self, at: int, ticker: Any, began: Sequence[Record]) -> Iterator[Record]:
        """A message that cannot be read, after those of ``began`` that open the connection: nothing that was known of its event before is a
        price, until the next snapshots. Where its market is not known either, its number is left out, and every book is suspect."""
        yield from (record for record in began if record.kind is Kind.CONNECTION)
        if isinstance(ticker, str):
            yield json_record(
                at, Kind.GAP, ticker, {"after_ns": at, "before_ns": at, "reason": "a row that cannot be read"}
            )
        else:
            self._seq += 1

    def _frame(self, at: int, kind: str, message: dict[str, Any]) -> Record:
        self._seq += 1
        frame = json.dumps(
            {"type": kind, "sid": self._sid, "seq": self._seq, "msg": message}, separators=(",", ":")
        ).encode()
        return Record(at, Kind.FRAMES, self._epoch, pack_frames([frame]))


def book_l2(rows: Iterable[Row], sid: int, aside: Aside) -> Iterator[Record]:
    """Rows of one message share ``ts_recv``: a snapshot's are the whole book, any other's are changes."""
    frames = _Frames(sid, f"archive-{sid}")
    at = 0
    for (moment, ticker, whole), group in groupby(rows, key=_message):
        message = list(group)
        found: list[Record] = []
        with aside.unreadable():
            read = instant(moment)
            source.ticker(ticker)
            found = [] if at else [frames.opened(read)]
            at = read
            if whole is None:
                raise ValueError("neither a snapshot nor a change")
            if whole:
                found.append(frames.snapshot(at, ticker, *(_side(message, side) for side in ("yes", "no"))))
            else:
                changes = [(_named(row), dollars(_price(row["price"])), change(_size(row["size"]))) for row in message]
                found += [frames.delta(at, ticker, *one) for one in changes]
            yield from found
            continue
        yield from frames.lost(at, ticker, found) if at else ()
    if at:
        yield frames.opened(at, "closed")


def _message(row: Row) -> tuple[Any, Any, bool | None]:
    """What the rows of one message have in common; the last: whether it is a snapshot, None where that cannot be said."""
    said = row["is_snapshot"]
    whole = _FLAGS.get(str(said).strip().lower()) if not isinstance(said, bool) else said
    return row["ts_recv"], row["ticker"], whole


_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


def _named(row: Row) -> str:
    if row["side"] not in ("yes", "no"):
        raise ValueError(f"not a side: {row['side']!r}")
    return str(row["side"])


def _side(message: Sequence[Row], side: str) -> list[list[str]]:
    """The levels of one side of a snapshot. A single row without side or price is of an empty book."""
    if len(message) == 1 and (_is_empty(message[0]["side"]) or _is_empty(message[0]["price"])):
        return []
    return [[dollars(_price(row["price"])), contracts(_size(row["size"]))] for row in message if _named(row) == side]


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value != value  # what is not itself is no number


def trades(rows: Iterable[Row], sid: int, aside: Aside) -> Iterator[Record]:
    """Prints; the YES price is in ``yes_price`` or ``price``, the count in ``count`` or ``size``."""
    for row in rows:
        with aside.unreadable():
            price, count = (
                next((row[name] for name in names if name in row and not _is_empty(row[name])), None)
                for names in (("yes_price", "price"), ("count", "size"))
            )
            yield print_of(instant(row["ts_recv"]), row["ticker"], _price(price), _size(count), row["taker_side"])


def complete(rows: Iterable[Row], sid: int, aside: Aside) -> Iterator[Record]:
    """``quantity`` is the new quantity of a level; asks are YES asks, so they are NO bids at the rest of a dollar."""
    frames = _Frames(sid, f"archive-{sid}")
    books: dict[str, _Quantities] = {}
    at = 0
    for row in rows:
        found: list[Record] = []
        ticker = row["ticker"]
        with aside.unreadable():
            read = instant(row["local_timestamp"])
            source.ticker(ticker)
            if row.get("exchange", "kalshi") != "kalshi":
                raise ValueError(f"not of this exchange: {row['exchange']!r}")
            found = [] if at else [frames.opened(read)]
            at = read
            book = books.setdefault(ticker, _Quantities())
            if row["message_type"] == "snapshot":
                found.append(frames.snapshot(at, ticker, *book.replaced(row)))
            elif row["message_type"] == "price_level_update":
                changed = book.changed(row)
                found += [frames.delta(at, ticker, *changed)] if changed else []
            else:
                raise ValueError(f"not a kind of message: {row['message_type']!r}")
            yield from found
            continue
        yield from frames.lost(at, ticker, found) if at else ()
    if at:
        yield frames.opened(at, "closed")


class _Quantities:
    """The levels of one market, by side and price: the archive gives new quantities, the exchange changes."""

    def __init__(self) -> None:
        self._levels: dict[str, dict[str, Decimal]] = {"yes": {}, "no": {}}

    def replaced(self, row: Row) -> Iterator[list[list[str]]]:
        """Both sides of a snapshot."""
        new: dict[str, dict[str, Decimal]] = {}
        for side, prefix in (("yes", "bid"), ("no", "ask")):
            prices, sizes = (_list(row[f"snapshot_{prefix}_{name}"]) for name in ("prices", "sizes"))
            levels = ((_own(price, side), _size(size)) for price, size in zip(prices, sizes, strict=True))
            new[side] = {price: size for price, size in levels if size}
        found = [[[price, contracts(size)] for price, size in sorted(new[side].items())] for side in ("yes", "no")]
        self._levels = new
        return iter(found)

    def changed(self, row: Row) -> tuple[str, str, str] | None:
        """Side, price and change of an update; None where nothing changed."""
        side = {"bid": "yes", "ask": "no"}[row["price_level_update_side"]]
        price, new = _own(row["price_level_update_price"], side), _size(row["price_level_update_quantity"])
        difference = new - self._levels[side].get(price, Decimal(0))
        found = (side, price, change(difference)) if difference and contracts(new) else None
        self._levels[side][price] = new
        if not new:
            del self._levels[side][price]
        return found


def _own(price: Any, side: str) -> str:
    exact = _price(price)
    return dollars(exact if side == "yes" else _ONE - exact)


def _price(value: Any) -> Decimal:
    return round(Decimal(str(value)), 4)


def _size(value: Any) -> Decimal:
    return round(Decimal(str(value)), 2)


def _list(text: Any) -> list[Any]:
    if isinstance(text, list | tuple):
        return list(text)
    return [] if _is_empty(text) else [part for part in str(text).split(",") if part.strip()]


def instant(value: Any) -> int:
    """Nanoseconds since 1970 of what archives write: integers, ISO strings. Raises ValueError."""
    if isinstance(value, int) or str(value).isdigit():
        return source.instant(value)
    return nanoseconds(str(value))
