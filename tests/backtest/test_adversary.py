"""Attempts to make a backtest flatter: profit that nobody could have made must not be in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from backtest.replay import session, totals
from backtest.replay.books import ReplayBooks
from backtest.report.results import collect
from kalbot.common.units import Count, Price
from markets.book import Side
from markets.catalogue import lifecycle
from markets.kalshi.vocabulary import Side as WireSide
from markets.kalshi.ws.frames import BookDelta, BookSnapshot
from markets.models import ExchangeMessage, Market
from markets.tape.records import Kind, unpack_frames
from markets.tape.writer import TapeWriter
from strategies.models import Cycle
from tests.backtest.tapes import SECOND, START, Recorder, options
from trading.models import LedgerTransaction
from trading.venues.replay import Latency

pytestmark = pytest.mark.usefixtures("own_database")
LEGS = [f"GAME-EDGE-L{leg}" for leg in range(3)]


def _edge(*, at: float = 30, events: tuple[str, ...] = ("GAME-EDGE",)) -> Recorder:
    """NO on every outcome pays from second ``at`` on, twenty sets an event."""
    tape = Recorder()
    tape.opened(0)
    for event in events:
        tape.event(0, event, 3)
        for leg in range(3):
            tape.book(1, f"{event}-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 100, 2):
        tape.alive(second)
    for event in events:
        for leg in range(3):
            tape.delta(at, f"{event}-L{leg}", "yes", "0.4000", "20.00")
    return tape


def _written(tape: Recorder, folder: Path) -> Path:
    tape.records.sort(key=lambda record: record.received_ns)
    return tape.write(folder)


def test_what_the_recording_account_itself_had_resting_is_not_bought(tmp_path: Path) -> None:
    """Its own bids were in the books that it recorded: without them there was no edge."""
    tape = _edge()
    for ticker in LEGS:
        tape.own_order(29.9, ticker, "0.4000", "20.00")
    found = session.run(options(_written(tape, tmp_path / "own")))
    assert "refused" not in found.counts
    assert (found.decisions, found.spent) == (0, 0)
    tape = _edge()
    for ticker in LEGS:
        tape.own_order(29.9, ticker, "0.4000", "15.00")
    found = session.run(options(_written(tape, tmp_path / "most")))
    assert {leg["bought"] for p in found.positions for leg in p["legs"]} == {500}, "five of twenty were others'"
    tape = _edge()
    for ticker in LEGS:
        tape.own_order(29.9, ticker, "0.4000", "20.00")
        tape.own_order(29.95, ticker, "0.4000", "20.00", status="canceled")
    found = session.run(options(_written(tape, tmp_path / "gone")))
    assert {leg["bought"] for p in found.positions for leg in p["legs"]} == {2_000}


@pytest.mark.parametrize("heard_ms", [-5, 5])
def test_a_trade_that_the_recording_account_made_reaches_no_order_of_a_replay(tmp_path: Path, heard_ms: int) -> None:
    """It took, so the trade would not have been there without it. Of the trade and of its own part in it either may be heard of first."""
    seen: list[tuple[str, str]] = []
    tape = _edge()
    tape.trade(40, LEGS[0], "theirs", "0.4000", "5.00", "no")
    tape.own_fill(40, LEGS[0], "theirs", "0.4000", "5.00", is_taker=False)
    tape.trade(50, LEGS[0], "ours", "0.4000", "5.00", "no")
    tape.own_fill(50 + heard_ms / 1000, LEGS[0], "ours", "0.4000", "5.00")
    wanted = options(_written(tape, tmp_path))
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.feed.on_print = lambda *print: seen.append(("print", print[-1]))
        running.feed.on_own_print = lambda trade: seen.append(("own", trade))
        running.engine.run()
    assert "refused" not in running.feed.counts
    assert seen == [("print", "theirs"), *([("print", "ours")] if heard_ms > 0 else []), ("own", "ours")]


def test_an_order_that_arrives_after_the_exchange_shut_fills_nothing(tmp_path: Path) -> None:
    """Decided while it was open, half a second on its way, shut after 0.2 s; the edge stays in the books."""
    tape = _edge()
    tape.status(29, trading=True)
    tape.status(30.2, trading=False)
    found = session.run(options(_written(tape, tmp_path), latency=Latency(500, 500, 500)))
    assert "refused" not in found.counts
    assert (found.decisions, found.spent) == (1, 0)


def test_an_order_pays_the_fee_that_holds_when_it_arrives(tmp_path: Path) -> None:
    """It was announced 10 ms before the first leg met its book; the last price that the worker read knew nothing of it."""
    tape = _edge()
    paid = session.run(options(_written(tape, tmp_path / "before"))).fees
    assert paid == 3 * 20 * 16_800, "seven percent of 0.60 x 0.40 a contract"
    tape.fee(30.02, "GAME-EDGE", "3")
    assert session.run(options(_written(tape, tmp_path / "tripled"))).fees == 3 * paid


def test_an_order_that_arrives_while_a_market_is_paused_fills_nothing(tmp_path: Path) -> None:
    tape = _edge()
    tape.lifecycle(30.2, LEGS[0], "deactivated")
    found = session.run(options(_written(tape, tmp_path), latency=Latency(500, 500, 500)))
    assert "refused" not in found.counts
    assert found.decisions == 1
    bought = {leg["ticker"]: leg["bought"] for p in found.positions for leg in p["legs"]}
    assert bought[LEGS[0]] == 0


@pytest.mark.parametrize("listed_again", [False, True])
def test_of_what_was_announced_and_listed_the_later_one_holds(tmp_path: Path, listed_again: bool) -> None:
    """A market is paused before the edge; a listing a moment later, before anything reads rows, says that it trades."""
    tape = _edge()
    tape.lifecycle(20, LEGS[0], "deactivated")
    if listed_again:
        tape.event(20.01, LEGS[0].rsplit("-", 1)[0], 3)
    assert session.run(options(_written(tape, tmp_path))).decisions == int(listed_again)


def test_a_task_that_slept_reads_rows_of_the_moment_at_which_it_wakes(tmp_path: Path) -> None:
    tape = _edge()
    tape.lifecycle(20, LEGS[0], "deactivated")
    wanted = options(_written(tape, tmp_path))
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.advance(START + 21 * SECOND)
        assert Market.objects.get(pk=LEGS[0]).status == "inactive"


def test_announcements_are_written_together_before_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four hundred between two tasks: each alone would cost a transaction, and the certificates of its event."""
    tape, batches, apply = _edge(), list[int](), lifecycle.apply_batch
    for number in range(400):
        tape.lifecycle(20 + number / 1_000, LEGS[0], ("activated", "deactivated")[number % 2])

    def counted(batch: Sequence[ExchangeMessage]) -> list[str]:
        batches.append(len(batch))
        return apply(batch)

    monkeypatch.setattr(lifecycle, "apply_batch", counted)
    assert session.run(options(_written(tape, tmp_path))).decisions == 0, "the last one paused it"
    assert sum(batches) == 400
    assert len(batches) <= 8


def test_what_a_cycle_and_an_announcement_leave_behind_does_not_grow_with_the_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are added up and deleted; the result is that of a replay which keeps every row."""
    tape = _edge()
    for number in range(300):
        tape.lifecycle(20 + number / 4, LEGS[0], ("activated", "deactivated")[number % 2])
    wanted = options(_written(tape, tmp_path), cycle_seconds=1, profile={"quoting": "one_leg"})
    kept = session.run(wanted).document()
    monkeypatch.setattr(totals, "EVERY", 10)
    monkeypatch.setattr(totals, "MESSAGES_KEPT", 50)
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        assert Cycle.objects.count() <= 10
        assert ExchangeMessage.objects.count() <= 50 + 60
        assert running.engine.ran["strategies.tasks.run_cycle"] > 50
        found = collect(wanted, running.engine, running.feed, running.venue).document()
    assert found == kept
    assert sum(count for code, count in found["screened"].items() if code.startswith("live:")) > 50


def test_a_clock_that_was_set_back_while_it_recorded_loses_no_book(tmp_path: Path) -> None:
    """The stream saw no gap, so a replay sees none: what comes then is bought as it would have been."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    for ticker in LEGS:
        tape.book(1, ticker, [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 100, 2):
        if second == 40:
            for ticker in LEGS:
                tape.delta(40, ticker, "yes", "0.4000", "20.00")
        tape.delta(second, LEGS[0], "yes", "0.2000", "1.00")
    writer = TapeWriter(tmp_path, "stream", {"source": "test"})
    for record in tape.records:
        back = 5 * SECOND if record.received_ns >= START + 20 * SECOND else 0
        if record.kind is Kind.FRAMES:
            writer.frames(record.key, unpack_frames(record.payload), record.received_ns - back)
        else:
            writer.record(record.kind, record.key, json.loads(record.payload), record.received_ns - back)
    writer.close()
    found = session.run(options(tmp_path))
    assert (found.baskets, found.spent > 0) == (1, True)


def test_an_edge_whose_end_was_lost_with_a_torn_block_is_not_bought(tmp_path: Path) -> None:
    """The books moved in a block that is damaged: what they showed before it is no price after it."""
    tape = _edge()
    gone = [record for record in tape.records if record.received_ns <= START + 25 * SECOND]
    lost = [record for record in tape.records if START + 25 * SECOND < record.received_ns <= START + 35 * SECOND]
    rest = [record for record in tape.records if record.received_ns > START + 35 * SECOND]
    for name, records in (("a", gone), ("b", lost), ("c", rest)):
        tape.records = records
        _written(tape, tmp_path).mkdir(exist_ok=True)
        (part,) = [path for path in tmp_path.glob("*.tape") if path.name.endswith("-w.tape")]
        part.rename(part.with_name(part.name.replace("-w.tape", f"-{name}.tape")))
    (damaged,) = tmp_path.glob("*-b.tape")
    content = bytearray(damaged.read_bytes())
    content[-3] ^= 0xFF
    damaged.write_bytes(bytes(content))
    found = session.run(options(tmp_path))
    assert found.counts["gaps"] == 1
    assert found.decisions == 0


def test_two_edges_at_once_do_not_spend_the_same_cash(tmp_path: Path) -> None:
    tape = _edge(events=("GAME-A", "GAME-B", "GAME-C"))
    found = session.run(options(_written(tape, tmp_path), profile={"capital": 40_000_000}))
    assert found.baskets >= 1
    assert sum(position["spent"] for position in found.positions) <= 40_000_000


def test_a_result_pays_when_it_is_known_and_not_before(tmp_path: Path) -> None:
    tape = _edge()
    tape.settled(80, {LEGS[0]: "yes", LEGS[1]: "no", LEGS[2]: "no"})
    wanted = options(_written(tape, tmp_path))
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        paid = LedgerTransaction.objects.filter(kind="settlement").order_by("pk").first()
        assert paid is not None
        assert paid.at.timestamp() >= START / SECOND + 80


def test_without_a_recorded_fee_nothing_is_bought(tmp_path: Path) -> None:
    tape = _edge()
    tape.records = [record for record in tape.records if record.kind is not Kind.SERIES]
    assert session.run(options(_written(tape, tmp_path))).decisions == 0


def test_a_level_in_which_only_an_order_rests_is_followed() -> None:
    """By deltas and by snapshots: cancels before the order bring it forward, and what was there is not there for ever."""
    books, seen = ReplayBooks(), []
    books.on_level = lambda level, displayed, at_ms: seen.append((level[2], displayed))
    books.watch("E", {"M": "active"})
    levels = ((Price(4_000), Count(500)),)
    books.snapshot(BookSnapshot(1, 1, "M", levels, (), None, None), 1)
    books.follow(("M", Side.YES, 4_000))
    books.delta(BookDelta(1, 2, "M", WireSide.YES, Price(4_000), Count(-200), None, None, None), 2)
    books.snapshot(BookSnapshot(1, 3, "M", ((Price(4_000), Count(100)),), (), None, None), 3)
    books.snapshot(BookSnapshot(1, 4, "M", (), (), None, None), 4)
    assert seen == [(4_000, 300), (4_000, 100), (4_000, 0)]
