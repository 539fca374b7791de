"""Frames fed to their connection in batches come to the same as one record at a time: every decision, order, fill, count and book."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtest.options import Options
from backtest.replay import session
from backtest.replay.batches import Applied, Inner
from backtest.report.results import collect
from kalbot.common import clock
from markets.tape import store
from markets.tape.reader import Tape
from markets.tape.records import UNREADABLE, Kind, Record, unpack_frames
from tests.backtest.tapes import SECOND, START, Recorder, options, planted
from tests.backtest.test_leaks import PROFILES, random_tape

pytestmark = pytest.mark.usefixtures("own_database")


def _one_record(self: Inner, first: Record, limit_ns: int, *, alone: bool) -> Applied:
    """The plain way: nothing but this record, then what follows from it."""
    self.set_clock(first.received_ns)
    self.feed.prices.alive[first.key] = first.received_ns
    self.feed.counts["frames"] += 1
    try:
        self.feed.read(first.key, [(frame, clock.now_ms()) for frame in unpack_frames(first.payload)])
    except UNREADABLE as error:
        self.feed.refuse(first.key, error)
    if self.feed.books.moved:
        self.follow(first.received_ns)
    return first.received_ns, 1, next(self.records, None)


def _outcome(wanted: Options) -> dict[str, Any]:
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        result = collect(wanted, running.engine, running.feed, running.venue)
        books = {ticker: running.feed.books.depth(state) for ticker, state in running.feed.books.markets.items()}
        seen = {ticker: (s.seq, s.receive_ms, s.suspect) for ticker, s in running.feed.books.markets.items()}
    return result.document() | {"books": books, "seen": seen}


def _both(wanted: Options, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    together = _outcome(wanted)
    with monkeypatch.context() as patched:
        patched.setattr(Inner, "_frames", _one_record)
        alone = _outcome(wanted)
    assert {name: value for name, value in together.items() if alone[name] != value} == {}
    return together


@pytest.mark.parametrize(
    ("seed", "start"),
    [
        pytest.param(3, 0, marks=pytest.mark.slow),
        (5, 60),
        pytest.param(4, 0, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_a_random_tape_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, start: int
) -> None:
    """With quotes, pauses, holes and reconnects, a second connection, and a batch that cannot be read."""
    tape = random_tape(tmp_path, seed)
    second = Recorder()
    second.opened(40, "other")
    second.alive(41)
    torn = Record(START + 42 * SECOND, Kind.FRAMES, "other", b"\x02\x00\x00\x00torn")
    store.write(tape, "other", {"source": "test"}, [*second.records, torn])
    profile = {"capital": 10**9} | PROFILES[seed % len(PROFILES)]
    wanted = options(tape, seed=seed, profile=profile, start_ns=(START + start * SECOND) if start else 0)
    found = _both(wanted, monkeypatch)
    assert found["decisions"] > 0
    assert found["counts"]["refused"] == 1


def test_many_records_are_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it ends where a task is due; batches of one record would be the plain way."""
    counts: list[int] = []
    apply = Inner.apply

    def counted(self: Inner, first: Record, limit_ns: int, *, alone: bool) -> Applied:
        found = apply(self, first, limit_ns, alone=alone)
        counts.append(found[1])
        return found

    monkeypatch.setattr(Inner, "apply", counted)
    result = session.run(options(planted(tmp_path)))
    assert sum(counts) == result.records == len(list(Tape.open(tmp_path).records()))
    assert max(counts) >= 3


def test_what_goes_wrong_after_a_record_is_not_taken_for_a_record_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, at: int, evaluates: bool) -> None:
        raise LookupError("a fault of the program")

    monkeypatch.setattr("backtest.replay.moves.Moves.follow", broken)
    with pytest.raises(LookupError, match="a fault of the program"):
        session.run(options(planted(tmp_path)))


def test_what_is_evaluated_goes_by_the_fee_of_now(tmp_path: Path) -> None:
    """Half of its series' fee from 10 on, and the series' own again from 20 on."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-E", 3)
    tape.fee(10, "GAME-E", "0.50")
    ended = {"event_ticker": "GAME-E", "fee_type_override": None, "fee_multiplier_override": None}
    tape._raw(20, {"type": "event_fee_update", "sid": 3, "seq": 2, "msg": ended})
    tape.write(tmp_path)
    wanted, found = options(tmp_path), {}
    with session.open_run(wanted, iter(())) as running:
        for record in session.records_of(wanted):
            running.feed.apply(record)
            found[(record.received_ns - START) // SECOND] = running.feed.catalogue.least_multiplier("GAME-E")
    assert found == {0: 1_000_000, 10: 500_000, 20: 1_000_000}
