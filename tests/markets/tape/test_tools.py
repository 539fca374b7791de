"""Cutting, exporting, importing and covering tapes: the same books come out that went in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from markets.book import Book, Depth
from markets.kalshi.ws.frames import BookDelta, BookSnapshot, GapFrame, RejectedFrame
from markets.kalshi.ws.intake import Intake
from markets.tape import export, store
from markets.tape.connections import Connections
from markets.tape.coverage import State, coverage
from markets.tape.cut import cut
from markets.tape.imports import flat_files, registry
from markets.tape.reader import END_OF_TIME, Tape
from markets.tape.records import Kind, Record, pack_frames
from markets.tape.retention import prune
from markets.tape.segments import HOUR_NS
from markets.tape.store import json_record
from tests.conftest import SHARED

SECOND = 10**9
START = 1_786_406_400 * SECOND


def _frame(kind: str, seq: int, message: dict[str, Any], sid: int = 1) -> bytes:
    return json.dumps({"type": kind, "sid": sid, "seq": seq, "msg": message}).encode()


def _snapshot(seq: int, ticker: str, yes: list[list[str]], no: list[list[str]]) -> bytes:
    return _frame("orderbook_snapshot", seq, {"market_ticker": ticker, "yes_dollars_fp": yes, "no_dollars_fp": no})


def _delta(seq: int, ticker: str, side: str, price: str, change: str) -> bytes:
    message = {"market_ticker": ticker, "side": side, "price_dollars": price, "delta_fp": change, "ts_ms": 1}
    return _frame("orderbook_delta", seq, message)


def _tape(folder: Path) -> Tape:
    frames = [
        (0, _snapshot(1, "A-1", [["0.4000", "10.00"]], [["0.5500", "7.00"]])),
        (1, _snapshot(2, "A-2", [["0.3000", "4.00"]], [["0.6000", "2.50"]])),
        (2, _delta(3, "A-1", "yes", "0.4100", "3.00")),
        (3, _delta(4, "A-1", "yes", "0.4000", "-10.00")),
        (4000, _delta(5, "A-2", "no", "0.6000", "-1.25")),
    ]
    records = [json_record(START, Kind.CONNECTION, "e1", {"state": "open"})]
    records += [Record(START + s * SECOND, Kind.FRAMES, "e1", pack_frames([frame])) for s, frame in frames]
    records.append(json_record(START, Kind.EVENT, "A", {"event_ticker": "A", "markets": []}))
    store.write(folder, "w", {"source": "test"}, records)
    return Tape.open(folder)


def _books(records: Iterable[Record]) -> dict[str, Depth]:
    """Every book as the frames say, gaps refused."""
    books: dict[str, Book] = {}
    connections = Connections(lambda epoch: Intake())
    for record in records:
        for frame in connections.apply(record):
            if isinstance(frame, BookSnapshot):
                books.setdefault(frame.market_ticker, Book()).apply_snapshot(frame.yes, frame.no)
            elif isinstance(frame, BookDelta):
                books[frame.market_ticker].apply_delta(str(frame.side), frame.price, frame.delta)
            elif isinstance(frame, GapFrame | RejectedFrame):
                raise AssertionError(frame)
    return {ticker: book.depth() for ticker, book in books.items()}


def test_a_cut_begins_with_what_was_known(tmp_path: Path) -> None:
    tape = _tape(tmp_path / "a")
    cut(tape, tmp_path / "b", START + 3 * SECOND, END_OF_TIME)
    part = Tape.open(tmp_path / "b")
    assert part.first_ns == START + 3 * SECOND
    assert _books(part.records()) == _books(tape.records())
    assert [r.key for r in part.records(kinds=[Kind.EVENT])] == ["A"]


def test_a_cut_behind_a_gap_begins_without_what_was_known_before_it(tmp_path: Path) -> None:
    records = [record for record in _tape(tmp_path / "a").records() if record.kind is not Kind.META]
    for number, (key, left) in enumerate((("", set[str]()), ("A-1", set[str]()), ("B-1", set[str]()))):
        gap = json_record(START + 3 * SECOND + 1, Kind.GAP, key, {"reason": "disk"})
        store.write(tmp_path / f"g{number}", "w", {}, [*records, gap])
        cut(Tape.open(tmp_path / f"g{number}"), tmp_path / f"c{number}", START + 10 * SECOND, START + 20 * SECOND)
        assert set(_books(Tape.open(tmp_path / f"c{number}").records())) == left, key


def test_a_cut_holds_nothing_from_after_its_end(tmp_path: Path) -> None:
    cut(_tape(tmp_path / "a"), tmp_path / "b", START, START + 3 * SECOND)
    assert Tape.open(tmp_path / "b").last_ns < START + 3 * SECOND


def test_hours_without_records_are_missing_and_gaps_degrade_theirs(tmp_path: Path) -> None:
    records = [
        json_record(START, Kind.EVENT, "A", {}),
        json_record(
            START + 60 * SECOND, Kind.GAP, "", {"after_ns": START + SECOND, "before_ns": None, "reason": "disk"}
        ),
        json_record(START + 2 * HOUR_NS, Kind.EVENT, "B", {}),
    ]
    store.write(tmp_path, "w", {}, records)
    hours = coverage(Tape.open(tmp_path)).hours
    assert [hour.state for hour in hours] == [State.DEGRADED, State.MISSING, State.PRESENT]
    assert hours[0].reasons == ["disk"]


def test_export_and_import_of_book_l2_give_the_same_books(tmp_path: Path) -> None:
    tape = _tape(tmp_path / "a")
    export.export(tape, tmp_path / "out", 0, END_OF_TIME)
    for part in flat_files.kalshi_eye(tmp_path / "out"):
        registry.run(part, tmp_path / "back")
    assert _books(Tape.open(tmp_path / "back" / "kalshi-eye").records()) == _books(tape.records())


def test_a_strangers_reader_rebuilds_our_books_from_the_export(tmp_path: Path) -> None:
    _same_as_strangers(_tape(tmp_path / "a"), tmp_path)


@pytest.mark.slow
@pytest.mark.shared
def test_a_strangers_reader_rebuilds_recorded_books(tmp_path: Path) -> None:
    part = next(registry.parts("frames", SHARED / "recorded"))
    registry.run(part, tmp_path / "tape")
    _same_as_strangers(Tape.open(tmp_path / "tape" / part.tape), tmp_path)


def _same_as_strangers(tape: Tape, folder: Path) -> None:
    export.export(tape, folder / "out", 0, END_OF_TIME)
    last = _of_strangers(folder / "out")
    ours = _books(tape.records())
    assert last.keys() == ours.keys()
    for ticker, (bids, asks) in last.items():
        assert [(round(p * 10_000), round(c * 100)) for p, c in bids] == list(ours[ticker].yes_bids)
        assert [(10_000 - round(p * 10_000), round(c * 100)) for p, c in asks] == list(ours[ticker].no_bids)


@pytest.mark.parametrize(
    "between",
    [
        json_record(START + 5 * SECOND, Kind.GAP, "", {"reason": "disk"}),
        json_record(START + 5 * SECOND, Kind.GAP, "A", {"reason": "rows"}),
        json_record(START + 5 * SECOND, Kind.GAP, "B-1", {"reason": "rows"}),
        json_record(START + 5 * SECOND, Kind.CONNECTION, "e1", {"state": "closed"}),
        Record(START + 5 * SECOND, Kind.FRAMES, "e1", pack_frames([_delta(9, "A-1", "yes", "0.4100", "1.00")])),
        Record(START + 5 * SECOND, Kind.FRAMES, "e1", pack_frames([_delta(5, "A-1", "yes", "0.4100", "-99.00")])),
        Record(START + 5 * SECOND, Kind.FRAMES, "e1", pack_frames([_delta(5, "A-1", "yes", "x", "1.00")])),
    ],
    ids=[
        "gap",
        "gap of the event",
        "gap of an unknown event",
        "closed",
        "lost frame",
        "impossible change",
        "unreadable",
    ],
)
def test_what_is_not_known_any_more_is_an_empty_book_to_strangers(tmp_path: Path, between: Record) -> None:
    """Their layout has no word for a gap: a quote that stayed there would be one that nobody made."""
    records = [record for record in _tape(tmp_path / "a").records() if record.received_ns < START + 5 * SECOND]
    again = [
        json_record(START + 9 * SECOND, Kind.CONNECTION, "e2", {"state": "open"}),
        Record(START + 9 * SECOND, Kind.FRAMES, "e2", pack_frames([_snapshot(1, "A-2", [["0.3100", "4.00"]], [])])),
    ]
    store.write(tmp_path / "b", "w", {}, [*records, between, *again])
    export.export(Tape.open(tmp_path / "b"), tmp_path / "out", 0, END_OF_TIME)
    seen = _of_strangers(tmp_path / "out")
    assert seen["A-1"] == ([], [])
    assert seen["A-2"] == ([(0.31, 4.0)], [])


def test_each_day_of_an_export_can_be_read_alone(tmp_path: Path) -> None:
    later = 86_400 * SECOND
    records = [record for record in _tape(tmp_path / "a").records() if record.kind is not Kind.META]
    records.append(Record(START + later, Kind.FRAMES, "e1", pack_frames([_delta(6, "A-2", "yes", "0.2900", "1.00")])))
    store.write(tmp_path / "b", "w", {}, records)
    tape = Tape.open(tmp_path / "b")
    export.export(tape, tmp_path / "out", 0, END_OF_TIME)
    days = sorted((tmp_path / "out" / "book_l2").iterdir())
    assert len(days) == 2
    whole = _books(tape.records())
    for number, day in enumerate(
        days
    ):  # the second by itself has every book of the end, the first all but the last change
        books = {ticker: (len(bids), len(asks)) for ticker, (bids, asks) in _of_strangers(day).items()}
        assert books == {"A-1": (1, 1), "A-2": (1 + number, 1)}
    for part in flat_files.kalshi_eye(tmp_path / "out"):
        registry.run(part, tmp_path / "back")
    assert _books(Tape.open(tmp_path / "back" / "kalshi-eye").records()) == whole


def _of_strangers(folder: Path) -> dict[str, tuple[list[Any], list[Any]]]:
    """Each market's book at the end, as another program reads these files."""
    kalshieye = pytest.importorskip("kalshieye")
    last: dict[str, tuple[list[Any], list[Any]]] = {}
    for path in sorted(folder.rglob("*.parquet")):
        if "book_l2" not in path.as_posix():
            continue
        for _, ticker, bids, asks in kalshieye.replay_book(pyarrow.parquet.ParquetFile(path).read(), levels=1000):
            last[ticker] = (bids, asks)
    return last


def test_complete_rows_become_the_same_book_whichever_way_they_are_written(tmp_path: Path) -> None:
    at = START
    header = (
        "exchange,ticker,local_timestamp,exchange_timestamp,message_type,price_level_update_price,"
        "price_level_update_quantity,price_level_update_side,snapshot_bid_prices,snapshot_bid_sizes,"
        "snapshot_ask_prices,snapshot_ask_sizes"
    )
    lines = [
        header,
        f'kalshi,A-1,{at},,snapshot,,,,"0.40,0.39","10,1","0.45","7"',
        f"kalshi,A-1,{at + 1000},,price_level_update,0.41,3,bid,,,,",
        f"kalshi,A-1,{at + 2000},,price_level_update,0.45,5.5,ask,,,,",
        f"kalshi,A-1,{at + 3000},,price_level_update,0.39,0,bid,,,,",
    ]
    (tmp_path / "in").mkdir()
    with gzip.open(tmp_path / "in" / "a.csv.gz", "wt") as file:
        file.write("\n".join(lines))
    (part,) = flat_files.predictiondata(tmp_path / "in")
    registry.run(part, tmp_path / "tape")
    books = _books(Tape.open(tmp_path / "tape" / "predictiondata").records())
    assert books == {"A-1": Depth(((4100, 300), (4000, 1000)), ((5500, 550),))}


@pytest.mark.shared
def test_recorded_books_become_a_tape_with_every_book(tmp_path: Path) -> None:
    part = next(p for p in registry.parts("books", SHARED / "recorded") if p.writer == "weather_2026-07-19")
    registry.run(part, tmp_path)
    found = coverage(Tape.open(tmp_path / part.tape))
    assert found.kinds["book"] == 1_880
    assert found.about[0]["absent"] == ["volume", "open interest", "prints", "rules of most events"]


@pytest.mark.shared
def test_a_reconnect_inside_a_recording_is_a_named_gap(tmp_path: Path) -> None:
    part = next(p for p in registry.parts("frames", SHARED / "recorded") if "102130-30" in p.writer)
    registry.run(part, tmp_path)
    tape = Tape.open(tmp_path / part.tape)
    assert [json.loads(r.payload)["reason"] for r in tape.records(kinds=[Kind.GAP])] == ["reconnected"]
    assert any(hour.state is State.DEGRADED for hour in coverage(tape).hours)


@pytest.mark.shared
def test_results_are_not_on_the_tape_before_they_were_known(tmp_path: Path) -> None:
    part = next(p for p in registry.parts("prints", SHARED / "recorded2") if p.writer == "KXHIGHNY_2024-08")
    registry.run(part, tmp_path)
    closes: dict[str, str] = {}
    for record in Tape.open(tmp_path / part.tape).records(kinds=[Kind.EVENT, Kind.SETTLEMENT]):
        if record.kind is Kind.EVENT:
            for market in json.loads(record.payload)["markets"]:
                assert market["result"] == ""
                assert market["status"] == "active"
                closes[market["ticker"]] = market["close_time"]
        else:
            assert record.received_ns >= datetime.fromisoformat(closes[record.key]).timestamp() * SECOND


def test_retention_deletes_the_oldest_hours_and_never_the_present_one(tmp_path: Path) -> None:
    now = datetime(2026, 8, 12, 10, 30, tzinfo=UTC)
    for hours in (0, 1, 30, 60):
        at = int((now - timedelta(hours=hours)).timestamp()) * SECOND
        store.write(tmp_path, "w", {}, [json_record(at, Kind.EVENT, "A", {})])
    assert len(prune(tmp_path, now, keep_days=2, most_bytes=0)) == 1
    assert len(prune(tmp_path, now, keep_days=0, most_bytes=1)) == 2
    assert len(list(tmp_path.glob("*.tape"))) == 1
