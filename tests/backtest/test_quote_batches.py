"""Quotes that are applied one behind the other come to the same as a whole book and a ticker each, with everything followed up at once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from backtest.options import Options
from backtest.replay import session
from backtest.replay.batches import Applied, Inner
from backtest.replay.books import ReplayBooks
from backtest.replay.moves import Moves
from backtest.report.results import collect
from markets.kalshi.ws.frames import BookSnapshot, TickerFrame
from markets.streaming.state.all_in import is_worth_evaluating
from markets.streaming.state.market_state import MarketState
from markets.tape import store
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from strategies.models import NearMiss, Screening, Verdict
from tests.backtest.tapes import SECOND, START, Recorder, options

pytestmark = pytest.mark.usefixtures("own_database")
BIDS = (*["0.3300"] * 8, "0.3500", "0.4000")
QUOTING = {
    "quoting": "several",
    "quote_sides": "no",
    "quote_stop_seconds": 25,
    "watch_margin_ppm": 300_000,
    "orphan_budget": 10**9,
    "orphan_budget_day": 10**10,
    "quote_min_margin_ppm": 1_000,
}


def _one_quote(self: Inner, first: Record, limit_ns: int) -> Applied:
    self.set_clock(first.received_ns)
    self.feed.apply(first)
    if self.feed.books.moved:
        self.follow(first.received_ns)
    return first.received_ns, 1, next(self.records, None)


def _book_and_ticker(self: ReplayBooks, state: MarketState, yes: Any, no: Any, frame: TickerFrame, at: int) -> bool:
    whole = BookSnapshot(0, state.seq + 1, state.ticker, (yes,) if yes else (), (no,) if no else (), None, None)
    self.snapshot(whole, at)
    self.ticker(frame, at)
    return False


def _tape(folder: Path, seed: int) -> Path:
    """Six games that come close and pay now and then, with trades, new fees, pauses, holes, quotes that cannot be read and of markets that
    nobody listed, and a third of the moments shared by many."""
    numbers, tape = random.Random(seed), Recorder()
    events = [f"{series}-{letter}" for series, letter in zip(("GAME", "CUP") * 3, "ABCDEF", strict=True)]
    for event in events:
        tape.event(0, event, 3)
    at = 1 * SECOND
    while at < 130 * SECOND:
        if numbers.random() < 0.7:
            at += round(numbers.expovariate(8) * SECOND)
        event = numbers.choice(events)
        ticker = f"{event}-L{numbers.randrange(3)}"
        kind, content = Kind.QUOTE, _quote(numbers)
        match numbers.choices(range(8), (200, 20, 2, 2, 2, 1, 2, 2))[0]:
            case 1:
                kind, content = Kind.TRADE, {"yes_price_dollars": "0.4100", "count_fp": "3.00", "taker_side": "yes"}
            case 2:
                fees = {"fee_type": "quadratic", "fee_multiplier": numbers.choice((0.5, 1, 2))}
                ticker = event.split("-")[0]
                kind, content = Kind.SERIES, {"ticker": ticker, "title": ticker, "category": "Sports", **fees}
            case 3:
                content["yes_bid_dollars"] = numbers.choice(("none", 3, "1.0000"))
            case 4:
                ticker = numbers.choice(("NOBODY-L1", "KXMVE-L1"))
            case 5:
                hole = {"after_ns": START + at, "before_ns": START + at + SECOND, "reason": "test"}
                kind, ticker, content = Kind.GAP, numbers.choice(("", ticker)), hole
            case 6:
                tape.status(at / SECOND, trading=numbers.random() < 0.7)
            case 7:
                tape.event(at / SECOND, event, 3)
        tape.records.append(json_record(START + at, kind, ticker, content))
    tape.settled(150, {f"{event}-L{leg}": "no" if leg else "yes" for event in events for leg in range(3)})
    tape.records.sort(key=lambda record: record.received_ns)
    store.write(folder, "w", {"source": "test"}, tape.records)
    return folder


def _quote(numbers: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {"yes_bid_dollars": numbers.choice(BIDS), "no_bid_dollars": "0.5500"}
    if numbers.random() < 0.9:
        found |= {f"{side}_bid_size_fp": f"{numbers.randrange(60)}.00" for side in ("yes", "no")}
    if numbers.random() < 0.05:
        found[numbers.choice(("yes_bid_dollars", "no_bid_dollars"))] = None
    return found


def _outcome(wanted: Options) -> dict[str, Any]:
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        found = collect(wanted, running.engine, running.feed, running.venue).document()
        books = running.feed.books
        found["books"] = {ticker: books.depth(state) for ticker, state in books.markets.items()}
        slots = [name for name in MarketState.__slots__ if name not in ("book", "packed", "ticker", "event")]
        found["states"] = {t: [getattr(state, name) for name in slots] for t, state in books.markets.items()}
        found["tickers"] = {ticker: (str(frame), at) for ticker, (frame, at) in books.quotes.items()}
        found["lists"] = [books.ignored, books.suspected, sorted(books.repair), sorted(books.moved)]
        for model in (Verdict, NearMiss, Screening):
            names = [field.attname for field in model._meta.concrete_fields if field.attname != "duration_ms"]
            found[model.__name__] = list(model.objects.order_by("pk").values_list(*names))
        found["could pay"] = sorted(running.engine._moves.could_pay)
    return found


@pytest.mark.parametrize(
    ("seed", "start", "touch", "profile"),
    [(1, 0, 0, {}), (2, 50, 0, {}), (3, 0, 2_000, QUOTING)],
    ids=["taken", "from the middle", "quoted, sizes assumed"],
)
def test_quotes_in_a_row_come_to_the_same_as_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, start: int, touch: int, profile: dict[str, Any]
) -> None:
    tape = _tape(tmp_path, seed)
    begin = START + start * SECOND if start else 0
    wanted = options(tape, seed=seed, touch_size=touch, start_ns=begin, profile={"capital": 10**9} | profile)
    far: list[str] = []
    is_far = Moves.is_far

    def checked(self: Moves, event: str) -> bool:
        """With nothing but sizes changed, what is passed over does not pay."""
        found = is_far(self, event)
        if found:
            far.append(event)
            states = self._books.events[event]
            assert not is_worth_evaluating(states, self._catalogue.least_multiplier(event))
            assert event not in self.could_pay
        return found

    monkeypatch.setattr(Moves, "is_far", checked)
    together = _outcome(wanted)
    assert len(far) > 2
    monkeypatch.setattr(Inner, "_quotes", _one_quote)
    monkeypatch.setattr(ReplayBooks, "best", _book_and_ticker)
    alone = _outcome(wanted)
    assert {name: value for name, value in together.items() if alone[name] != value} == {}
    assert together["decisions"] > 0
    assert together["counts"]["refused"] > 0
    assert together["counts"]["books of unknown markets"] > 0


def test_quotes_in_a_row_are_one_batch_until_something_else_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    quotes = Inner._quotes

    def counted(self: Inner, first: Record, limit_ns: int) -> Applied:
        found = quotes(self, first, limit_ns)
        counts.append(found[1])
        return found

    monkeypatch.setattr(Inner, "_quotes", counted)
    session.run(options(_tape(tmp_path, 1)))
    assert max(counts) > 10
