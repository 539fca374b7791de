"""Archives with odd rows: what a message that cannot be read may have said is unknown, so the book is none until its next snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from backtest.replay.books import ReplayBooks, ReplayPrices
from backtest.replay.feed import Feed
from markets.tape.imports import flat_files, registry
from markets.tape.imports.source import Aside, Refused
from markets.tape.records import Record

AT: Final = int(datetime(2026, 10, 13, tzinfo=UTC).timestamp()) * 10**9
TICKER: Final = "KXHIGHNY-26OCT13-B60.5"
Levels = dict[int, int]


def _books(records: Iterable[Record]) -> tuple[Levels, Levels] | None:
    """The YES and NO levels at the end; None where no book is known, or it is suspect."""
    books = ReplayBooks()
    feed = Feed(books, ReplayPrices(books))
    books.watch("KXHIGHNY-26OCT13", {TICKER: "active"})
    feed.catalogue.event_of[TICKER] = "KXHIGHNY-26OCT13"
    for record in sorted(records, key=lambda record: record.received_ns):
        feed.apply(record)
        state = books.markets[TICKER]
        seen = (dict(state.book.yes), dict(state.book.no)) if state.has_book and not state.suspect else None
        if record.payload == b'{"state":"closed"}':
            break
        last = seen
    assert feed.counts["refused"] == 0
    return last


def _l2(at: int, side: Any, price: Any, size: Any, whole: Any = False) -> dict[str, Any]:
    return {
        "ticker": TICKER,
        "ts_recv": AT + at,
        "seq": at,
        "side": side,
        "price": price,
        "size": size,
        "is_snapshot": whole,
    }


SNAPSHOT: Final = [_l2(1, "yes", 0.4, 10.0, True), _l2(1, "no", 0.55, 5.0, True)]
CHANGE: Final = _l2(2, "yes", 0.41, 2.5)
BOOK: Final[tuple[Levels, Levels]] = ({4000: 1000, 4100: 250}, {5500: 500})


def _read_l2(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[Levels, Levels] | None, int]:
    aside = Aside()
    return _books(flat_files.book_l2(rows, 1, aside)), aside.count


@pytest.mark.parametrize("nothing", [None, float("nan"), ""], ids=["null", "nan", "empty"])
def test_a_snapshot_row_without_a_price_is_an_empty_book(nothing: Any) -> None:
    assert _read_l2([*SNAPSHOT, CHANGE]) == (BOOK, 0)
    assert _read_l2([*SNAPSHOT, CHANGE, _l2(3, nothing, nothing, nothing, True)]) == (({}, {}), 0)


@pytest.mark.parametrize("whole", [True, 1, "true", "True"], ids=str)
def test_a_flag_may_be_a_number_or_a_word(whole: Any) -> None:
    assert _read_l2([row | {"is_snapshot": whole} for row in SNAPSHOT])[0] == ({4000: 1000}, {5500: 500})


@pytest.mark.parametrize(
    "bad",
    [
        _l2(3, "bid", 0.42, 1.0),
        _l2(3, "yes", 1.42, 1.0),
        _l2(3, "yes", None, 1.0),
        _l2(3, "yes", 0.42, float("nan")),
        _l2(3, "yes", 0.42, float("inf")),
        _l2(3, None, 0.42, 1.0),
        _l2(3, "yes", 0.42, 1.0, "maybe"),
        _l2(3, "yes", 0.42, -1.0, True),
        _l2(3, "yes", 0.42, 1.0) | {"ticker": None},
        _l2(3, "yes", 0.42, 1.0) | {"ts_recv": "yesterday"},
    ],
    ids=["side", "price", "no price", "nan", "infinite", "no side", "flag", "negative", "no ticker", "no time"],
)
def test_after_a_row_that_cannot_be_read_there_is_no_book_until_a_snapshot(bad: dict[str, Any]) -> None:
    later = _l2(4, "no", 0.5, 1.0)
    assert _read_l2([*SNAPSHOT, CHANGE, bad, later]) == (None, 1)
    again = [row | {"ts_recv": AT + 5} for row in SNAPSHOT]
    assert _read_l2([*SNAPSHOT, CHANGE, bad, later, *again])[0] == ({4000: 1000}, {5500: 500})


def test_a_snapshot_of_which_one_row_cannot_be_read_is_no_book() -> None:
    assert _read_l2([*SNAPSHOT, _l2(3, "yes", 0.3, 1.0, True), _l2(3, "no", "x", 1.0, True)]) == (None, 1)
    assert _read_l2([*SNAPSHOT, _l2(3, "yes", 0.3, 1.0, True), _l2(3, None, None, 1.0, True)]) == (None, 1)


def _row(at: int, kind: str, **said: Any) -> dict[str, Any]:
    empty = dict.fromkeys(flat_files.NEEDED["complete"])
    return (
        empty | {"exchange": "kalshi", "ticker": TICKER, "local_timestamp": str(AT + at), "message_type": kind} | said
    )


WHOLE: Final = _row(
    1,
    "snapshot",
    snapshot_bid_prices="0.40",
    snapshot_bid_sizes="10",
    snapshot_ask_prices="0.45",
    snapshot_ask_sizes="5",
)


def _update(at: int, price: Any, quantity: Any, side: Any) -> dict[str, Any]:
    named = {"price": price, "quantity": quantity, "side": side}
    return _row(at, "price_level_update", **{f"price_level_update_{name}": value for name, value in named.items()})


@pytest.mark.parametrize(
    "bad",
    [
        _update(3, "0.42", "1", "yes"),
        _update(3, "1.42", "1", "bid"),
        _update(3, "0.42", "-1", "bid"),
        _update(3, "0.42", "", "bid"),
        _row(3, "trade"),
        WHOLE | {"local_timestamp": str(AT + 3), "snapshot_bid_sizes": "10,1"},
        WHOLE | {"local_timestamp": str(AT + 3), "exchange": "another"},
    ],
    ids=["side", "price", "negative", "no quantity", "kind", "uneven", "exchange"],
)
def test_a_new_quantity_behind_a_row_that_cannot_be_read_is_no_book_until_a_snapshot(bad: dict[str, Any]) -> None:
    rows = [WHOLE, _update(2, "0.41", "2.5", "bid"), bad, _update(4, "0.44", "1", "ask")]
    aside = Aside()
    assert _books(flat_files.complete(rows[:2], 1, Aside())) == BOOK
    assert _books(flat_files.complete(rows, 1, aside)) is None
    assert aside.count == 1
    again = WHOLE | {"local_timestamp": str(AT + 5)}
    assert _books(flat_files.complete([*rows, again], 1, Aside())) == ({4000: 1000}, {5500: 500})


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_parquet_with_times_of_its_own_and_other_columns_is_read_to_the_nanosecond(tmp_path: Path, unit: str) -> None:
    folder = tmp_path / "book_l2" / "date=2026-10-13" / "series=KXHIGHNY"
    folder.mkdir(parents=True)
    table = pyarrow.Table.from_pylist([*SNAPSHOT, CHANGE])
    times = table["ts_recv"] if unit == "ns" else pyarrow.array([AT // 1000, AT // 1000, AT // 1000 + 7])
    table = table.set_column(1, "ts_recv", times.cast(pyarrow.timestamp(unit, "UTC")))
    table = table.append_column("more", pyarrow.array([1, 2, 3]))
    pyarrow.parquet.write_table(table, folder / "part-0.parquet")
    (part,) = registry.parts("kalshi-eye", tmp_path)
    records = list(part.read(Aside()))
    assert _books(records) == BOOK
    assert records[-1].received_ns == AT + (2 if unit == "ns" else 7_000)
    pyarrow.parquet.write_table(table.drop_columns(["side"]), folder / "part-0.parquet")
    with pytest.raises(Refused, match=r"part-0.parquet has no column side"):
        registry.run(part, tmp_path / "tapes")


def test_rows_in_any_order_and_in_several_files_of_a_day_make_the_same_book(tmp_path: Path) -> None:
    rows = [*SNAPSHOT, CHANGE, _l2(3, "yes", 0.41, -1.0), _l2(4, "no", 0.5, 1.0), _l2(5, "no", 0.5, 2.0)]
    other = [row | {"ticker": f"{TICKER}X"} for row in rows]
    expected = ({4000: 1000, 4100: 150}, {5500: 500, 5000: 300})
    for number, files in enumerate(
        (
            [rows],
            [[*other, *rows]],
            [rows[::-1]],
            [rows[:3], rows[3:]],
            [[*rows[:1], *other, *rows[1:]]],
            [rows[3:], [*other, *rows[:3]]],
        )
    ):
        root = tmp_path / str(number)
        folder = root / "book_l2" / "date=2026-10-13" / "series=KXHIGHNY"
        folder.mkdir(parents=True)
        for place, content in enumerate(files):
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), folder / f"part-{place}.parquet")
        (part,) = registry.parts("kalshi-eye", root)
        aside = Aside()
        assert (_books(part.read(aside)), aside.count) == (expected, 0), number


def test_new_quantities_that_are_sorted_by_market_are_read_by_time(tmp_path: Path) -> None:
    rows = [WHOLE, _update(2, "0.41", "9", "bid"), _update(3, "0.41", "2.5", "bid")]
    rows += [row | {"ticker": f"{TICKER}X"} for row in rows]
    for number, order in enumerate((rows, rows[::-1], [rows[2], *rows[:2], *rows[3:]])):
        header = list(flat_files.NEEDED["complete"])
        text = [",".join(header), *(",".join(f'"{row[name] or ""}"' for name in header) for row in order)]
        (tmp_path / str(number)).mkdir()
        for suffix, ending in ((".csv", "\r\n"), (".csv.zst", "\n")):
            raw = ("\ufeff" + ending.join(text)).encode()
            packed = raw if suffix == ".csv" else zstandard.compress(raw[:200]) + zstandard.compress(raw[200:])
            path = tmp_path / str(number) / f"kalshi_2026-10-13{suffix}"
            path.write_bytes(packed)
            (part,) = registry.parts("predictiondata", tmp_path / str(number))
            assert _books(part.read(Aside())) == BOOK
            path.unlink()


def test_the_same_row_twice_is_one_change_and_two_sizes_of_one_price_are_no_book() -> None:
    assert _read_l2([*SNAPSHOT, *SNAPSHOT, CHANGE, CHANGE]) == (BOOK, 0)
    assert _read_l2([*SNAPSHOT, _l2(1, "yes", 0.4, 11.0, True), CHANGE]) == (None, 1)
    unnumbered = [
        row | {"seq": None} for row in (*SNAPSHOT, CHANGE, CHANGE)
    ]  # then nothing says that it is the same change
    assert _read_l2(unnumbered)[0] == ({4000: 1000, 4100: 500}, {5500: 500})


def test_a_market_that_is_on_two_recordings_at_once_is_refused(tmp_path: Path) -> None:
    folders = [
        tmp_path / "book_l2" / name / "series=KXHIGHNY" for name in ("date=2026-10-13", "copy", "date=2026-10-14")
    ]
    for folder, later in zip(folders, (0, 2, 10), strict=True):
        folder.mkdir(parents=True)
        rows = [row | {"ts_recv": row["ts_recv"] + later} for row in (*SNAPSHOT, CHANGE, _l2(4, "no", 0.5, 1.0))]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "part-0.parquet")
    refused = []
    for part in registry.parts("kalshi-eye", tmp_path):
        try:
            registry.run(part, tmp_path / "tapes")
        except Refused as error:
            refused.append(str(error))
    assert refused == [f"{TICKER} is in book_l2_copy_series=KXHIGHNY at the same time"]


@pytest.mark.parametrize("price", [0.0, 1.0, 1, 40.0], ids=str)
def test_a_level_of_nothing_or_a_dollar_is_another_unit_and_no_book(price: float) -> None:
    assert _read_l2([*SNAPSHOT, _l2(3, "yes", price, 1.0)]) == (None, 1)


def test_files_that_an_archive_holds_besides_are_named(tmp_path: Path) -> None:
    for name in ("book_l2/date=1/a.parquet", "bbo/date=1/a.parquet", "book_l2/date=1/a.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [name for name, _ in registry.left_out("kalshi-eye", tmp_path)] == [
        "bbo/date=1/a.parquet",
        "book_l2/date=1/a.csv",
    ]
    assert [name for name, _ in registry.left_out("predictiondata", tmp_path)] == []
    (tmp_path / "day.csv.bz2").write_bytes(b"")
    assert [name for name, _ in registry.left_out("predictiondata", tmp_path)] == ["day.csv.bz2"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("book_l2/date=2026-10-13/series=KXHIGHNY", "part-0.parquet"),
        ("sample day/kalshi/book_l2/2026", "día 1 (copy).PARQUET"),
        ("book_l2", "all.Parquet"),
    ],
)
def test_a_file_of_book_l2_is_read_wherever_its_folder_lies_and_however_it_is_called(
    tmp_path: Path, folder: str, name: str
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([*SNAPSHOT, CHANGE]), tmp_path / folder / name)
    for root in (tmp_path, tmp_path / folder):
        if root == tmp_path or root.name == "book_l2":
            (part,) = registry.parts("kalshi-eye", root)
            assert _books(part.read(Aside())) == BOOK
            assert not list(flat_files.left_out("kalshi-eye", root))


def test_a_number_that_is_none_is_called_so() -> None:
    aside = Aside()
    list(flat_files.book_l2([*SNAPSHOT, CHANGE | {"price": float("nan")}], 1, aside))
    assert aside.count == 1
    assert aside.named[0].endswith("not a number")
