"""Archives of every format that others write, spoilt at random: never a traceback, and a book is as it was, or none and the reason is
counted."""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from django.core.management import CommandError, call_command

from markets.tape.imports import flat_files, registry
from markets.tape.imports.source import Aside
from markets.tape.reader import Tape
from markets.tape.records import Kind
from tests.markets.tape.test_flat_files import AT, BOOK, CHANGE, SNAPSHOT, TICKER, WHOLE, _books, _update

TIMES: Final = ("", "yesterday", None, -5, 10**30, "NaN", True, [1], math.nan, math.inf, "2026-13-45T99:00:00Z")
TICKERS: Final = (None, "", 5, "no ticker", f"{TICKER} ,", ["A-B"], "x" * 100_000, "\x00")
PRICES: Final[tuple[Any, ...]] = (
    "",
    "x",
    None,
    math.nan,
    math.inf,
    -0.1,
    0.0,
    1.0,
    1.5,
    41,
    1e300,
    "1e999999999",
    "0x1",
    [],
    {},
    "½",
)
SIZES: Final[tuple[Any, ...]] = ("", "x", None, math.nan, -math.inf, 1e300, 10**30, "1e999999999", [], {})
SPOILT: Final[dict[str, Mapping[str, tuple[Any, ...]]]] = {
    "book_l2": {
        "ts_recv": TIMES,
        "ticker": TICKERS,
        "price": PRICES,
        "size": SIZES,
        "side": ("", "maybe", 7, [], math.nan, "YES "),
        "is_snapshot": (None, "maybe", 2, [], math.nan),
    },
    "trades": {
        "ts_recv": TIMES,
        "ticker": TICKERS,
        "price": PRICES,
        "count": (*SIZES, 0, -1),
        "taker_side": (None, "", "maybe", 7, []),
    },
    "complete": {
        "local_timestamp": TIMES,
        "ticker": TICKERS,
        "message_type": (None, "", "other", 7, []),
        "price_level_update_price": PRICES,
        "price_level_update_quantity": (*SIZES, -1),
        "price_level_update_side": (None, "", "yes", 7, []),
    },
}
"""Dataset -> column -> what is none of its values."""
PRINT: Final = {"ticker": TICKER, "ts_recv": AT + 1, "price": 0.4, "count": 3, "taker_side": "yes"}
GOOD: Final[dict[str, list[dict[str, Any]]]] = {
    "book_l2": [*SNAPSHOT, CHANGE],
    "trades": [PRINT, PRINT | {"ts_recv": AT + 2}, PRINT | {"ts_recv": AT + 3}],
    "complete": [WHOLE, _update(2, "0.41", "2.5", "bid"), _update(3, "0.42", "0", "bid")],
}
READ: Final = {"book_l2": flat_files.book_l2, "trades": flat_files.trades, "complete": flat_files.complete}


@pytest.mark.parametrize(("dataset", "column"), [(name, column) for name in SPOILT for column in SPOILT[name]])
def test_a_row_with_a_value_that_is_none_is_counted_and_its_book_is_not_known(dataset: str, column: str) -> None:
    good = GOOD[dataset]
    for value in SPOILT[dataset][column]:
        rows = [*good[:-1], good[-1] | {column: value}]
        aside = Aside()
        records = list(READ[dataset](rows, 1, aside))
        assert aside.count == 1, (column, value)
        assert aside.named[0], (column, value)
        if dataset == "trades":
            assert [record.kind for record in records] == [Kind.TRADE] * 2
        else:
            assert _books(records) is None, (column, value)


Spoil = Callable[[bytes, random.Random], bytes]


def _flipped(raw: bytes, chance: random.Random) -> bytes:
    found = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _swapped(raw: bytes, chance: random.Random) -> bytes:
    first, second = sorted(chance.sample(range(len(raw)), 2))
    return raw[:first] + raw[second:] + raw[first:second]


SPOILS: Final[dict[str, Spoil]] = {
    "empty": lambda raw, chance: b"",
    "cut off": lambda raw, chance: raw[: chance.randrange(len(raw))],
    "head gone": lambda raw, chance: raw[chance.randrange(1, len(raw)) :],
    "flipped": _flipped,
    "swapped": _swapped,
    "garbage behind": lambda raw, chance: raw + chance.randbytes(50),
    "garbage": lambda raw, chance: chance.randbytes(200),
    "zeros": lambda raw, chance: b"\0" * len(raw),
}
PACKED: Final[dict[str, Callable[[bytes], bytes]]] = {
    ".csv": lambda raw: raw,
    ".csv.gz": lambda raw: gzip.compress(raw, 1),
    ".csv.zst": lambda raw: zstandard.ZstdCompressor(write_checksum=True).compress(raw),
}


def _csv(rows: list[dict[str, Any]], end: str = "\n") -> bytes:
    names = list(rows[0])
    lines = [names, *([str("" if row[name] is None else row[name]) for name in names] for row in rows)]
    return end.join(",".join(f'"{cell}"' if "," in cell else cell for cell in line) for line in lines).encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


def _imported(kind: str, source: Path, folder: Path) -> str:
    """What the command said where it refused; empty where it did not. Anything else that it raises is a fault."""
    try:
        call_command("tape", "import", kind, str(source), str(folder))
    except CommandError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("packing", [*PACKED, ".parquet"])
def test_a_spoilt_file_is_never_a_traceback(tmp_path: Path, packing: str, spoil: str) -> None:
    """And what is packed with a checksum gives the book that was, or names what is wrong."""
    chance = random.Random(f"{packing} {spoil}")
    whole = _parquet(GOOD["complete"]) if packing == ".parquet" else PACKED[packing](_csv(GOOD["complete"]))
    for number in range(12):
        source = tmp_path / f"{number}"
        source.mkdir()
        (source / f"2026-10-13{packing}").write_bytes(SPOILS[spoil](whole, chance))
        refused = _imported("predictiondata", source, source / "tapes")
        tapes = [*(source / "tapes").glob("*/*.tape")]
        if packing in (".csv.gz", ".csv.zst") and not refused:
            tape = Tape.open(tapes[0].parent)
            assert _books(tape.records()) in (None, BOOK) or tape.about["set aside"]["count"], number
        assert refused or tapes


@pytest.mark.parametrize("dataset", ["book_l2", "trades"])
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_file_of_the_other_archive_is_never_a_traceback(tmp_path: Path, dataset: str, spoil: str) -> None:
    chance, whole = random.Random(f"{dataset} {spoil}"), _parquet(GOOD[dataset])
    for number in range(12):
        folder = tmp_path / f"{number}" / dataset / "date=2026-10-13" / "series=KXHIGHNY"
        folder.mkdir(parents=True)
        (folder / "part-0.parquet").write_bytes(SPOILS[spoil](whole, chance))
        _imported("kalshi-eye", tmp_path / f"{number}", tmp_path / f"{number}" / "tapes")


@pytest.mark.parametrize("packing", PACKED)
def test_marks_line_ends_order_and_rows_that_come_twice_change_nothing(tmp_path: Path, packing: str) -> None:
    rows = GOOD["complete"]
    ways = {
        "as it is": _csv(rows),
        "mark": b"\xef\xbb\xbf" + _csv(rows),
        "line ends": _csv(rows, "\r\n") + b"\r\n",
        "order": _csv(rows[::-1]),
        "twice": _csv([row for row in rows for _ in range(2)]),
        "blank lines": _csv(rows).replace(b"\n", b"\n\n"),
    }
    for name, raw in ways.items():
        source = tmp_path / name
        source.mkdir()
        (source / f"2026-10-13{packing}").write_bytes(PACKED[packing](raw))
        assert _imported("predictiondata", source, source / "tapes") == "", name
        assert _books(Tape.open(source / "tapes" / "predictiondata").records()) == BOOK, name


def test_a_folder_that_is_called_like_a_file_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "set" / "2026-10-13.csv").mkdir(parents=True)
    (tmp_path / "eye" / "book_l2" / "part-0.parquet").mkdir(parents=True)
    assert _imported("predictiondata", tmp_path / "set", tmp_path / "tapes")
    assert _imported("kalshi-eye", tmp_path / "eye", tmp_path / "tapes")
    assert _imported("predictiondata", tmp_path / "nowhere", tmp_path / "tapes")


def test_markets_that_are_mixed_are_each_as_if_they_stood_alone(tmp_path: Path) -> None:
    chance, other = random.Random(1), [row | {"ticker": f"{TICKER}X"} for row in GOOD["complete"]]
    for number in range(10):
        source = tmp_path / f"{number}"
        source.mkdir()
        rows = [*GOOD["complete"], *other]
        chance.shuffle(rows)
        (source / "2026-10-13.csv").write_bytes(_csv(rows))
        (part,) = registry.parts("predictiondata", source)
        done = registry.run(part, source / "tapes")
        assert done.aside.count == 0
        assert _books(Tape.open(source / "tapes" / "predictiondata").records()) == BOOK
