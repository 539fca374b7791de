"""Archives that can be bought or downloaded: Kalshi Eye's ``book_l2`` and ``trades``, predictiondata.dev's ``kalshi/complete``.

Both become frames as the exchange would have sent them, with sequence numbers of our own for each file: the archives' numbers belong to
subscriptions that carried other markets too. Neither archive carries events; ``--events`` gives them (docs/evidence.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from markets.tape.imports import cells, source
from markets.tape.imports.archives import Covered, in_order, table, together
from markets.tape.imports.numbered_frames import NumberedFrames
from markets.tape.imports.packed import unpacked_name
from markets.tape.imports.prints import print_of
from markets.tape.imports.source import Aside, Part, change, contracts
from markets.tape.imports.zones import Row, Span, in_zone, instant, spanned, wrong
from markets.tape.records import Record


def kalshi_eye(root: Path, zone: ZoneInfo | None = None) -> Iterator[Part]:
    """``book_l2`` and ``trades`` of a hive layout (``DATASET/date=.../series=.../*.parquet``): one part a folder."""
    number = 0
    for dataset, read in zip(DATASETS, (book_l2, trades), strict=True):
        covered = Covered()
        for name, paths in together(root, (path for path in root.rglob("*") if _dataset(path, root) == dataset)):
            yield _part(_Archive("kalshi-eye", dataset, read, covered, zone), name, paths, number)
            number += 1


def predictiondata(root: Path, zone: ZoneInfo | None = None) -> Iterator[Part]:
    """``complete`` files, CSV (packed or not) or Parquet, anywhere below a folder: one part a folder and day."""
    covered = Covered()
    for number, (name, paths) in enumerate(together(root, filter(_is_complete, root.rglob("*")))):
        yield _part(_Archive("predictiondata", "complete", complete, covered, zone), name, paths, number)


def _dataset(path: Path, root: Path) -> str:
    """The dataset whose folder a Parquet file is in, however deep, ``root`` itself included; empty for other files."""
    if not path.name.lower().endswith(".parquet"):
        return ""
    folders = (root.resolve().name, *path.relative_to(root).parts[:-1])
    return next((name for name in folders if name in DATASETS), "")


def _is_complete(path: Path) -> bool:
    return unpacked_name(path.name.lower()).endswith((".csv", ".parquet"))


def left_out(kind: str, root: Path) -> Iterator[tuple[str, str]]:
    """(path below ``root``, why it is on no tape) of every file of an archive that is not read."""
    if kind not in ("kalshi-eye", "predictiondata"):
        return
    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        name = path.relative_to(root).as_posix()
        if kind == "predictiondata" and not _is_complete(path):
            yield name, "neither CSV nor Parquet"
        elif kind == "kalshi-eye" and not _dataset(path, root):
            yield name, "no Parquet file below a folder book_l2 or trades"


_Read = Callable[[Iterable[Row], int, Aside], Iterator[Record]]


@dataclass(frozen=True, slots=True)
class _Archive:
    """A dataset of an archive; ``zone``: of its times, where a person has named it."""

    tape: str
    dataset: str
    read: _Read
    covered: Covered
    zone: ZoneInfo | None


def _part(of: _Archive, name: str, paths: Sequence[Path], number: int) -> Part:
    zoned = [] if of.zone is None else [f"times without a zone are of {of.zone.key}"]
    about = {
        "source": f"{of.tape} {of.dataset}",
        "cadence": "every change",
        "absent": ["events", "settlements"],
        "assumed": ["sequence numbers renumbered for each day", *zoned],
        "licence": "the archive's own",
    }
    needed, column = NEEDED[of.dataset], TIMES[of.dataset]
    spans: dict[str, Span] = {}

    def records(aside: Aside) -> Iterator[Record]:
        found = in_order(lambda said: in_zone(table(paths, needed, said), column, of.zone), column, aside)
        yield from of.read(spanned(found, column, ACTIVE[of.dataset], spans), 5_000 + number, aside)
        of.covered.add(name, spans)

    return Part(of.tape, name, about, records, lambda markets: wrong(markets, spans, of.zone))


DATASETS: Final = ("book_l2", "trades")
"""What of Kalshi Eye's flat files is read."""
TIMES: Final = {"book_l2": "ts_recv", "trades": "ts_recv", "complete": "local_timestamp"}
ACTIVE: Final[dict[str, Callable[[Row], bool]]] = {
    "book_l2": lambda row: not _message(row)[2] and cells.size_of(row["size"]) > 0,
    "trades": lambda row: True,
    "complete": lambda row: row["message_type"] != "snapshot" and cells.size_of(row["price_level_update_quantity"]) > 0,
}
"""Rows by which somebody traded or bid, which nobody can after the close."""
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


def book_l2(rows: Iterable[Row], sid: int, aside: Aside) -> Iterator[Record]:
    """Rows of one message share ``ts_recv``: a snapshot's are the whole book, any other's are changes. Rows are in the order of time."""
    frames = NumberedFrames(sid, f"archive-{sid}")
    at = 0
    for (moment, ticker, whole), message in _messages(map(_plain, rows), aside):
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
                changes = [
                    (_named(row), cells.level(row["price"]), change(cells.size_of(row["size"]))) for row in message
                ]
                found += [frames.delta(at, ticker, *one) for one in changes]
            yield from found
            continue
        yield from frames.lost(at, ticker, found) if at else ()
    if at:
        yield frames.opened(at, "closed")


def _plain(row: Row) -> Row:
    """The row; what no cell can hold, such as a list, stands in it as text, which is no value of any column."""
    odd = {name: repr(value) for name, value in row.items() if isinstance(value, list | tuple | dict | set)}
    return {**row, **odd} if odd else row


_Message = tuple[Any, Any, bool | None]
"""Time, market, and whether it is a snapshot; None where that cannot be said."""


def _messages(rows: Iterable[Row], aside: Aside) -> Iterator[tuple[_Message, list[Row]]]:
    """The messages of each moment, in the order in which they begin: the rows of one may stand between those of another. The same row with
    the same number of the subscription is the same change, come twice."""
    for _, moment in groupby(rows, key=itemgetter("ts_recv")):
        found: dict[_Message, list[Row]] = {}
        places: dict[_Message, str] = {}
        seen: set[tuple[Any, ...]] = set()
        for row in moment:
            key = _message(row)
            one = (key, row.get("seq"), row["side"], row["price"], row["size"])
            if one not in seen or (cells.is_empty(row.get("seq")) and not key[2]):
                found.setdefault(key, []).append(row)
                places[key] = aside.place
            seen.add(one)
        for key, message in found.items():
            aside.place = places[key]
            yield key, message


def _message(row: Row) -> _Message:
    said = row["is_snapshot"]
    whole = _FLAGS.get(str(said).strip().lower()) if not isinstance(said, bool) else said
    return row["ts_recv"], row["ticker"], whole


_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


def _named(row: Row) -> str:
    if row["side"] not in ("yes", "no"):
        raise ValueError(f"not a side: {row['side']!r}")
    return str(row["side"])


def _side(message: Sequence[Row], side: str) -> list[list[str]]:
    """The levels of one side of a snapshot. A single row without side or price is of an empty book. Raises ValueError for two sizes of one
    price."""
    if len(message) == 1 and (cells.is_empty(message[0]["side"]) or cells.is_empty(message[0]["price"])):
        return []
    levels = [
        [cells.level(row["price"]), contracts(cells.size_of(row["size"]))] for row in message if _named(row) == side
    ]
    if len({price for price, _ in levels}) != len(levels):
        raise ValueError("two sizes of one price")
    return [level for level in levels if Decimal(level[1])]


def trades(rows: Iterable[Row], sid: int, aside: Aside) -> Iterator[Record]:
    """Prints; the YES price is in ``yes_price`` or ``price``, the count in ``count`` or ``size``."""
    for row in rows:
        with aside.unreadable():
            price, count = (
                next((row[name] for name in names if name in row and not cells.is_empty(row[name])), None)
                for names in (("yes_price", "price"), ("count", "size"))
            )
            yield print_of(
                instant(row["ts_recv"]), row["ticker"], cells.price_of(price), cells.size_of(count), row["taker_side"]
            )


def complete(rows: Iterable[Row], sid: int, aside: Aside) -> Iterator[Record]:
    """``quantity`` is the new quantity of a level; asks are YES asks, so they are NO bids at the rest of a dollar."""
    frames = NumberedFrames(sid, f"archive-{sid}")
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
            prices, sizes = (cells.numbers_of(row[f"snapshot_{prefix}_{name}"]) for name in ("prices", "sizes"))
            levels = (
                (cells.own_bid(price, side), cells.size_of(size)) for price, size in zip(prices, sizes, strict=True)
            )
            new[side] = {price: size for price, size in levels if size}
        found = [[[price, contracts(size)] for price, size in sorted(new[side].items())] for side in ("yes", "no")]
        self._levels = new
        return iter(found)

    def changed(self, row: Row) -> tuple[str, str, str] | None:
        """Side, price and change of an update; None where nothing changed."""
        side = {"bid": "yes", "ask": "no"}[row["price_level_update_side"]]
        price, new = (
            cells.own_bid(row["price_level_update_price"], side),
            cells.size_of(row["price_level_update_quantity"]),
        )
        difference = new - self._levels[side].get(price, Decimal(0))
        found = (side, price, change(difference)) if difference and contracts(new) else None
        self._levels[side][price] = new
        if not new:
            del self._levels[side][price]
        return found
