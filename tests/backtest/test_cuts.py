"""A part of a tape decides as the whole does from there on: it holds all that was known at its beginning, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtest.replay import session
from backtest.report.results import Result
from markets.tape.cut import cut
from markets.tape.reader import END_OF_TIME, Tape
from tests.backtest.tapes import SECOND, START, Recorder, options
from tests.backtest.test_leaks import PROFILES, random_tape

pytestmark = pytest.mark.usefixtures("own_database")
LEGS = [f"GAME-EDGE-L{leg}" for leg in range(3)]
AT = START + 25 * SECOND


def _tape(*, edge_at: float = 30) -> Recorder:
    """NO on every outcome pays from second ``edge_at`` on, twenty sets."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    for ticker in LEGS:
        tape.book(1, ticker, [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 100, 2):
        tape.alive(second)
    for ticker in LEGS:
        tape.delta(edge_at, ticker, "yes", "0.4000", "20.00")
    return tape


def _whole_and_cut(tape: Recorder, folder: Path) -> tuple[Result, Result]:
    tape.records.sort(key=lambda record: record.received_ns)
    whole = tape.write(folder / "whole")
    cut(Tape.open(whole), folder / "cut", AT, END_OF_TIME)
    return session.run(options(whole, start_ns=AT)), session.run(options(folder / "cut"))


def test_an_edge_after_the_cut_is_bought_in_the_cut(tmp_path: Path) -> None:
    whole, part = _whole_and_cut(_tape(), tmp_path)
    assert whole.decisions == part.decisions == 1
    assert whole.timeline == part.timeline


def test_a_market_that_was_paused_before_the_cut_is_paused_in_it(tmp_path: Path) -> None:
    tape = _tape()
    tape.lifecycle(20, LEGS[0], "deactivated")
    whole, part = _whole_and_cut(tape, tmp_path)
    assert (whole.decisions, part.decisions) == (0, 0)


def test_of_what_was_announced_and_listed_before_the_cut_the_later_one_holds_in_it(tmp_path: Path) -> None:
    tape = _tape()
    tape.lifecycle(20, LEGS[0], "deactivated")
    tape.event(21, "GAME-EDGE", 3)
    whole, part = _whole_and_cut(tape, tmp_path)
    assert (whole.decisions, part.decisions) == (1, 1)


def test_a_fee_that_was_announced_before_the_cut_holds_in_it(tmp_path: Path) -> None:
    tape = _tape()
    tape.fee(20, "GAME-EDGE", "9.00")
    whole, part = _whole_and_cut(tape, tmp_path)
    assert (whole.decisions, part.decisions) == (0, 0)


def test_what_the_recording_account_had_resting_before_the_cut_is_not_bought_in_it(tmp_path: Path) -> None:
    tape = _tape(edge_at=20)
    for ticker in LEGS:
        tape.own_order(19.9, ticker, "0.4000", "20.00")
    whole, part = _whole_and_cut(tape, tmp_path)
    assert (whole.decisions, part.decisions) == (0, 0)


def test_a_cut_of_two_connections_goes_on_with_the_numbers_of_both(tmp_path: Path) -> None:
    """Both count from one, in subscriptions of the same number."""
    tape = _tape()
    tape.event(2, "GAME-OTHER", 3)
    tape.opened(3, "e2")
    for leg in range(3):
        tape.book(4, f"GAME-OTHER-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in (20, 40):
        tape.delta(second, "GAME-OTHER-L0", "yes", "0.1000", "1.00")
    whole, part = _whole_and_cut(tape, tmp_path)
    assert whole.decisions == part.decisions == 1
    known = Tape.open(tmp_path / "cut")
    with session.open_run(options(tmp_path / "cut"), known.records()) as running:
        running.engine.run()
        assert not any(state.suspect for state in running.feed.books.markets.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [3, 5, 6, 8])
def test_a_random_cut_decides_as_the_whole(tmp_path: Path, seed: int) -> None:
    whole, at = random_tape(tmp_path / "whole", seed), START + 70 * SECOND
    cut(Tape.open(whole), tmp_path / "cut", at, END_OF_TIME)
    profile = {"capital": 10**9} | PROFILES[seed % len(PROFILES)]
    runs = [session.run(options(tape, seed=seed, profile=profile, start_ns=at)) for tape in (whole, tmp_path / "cut")]
    assert runs[0].timeline == runs[1].timeline
