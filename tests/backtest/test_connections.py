"""Two connections at once, as where a standby takes over while the leader still lives: no book is made of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtest.replay import session
from markets.tape.records import Kind, Record, pack_frames
from tests.backtest.tapes import SECOND, START, Recorder, options

pytestmark = pytest.mark.usefixtures("own_database")
LEGS = [f"GAME-EDGE-L{leg}" for leg in range(3)]


def _books(tape: Recorder, at: float) -> None:
    for ticker in LEGS:
        tape.book(at, ticker, [("0.3000", "50.00")], [("0.5500", "50.00")])


def _two(tape: Recorder, second: Recorder, folder: Path) -> Path:
    tape.records = sorted([*tape.records, *second.records], key=lambda record: record.received_ns)
    return tape.write(folder)


def _leader_and_standby() -> tuple[Recorder, Recorder]:
    leader, standby = Recorder(), Recorder()
    leader.opened(0)
    leader.event(0, "GAME-EDGE", 3)
    _books(leader, 1)
    standby.opened(5, "e2")
    _books(standby, 6)
    for second in range(2, 100, 2):
        leader.alive(second)
        standby.alive(second + 0.5) if second > 6 else None
    return leader, standby


def test_a_change_that_both_connections_saw_is_one(tmp_path: Path) -> None:
    """Each of the two says that twenty came; forty were never there."""
    leader, standby = _leader_and_standby()
    for tape, at in ((leader, 30), (standby, 30.001)):
        for ticker in LEGS:
            tape.delta(at, ticker, "yes", "0.4000", "20.00")
    found = session.run(options(_two(leader, standby, tmp_path)))
    assert {leg["bought"] for p in found.positions for leg in p["legs"]} == {2_000}


def test_an_edge_that_only_the_connection_before_showed_is_not_bought(tmp_path: Path) -> None:
    leader, standby = _leader_and_standby()
    for ticker in LEGS:
        leader.delta(30, ticker, "yes", "0.4000", "20.00")
    assert session.run(options(_two(leader, standby, tmp_path))).decisions == 0


def test_books_of_the_connection_before_end_with_the_one_that_took_over(tmp_path: Path) -> None:
    """The newest connection has the event; when it closes, nothing is a price until somebody says the whole book again."""
    leader, standby = _leader_and_standby()
    standby.records.append(Record(START + 20 * SECOND, Kind.CONNECTION, "e2", b'{"state":"closed"}'))
    standby.records = [one for one in standby.records if one.received_ns <= START + 20 * SECOND]
    for ticker in LEGS:
        leader.delta(30, ticker, "yes", "0.4000", "20.00")
    assert session.run(options(_two(leader, standby, tmp_path / "lost"))).decisions == 0
    leader, standby = _leader_and_standby()
    standby.records.append(Record(START + 20 * SECOND, Kind.CONNECTION, "e2", b'{"state":"closed"}'))
    standby.records = [one for one in standby.records if one.received_ns <= START + 20 * SECOND]
    _books(leader, 25)
    for ticker in LEGS:
        leader.delta(30, ticker, "yes", "0.4000", "20.00")
    assert session.run(options(_two(leader, standby, tmp_path / "again"))).decisions == 1


def test_one_leg_that_another_connection_took_over_takes_the_whole_event(tmp_path: Path) -> None:
    """The others are of a connection that closes: they are no prices beside a leg of one that lives."""
    leader, standby = _leader_and_standby()
    standby.records = [one for one in standby.records if one.kind is Kind.CONNECTION]
    standby.seq = 0
    standby.book(6, LEGS[0], [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(8, 100, 2):
        standby.alive(second + 0.5)
    for ticker in LEGS:
        leader.delta(10, ticker, "yes", "0.4000", "20.00")
    leader.records = [one for one in leader.records if one.received_ns <= START + 20 * SECOND]
    leader.records.append(Record(START + 20 * SECOND, Kind.CONNECTION, "e1", b'{"state":"closed"}'))
    standby.delta(30, LEGS[0], "yes", "0.4000", "20.00")
    assert session.run(options(_two(leader, standby, tmp_path))).decisions == 0


def test_a_gap_of_one_connection_is_no_gap_of_the_other(tmp_path: Path) -> None:
    """Subscriptions of both have the same number."""
    leader, other = Recorder(), Recorder()
    leader.opened(0)
    leader.event(0, "GAME-EDGE", 3)
    _books(leader, 1)
    other.opened(2, "e2")
    skipped = b'{"type":"orderbook_delta","sid":1,"seq":7,"msg":{"market_ticker":"X","side":"yes","price_dollars":"0.4","delta_fp":"1"}}'
    other.records.append(Record(START + 3 * SECOND, Kind.FRAMES, "e2", pack_frames([skipped])))
    for second in range(4, 100, 2):
        leader.alive(second)
    for ticker in LEGS:
        leader.delta(30, ticker, "yes", "0.4000", "20.00")
    assert session.run(options(_two(leader, other, tmp_path))).decisions == 1
