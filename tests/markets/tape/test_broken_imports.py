"""Recordings of others with lines that cannot be read: those are set aside by name, the rest is imported as if they were not there, and
where they may hide a change of a price there is a gap."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command

from markets.tape.imports import registry
from markets.tape.imports.source import Aside
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record

_DAY: Final = "KXHIGHNY-25DEC05"
_BOOK: Final = {
    "captured_at": "2026-07-19T01:00:00Z",
    "ticker": "KXHIGHNY-26JUL19-T80",
    "yes_bids": [[0.1, 5.0], [0.2, 6.0]],
    "no_bids": [[0.7, 3.0]],
    "group": "daily",
}
_GAME: Final = {
    "captured_at": "2026-07-04T01:00:00Z",
    "event_ticker": "KXWCGAME-26JUL03AB",
    "outcomes": [{"ticker": f"KXWCGAME-26JUL03AB-{leg}", "yes_bid": 0.3, "no_bid": 0.6} for leg in "AB"],
}
_FRAME: Final = {
    "recv_ms": 1786406485540,
    "event": {"type": "orderbook_delta", "sid": 1, "seq": 5, "msg": {"market_ticker": "KXGOLD15M-26AUG102015-15"}},
}
_MINUTES: Final = {
    "game": {"ticker": "KXNBAGAME-26MAR19CLECHI-CHI"},
    "result": "no",
    "candles": [[1773965160, 0.2, 0.21], [1773965220, 0.19, 0.2]],
}
_QUARTER: Final = {"ticker": "KXETH15M-26AUG170145-45", "ts": 1786945083.5, "yb": 0.093, "ya": 0.094}
_CUP: Final = {
    "ts": 1783029536939,
    "ticker": "KXCUP-26-PT",
    "yes_bid": 6.1,
    "yes_ask": 6.2,
    "yes_bid_sz": "4.00",
    "yes_ask_sz": "5.00",
}
_NEAR: Final = {
    "event_ticker": "KXWCGAME-26JUL03AB",
    "captured_at": "2026-07-04T00:09:41Z",
    "outcomes": [
        {
            "ticker": f"KXWCGAME-26JUL03AB-{leg}",
            "open_time": "2026-07-01T00:00:00Z",
            "close_time": "2026-07-03T23:59:41Z",
            "occurrence_datetime": None,
            "result": "no",
            "sample_ask_near_close": {"end_period_ts": 1783119600, "price_source_tag": "real_ask", "yes_ask": 0.5},
        }
        for leg in "AB"
    ],
}

LINES: Final[dict[str, tuple[str, list[dict[str, Any]], tuple[str, ...]]]] = {
    "books": (
        "books/weather_2026-07-19.jsonl.gz",
        [_BOOK, _BOOK | {"ticker": "KXHIGHNY-26JUL19-B80.5"}],
        ("captured_at", "ticker", "yes_bids"),
    ),
    "quotes": (
        "quotes/sports_events_2026-07-04.jsonl.gz",
        [_GAME, _GAME | {"captured_at": "2026-07-04T02:00:00Z"}],
        ("captured_at",),
    ),
    "frames": (
        "ws/gold15m/KXGOLD15M-26AUG102015-15.ndjson.gz",
        [_FRAME, _FRAME | {"recv_ms": 1786406486540}],
        ("recv_ms", "event"),
    ),
    "basketball": ("sports/nba_games.jsonl.gz", [_MINUTES], ("game", "candles")),
    "crypto15m": (
        "crypto15m/KXETH15M_raw_snapshots.jsonl.gz",
        [_QUARTER, _QUARTER | {"ts": 1786945084.5}],
        ("ticker", "ts", "yb"),
    ),
    "winners": (
        "sports/worldcup_winner_a_b.jsonl.gz",
        [_CUP, _CUP | {"ts": 1783029540000}],
        ("ts", "ticker", "yes_ask"),
    ),
    "settled": ("settled/sports_near_close_x.jsonl.gz", [_NEAR], ("event_ticker", "outcomes")),
}
"""Kind -> file, lines that can be read, fields without which a line cannot."""
NO_JSON: Final = (b'{"captured_at": "2026-', b"null", b"[1, 2]", b'"text"', b"\xff\xfe\x00", b"[" * 100_000, b"NaN")
TABLES: Final[dict[str, tuple[str, str, list[str], list[str]]]] = {
    "best-changes": (
        f"quotes_hf/{_DAY}.csv.gz",
        "ts_utc,ticker,yes_bid,no_bid",
        [
            f"2025-12-05T15:00:00Z,{_DAY}-B40.5,10,85",
            f"2025-12-05T15:10:00Z,{_DAY}-B42.5,20,70",
            f"2025-12-05T15:20:00Z,{_DAY}-B40.5,11,85",
        ],
        [
            f"2025-12-05T15:05:00Z,{_DAY}-B40.5,ten,85",
            f"2025-12-05T15:05:00Z,{_DAY}-B40.5,10.5,85",
            f"2025-12-05T15:05:00Z,{_DAY}-B40.5,-3,85",
            f"2025-12-05T15:05:00Z,{_DAY}-B40.5,10,185",
            f"05/12/2025 15:05,{_DAY}-B40.5,10,85",
            f"0001-01-01T15:05:00Z,{_DAY}-B40.5,10,85",
            "2025-12-05T15:05:00Z,KXHIGHNY-25DEC06-B40.5,10,85",
            f"2025-12-05T15:05:00Z,{_DAY}-B40.5,10",
            f"2025-12-05T15:05:00Z,{_DAY}-B40.5,10,85,1",
        ],
    ),
    "prints": (
        "trades/weather/KXHIGHNY_2025-01.csv.gz",
        "created_time,ticker,yes_price_cents,count,taker_side",
        ["2025-01-01T13:00:00.5Z,KXHIGHNY-25JAN01-B31.5,2,1,no", "2025-01-01T14:00:00Z,KXHIGHNY-25JAN01-B31.5,3,1,yes"],
        [
            "2025-01-01T13:00:00.5Z,KXHIGHNY-25JAN01-B31.5,2.005,1,no",
            "2025-01-01T13:00:00.5Z,KXHIGHNY-25JAN01-B31.5,200,1,no",
            "2025-01-01T13:00:00.5Z,KXHIGHNY-25JAN01-B31.5,2,-1,no",
            "2025-01-01T13:00:00.5Z,KXHIGHNY-25JAN01-B31.5,2,nan,no",
            "2025-01-01T13:00:00.5Z,KXHIGHNY-25JAN01-B31.5,2,1,maybe",
            ",KXHIGHNY-25JAN01-B31.5,2,1,no",
        ],
    ),
}
"""Kind -> file, header, rows that can be read, rows that cannot."""


def _read(kind: str, root: Path) -> tuple[list[Record], Aside]:
    aside = Aside()
    (part,) = registry.parts(kind, root)
    return list(part.read(aside)), aside


def _packed(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1))


def _prices(records: list[Record]) -> list[Record]:
    return [
        record for record in records if record.kind in (Kind.QUOTE, Kind.BOOK, Kind.TRADE, Kind.FRAMES, Kind.SETTLEMENT)
    ]


@pytest.mark.parametrize("kind", LINES)
def test_lines_that_cannot_be_read_leave_the_others_as_they_are(tmp_path: Path, kind: str) -> None:
    name, good, needed = LINES[kind]
    lines = [json.dumps(line).encode() for line in good]
    _packed(tmp_path / "good" / name, b"\n".join(lines))
    whole, nothing = _read(kind, tmp_path / "good")
    broken = [*NO_JSON, *(json.dumps({k: v for k, v in good[0].items() if k != field}).encode() for field in needed)]
    odd: tuple[Any, ...] = ([[]], "no", {"a": 1})
    broken += [json.dumps(good[0] | {field: value}).encode() for field in needed for value in odd]
    if kind == "settled":  # others are a bookmaker's lines
        broken = [line for line in broken if b"outcomes" in line or line in NO_JSON]
    _packed(tmp_path / "bad" / name, b"\n".join([*broken[::2], lines[0], *broken[1::2], *lines[1:]]))
    found, aside = _read(kind, tmp_path / "bad")
    assert nothing.count == 0
    assert aside.count >= len(broken)
    assert all(name.rsplit("/", 1)[1] in one for one in aside.named)
    if kind == "frames":  # numbered again behind the gap
        assert len(_prices(found)) == len(_prices(whole))
        assert [record.kind for record in found if record.kind is Kind.GAP] == [Kind.GAP]
    else:
        assert _prices(found) == _prices(whole)


@pytest.mark.parametrize("kind", TABLES)
def test_rows_that_cannot_be_read_leave_the_others_as_they_are(tmp_path: Path, kind: str) -> None:
    name, header, good, bad = TABLES[kind]
    _packed(tmp_path / "good" / name, "\n".join([header, *good]).encode())
    _packed(
        tmp_path / "bad" / name,
        "\n".join(["\ufeff" + header, good[0], *bad, *good[1:]]).encode() + b"\n\xff,\xfe,1,2\n",
    )
    whole, _ = _read(kind, tmp_path / "good")
    found, aside = _read(kind, tmp_path / "bad")
    assert aside.count == len(bad) + 1
    assert _prices(found) == _prices(whole)
    gaps = [json.loads(record.payload) for record in found if record.kind is Kind.GAP]
    assert len(gaps) == (kind == "best-changes")
    if gaps:  # between the last row before and the first one behind
        assert gaps[0]["before_ns"] - gaps[0]["after_ns"] == 600 * 10**9


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_without_a_column_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    name, header, good, _ = TABLES[kind]
    for column in header.split(","):
        _packed(tmp_path / name, "\n".join([header.replace(column, "other"), *good]).encode())
        (part,) = registry.parts(kind, tmp_path)
        with pytest.raises(ValueError, match=f"has no column {column}"):
            registry.run(part, tmp_path / "tapes")
    _packed(
        tmp_path / name,
        "\n".join(
            [",".join(reversed(header.split(","))), *(",".join(reversed(row.split(","))) for row in good)]
        ).encode(),
    )
    found, aside = _read(kind, tmp_path)
    assert (len(_prices(found)), aside.count) == (len(good), 0)


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: b"", lambda raw: b"not packed", lambda raw: raw[:11], lambda raw: gzip.compress(b"")],
    ids=["empty", "no gzip", "torn head", "nothing in it"],
)
def test_one_file_that_cannot_be_read_is_named_and_the_others_are_imported(
    tmp_path: Path, spoil: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("books", "crypto15m"):
        name, good, _ = LINES[kind]
        _packed(tmp_path / "set" / name, b"\n".join(json.dumps(line).encode() for line in good))
    path = tmp_path / "set" / LINES["books"][0]
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(CommandError, match="1 of 2 could not be read: weather_2026-07-19"):
        call_command("tape", "import", "recorded", str(tmp_path / "set"), str(tmp_path / "tapes"))
    said = capsys.readouterr().out
    assert "books-weather/weather_2026-07-19: not imported" in said
    assert len(list(Tape.open(tmp_path / "tapes" / "quotes-crypto15m").records(kinds=[Kind.QUOTE]))) == 2


def test_a_file_that_breaks_off_is_imported_to_there_and_the_tape_says_so(tmp_path: Path) -> None:
    name, good, _ = LINES["crypto15m"]
    lines = [
        json.dumps(good[0] | {"ts": 1786945083 + second, "yb": second % 90 / 100, "ya": 0.95})
        for second in range(5_000)
    ]
    _packed(tmp_path / "set" / name, "\n".join(lines).encode())
    path = tmp_path / "set" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (part,) = registry.parts("crypto15m", tmp_path / "set")
    done = registry.run(part, tmp_path / "tapes")
    assert 100 < done.records < 5_000
    assert "breaks off" in done.aside.named[0]
    about = Tape.open(tmp_path / "tapes" / part.tape).about["set aside"]
    assert (about["count"], about["first"]) == (1, done.aside.named)
