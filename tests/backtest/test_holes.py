"""Holes in the recording: nothing is traded in them, what the stream says again after one is known again, and a report says for how long
nothing was known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backtest.replay import session
from backtest.replay.holes import Holes
from backtest.report import html, terminal
from backtest.report.results import Result
from markets.tape import store
from markets.tape.coverage import coverage
from markets.tape.cut import cut
from markets.tape.known_books import KnownBooks
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from tests.backtest.tapes import SECOND, START, Recorder, options

pytestmark = pytest.mark.usefixtures("own_database")
LEGS = [f"GAME-EDGE-L{leg}" for leg in range(3)]
STREAM, SCAN = "stream0_host_1", "scan_host_2"
LOST = range(20, 41)
"""Seconds of which the stream recorded nothing."""


def _books(tape: Recorder, at: float, yes: str = "0.3000") -> None:
    for ticker in LEGS:
        tape.book(at, ticker, [(yes, "50.00")], [("0.5500", "50.00")])


def _edge(tape: Recorder, at: float) -> None:
    for ticker in LEGS:
        tape.delta(at, ticker, "yes", "0.4000", "20.00")


def _gap(begins: float, ends: float) -> Record:
    said = {"after_ns": _ns(begins), "before_ns": _ns(ends), "reason": "disk full", "dropped": 9}
    return json_record(_ns(ends), Kind.GAP, "", said)


def _ns(at: float) -> int:
    return START + round(at * SECOND)


def _tape(folder: Path, *, edge_at: float, again: bool = True, writer: str = STREAM, named: bool = True) -> Path:
    """A stream with a hole from second 20 to 40. ``again``: at 41 it says what it knows. ``named``: its connections say whose they are."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    _books(tape, 1)
    said: dict[str, object] = {"state": "open", **({"writer": STREAM} if named else {})}
    tape.records[0] = json_record(_ns(0), Kind.CONNECTION, "e1", said)
    for second in range(2, 100, 2):
        tape.alive(second)
    if edge_at < 41:
        _edge(tape, edge_at)
    if again:
        tape.seq += 700  # what was sent meanwhile
        tape.records.append(json_record(_ns(41), Kind.CONNECTION, "e1", said | {"sequence": {"1": tape.seq}}))
        _books(tape, 41)
    if edge_at >= 41:
        _edge(tape, edge_at)
    if writer == STREAM:
        tape.records = [one for one in tape.records if not _ns(LOST[0]) <= one.received_ns < _ns(LOST[-1])]
    tape.records.sort(key=lambda record: record.received_ns)
    if writer == STREAM:
        tape.records.append(_gap(LOST[0], LOST[-1]))
    else:
        store.write(folder, writer, {"source": "test"}, [_gap(LOST[0], LOST[-1])])
    return tape.write(folder, STREAM)


def test_after_a_hole_the_books_that_are_said_again_are_traded(tmp_path: Path) -> None:
    found = session.run(options(_tape(tmp_path, edge_at=50)))
    assert found.decisions == 1
    assert (found.holes, found.unknown_ms, found.stayed_unknown) == (1, 21_000, 0)


def test_without_them_nothing_is_known_to_the_end_and_the_run_says_so(tmp_path: Path) -> None:
    found = session.run(options(_tape(tmp_path, edge_at=50, again=False)))
    assert found.decisions == 0
    assert (found.holes, found.unknown_ms, found.stayed_unknown) == (1, 78_000, 1)


def test_nothing_is_traded_inside_of_a_hole(tmp_path: Path) -> None:
    """The edge shows right before it, and less than a latency later nothing is known."""
    assert session.run(options(_tape(tmp_path / "in", edge_at=30))).decisions == 0
    found = session.run(options(_tape(tmp_path / "before", edge_at=19.999)))
    assert not [leg for p in found.positions for leg in p["legs"] if leg["bought"]]


@pytest.mark.parametrize("named", [True, False])
def test_a_hole_of_a_process_that_says_no_books_takes_none(tmp_path: Path, *, named: bool) -> None:
    found = session.run(options(_tape(tmp_path, edge_at=30, again=False, writer=SCAN, named=named)))
    assert found.decisions == 1
    assert found.holes == 0


def test_a_hole_of_one_stream_takes_no_books_of_another(tmp_path: Path) -> None:
    """Where the tape does not say whose a connection is, it takes them."""
    of_other = _tape(tmp_path / "named", edge_at=30, again=False, writer="stream1_host_3")
    assert session.run(options(of_other)).decisions == 1
    unnamed = _tape(tmp_path / "old", edge_at=30, again=False, writer="stream1_host_3", named=False)
    assert session.run(options(unnamed)).decisions == 0


def test_a_market_that_was_paused_in_the_hole_is_not_bought_after_it(tmp_path: Path) -> None:
    folder = _tape(tmp_path / "one", edge_at=50)
    paused = Recorder(epoch="e1")
    paused.lifecycle(41.5, LEGS[0], "deactivated")
    records = [one for one in Tape.open(folder).records() if one.kind is not Kind.META]
    store.write(tmp_path / "two", STREAM, {"source": "test"}, [*records, *paused.records])
    assert session.run(options(tmp_path / "two")).decisions == 0


@pytest.mark.parametrize("writer", [STREAM, SCAN])
@pytest.mark.parametrize("at", [10, 30, 45])
def test_a_cut_has_the_hole_as_the_whole_has_it(tmp_path: Path, writer: str, at: int) -> None:
    folder = _tape(tmp_path / "whole", edge_at=50, writer=writer, again=writer == STREAM)
    cut(Tape.open(folder), tmp_path / "cut", _ns(at), 2**63)
    assert session.run(options(tmp_path / "cut")).decisions == 1


def test_an_export_has_the_books_again_too(tmp_path: Path) -> None:
    for writer, lost in ((STREAM, 3), (SCAN, 0)):
        known, rows = KnownBooks(), []
        for record in Tape.open(_tape(tmp_path / writer, edge_at=50, writer=writer, again=writer == STREAM)).records():
            rows += list(known.rows(record))
        assert sum(row["side"] is None for row in rows) == lost
        assert sum(not row["is_snapshot"] for row in rows) == 3


def test_a_connection_that_is_said_again_takes_nothing_from_a_newer_one(tmp_path: Path) -> None:
    """A leader says its books again after its hole, while a standby has taken over: when the leader ends, the standby's are still known."""
    leader, standby = Recorder(), Recorder()
    leader.opened(0)
    leader.event(0, "GAME-EDGE", 3)
    _books(leader, 1)
    standby.opened(5, "e2")
    _books(standby, 6)
    leader.records.append(json_record(_ns(10), Kind.CONNECTION, "e1", {"state": "open", "sequence": {"1": 3}}))
    _books(leader, 10)
    leader.records.append(json_record(_ns(12), Kind.CONNECTION, "e1", {"state": "closed"}))
    _edge(standby, 30)
    for second in range(8, 100, 2):
        standby.alive(second + 0.5)
    leader.records = sorted([*leader.records, *standby.records], key=lambda record: record.received_ns)
    assert session.run(options(leader.write(tmp_path))).decisions == 1


def test_reports_have_a_line_of_holes_where_there_was_one() -> None:
    quiet, holed = (Result(name, {"queue": "realistic", "fees": ""}, 0, 1, 1) for name in ("quiet", "holed"))
    assert terminal.HOLES not in [name for name, _ in terminal.rows([quiet])]
    holed.holes, holed.unknown_ms, holed.stayed_unknown = 1, 21_001, 0
    assert terminal.HOLES in [name for name, _ in terminal.rows([quiet, holed])]
    assert dict(terminal.rows([holed]))[terminal.HOLES](holed) == "0 min 22 s (1 hole)"
    assert terminal.unknown(2, 3_725_000, 4) == "1 h 02 min (2 holes; to the end for 4 events)"
    assert json.loads(json.dumps(holed.document()))["unknown_ms"] == 21_001


def test_every_report_says_for_how_long(tmp_path: Path) -> None:
    folder = _tape(tmp_path, edge_at=50)
    found = session.run(options(folder))
    page = html.page([found], coverage(Tape.open(folder)))
    assert "<td>books unknown after holes</td><td>0 min 21 s (1 hole)</td>" in page


def test_times_without_books_are_counted_once() -> None:
    holes = Holes()
    holes.took(["A", "B"], 1_000)
    holes.known("A", 2_000)
    holes.took(["A"], 3_000)
    holes.known("A", 4_000)
    holes.known("B", 9_000)
    holes.known("C", 9_500)
    assert (holes.count, holes.unknown_ms(0, 20_000)) == (2, 8_000)
    holes.took([], 10_000)
    holes.took(["A", "B"], 12_000)
    holes.known("A", 13_000)
    assert (holes.count, holes.unknown_ms(0, 20_000), holes.lost) == (3, 9_000, {"B": 12_000})
    assert holes.unknown_ms(8_000, 12_500) == 1_500
