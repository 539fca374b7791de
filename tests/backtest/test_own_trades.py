"""A level that the recording account took from is less by that, not by that and by the replay's order in its place as well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from backtest.replay import session
from backtest.replay.books import ReplayBooks
from backtest.replay.clock import SECOND, SimulatedClock, in_place
from backtest.replay.own_orders import IN_PLACE_MS
from kalbot.common.units import Count, Money, Price
from markets.book import Side
from markets.kalshi.vocabulary import BookSide
from markets.kalshi.vocabulary import Side as WireSide
from markets.kalshi.ws.frames import BookDelta, BookSnapshot, FillFrame
from tests.backtest.tapes import Recorder, options

OURS, SHRINKS, THEIRS = "the replay's order", "the recorded level", "the account's fill"


def _books() -> ReplayBooks:
    books = ReplayBooks()
    books.watch("E", {"M": "active"})
    level = ((Price(4_000), Count(500)),)
    books.snapshot(BookSnapshot(1, 1, "M", level, level, None, None), 1)
    return books


def _fill(count: int, side: BookSide = BookSide.ASK, price: int = 4_000) -> FillFrame:
    bought = WireSide.NO if side is BookSide.ASK else WireSide.YES
    return FillFrame(
        1, "t", "o", None, "M", 0, bought, side, Price(price), Count(count), Money(0), True, Count(-count), 1, None
    )


def _shown(books: ReplayBooks, side: Side = Side.YES) -> Sequence[tuple[int, int]]:
    return books.depth(books.markets["M"]).bids(side)


@pytest.mark.parametrize(
    "order",
    [(OURS, SHRINKS, THEIRS), (SHRINKS, THEIRS, OURS), (THEIRS, OURS, SHRINKS), (SHRINKS, OURS, THEIRS)],
)
def test_what_both_took_is_gone_once_in_whatever_order_it_is_heard(order: Sequence[str]) -> None:
    books, clock = _books(), SimulatedClock(SECOND)
    with in_place(clock):
        for step in order:
            if step == OURS:
                books.take("M", Side.YES, 4_000, 200)
            elif step == SHRINKS:
                books.delta(BookDelta(1, 2, "M", WireSide.YES, Price(4_000), Count(-200), None, None, None), 2)
            else:
                books.own_trade(_fill(200))
            assert _shown(books)[0][1] <= 500, "never more than was recorded"
        assert _shown(books) == ((4_000, 300),)


def test_what_the_replay_takes_beyond_it_or_later_is_gone_as_well() -> None:
    books, clock = _books(), SimulatedClock(SECOND)
    with in_place(clock):
        books.own_trade(_fill(100))
        books.delta(BookDelta(1, 2, "M", WireSide.YES, Price(4_000), Count(-100), None, None, None), 2)
        books.take("M", Side.YES, 4_000, 250)
        assert _shown(books) == ((4_000, 250),), "150 of them were others'"
        books.own_trade(_fill(50))
        clock.set(SECOND + IN_PLACE_MS * 10**6)
        books.take("M", Side.YES, 4_000, 100)
        assert _shown(books) == ((4_000, 200),), "after so long it is an order of its own"


def test_who_bought_yes_took_bids_for_no() -> None:
    books, clock = _books(), SimulatedClock(SECOND)
    with in_place(clock):
        books.take("M", Side.NO, 4_000, 200)
        books.own_trade(_fill(200, BookSide.BID, 6_000))
        assert (_shown(books, Side.NO), _shown(books)) == (((4_000, 500),), ((4_000, 500),))


@pytest.mark.usefixtures("own_database")
def test_a_fill_on_the_tape_is_one_of_those(tmp_path: Path) -> None:
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-E", 2)
    for leg in range(2):
        tape.book(1, f"GAME-E-L{leg}", [("0.3000", "20.00")], [("0.5000", "20.00")])
    tape.own_fill(3, "GAME-E-L0", "ours", "0.3000", "5.00")
    tape.own_fill(3, "GAME-E-L1", "theirs", "0.3000", "5.00", is_taker=False)
    wanted = options(tape.write(tmp_path))
    with session.open_run(wanted, session.records_of(wanted)) as running:
        for leg in range(2):
            running.feed.books.take(f"GAME-E-L{leg}", Side.YES, 3_000, 700)
        running.engine.run()
        assert "refused" not in running.feed.counts
        assert running.feed.books.taken == {
            ("GAME-E-L0", Side.YES, 3_000): 200,
            ("GAME-E-L1", Side.YES, 3_000): 700,
        }
