"""A replay does for quotes what the product does: they are repriced, counted, ranked by what trades and replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backtest.replay import session
from backtest.replay.session import Run
from backtest.studies import leaks
from kalbot.common import messages
from markets import traded
from markets.book import Side
from markets.tape.imports.source import iso
from markets.tape.records import Kind
from markets.tape.store import json_record
from strategies.models import QuoteRecord
from tests.backtest.tapes import SECOND, START, Recorder, options
from trading.models import Fill, MarkOut, Order, Position

pytestmark = pytest.mark.usefixtures("own_database")
QUOTES: dict[str, Any] = {
    "quoting": "several",
    "quote_sides": "no",
    "quote_stop_seconds": 25,
    "quote_count": 500,
    "quote_min_margin_ppm": 1_000,
    "orphan_budget": 10**9,
    "orphan_budget_day": 10**10,
    "watch_margin_ppm": 300_000,
    "cooldown_seconds": 1,
    "max_quotes": 1,
}
BIDS = {"yes": "0.3300", "no": "0.6000"}


def _game(tape: Recorder, event: str) -> None:
    tape.event(0, event, 3)
    for leg in range(3):
        tape.book(1, f"{event}-L{leg}", [(BIDS["yes"], "50.00")], [(BIDS["no"], "50.00")])


def _trade(tape: Recorder, at: float, ticker: str, price: str, count: str = "5.00", taker: str = "yes") -> None:
    content = {"yes_price_dollars": price, "count_fp": count, "taker_side": taker}
    tape.records.append(json_record(START + round(at * SECOND), Kind.TRADE, ticker, content))


def _alive(tape: Recorder, folder: Path, seconds: int) -> Path:
    for second in range(2, seconds):
        tape.alive(second)
    tape.records.sort(key=lambda record: record.received_ns)
    return tape.write(folder)


@contextmanager
def _replayed(tape: Path, **profile: Any) -> Iterator[Run]:
    wanted = options(tape, profile=QUOTES | profile)
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        yield running


def test_a_quote_that_is_outbid_is_stepped_when_its_book_moves_and_not_at_the_next_sweep(tmp_path: Path) -> None:
    tape = Recorder()
    tape.opened(0)
    _game(tape, "GAME-A")
    for moment in range(200, 240):
        tape.delta(moment / 10, "GAME-A-L0", "no", "0.6100", "1.00" if moment % 2 == 0 else "-1.00")
    with _replayed(_alive(tape, tmp_path, 40)) as running:
        assert Position.objects.exclude(quoting="").exists()
        assert 10 <= running.engine.ran[messages.REPRICE] <= 21, "four seconds of moves, five a second at most"


def test_what_trades_is_counted_for_whoever_quotes_and_an_idle_quote_gives_way_to_it(tmp_path: Path) -> None:
    tape = Recorder()
    tape.opened(0)
    for event in ("GAME-A", "GAME-B", "GAME-C"):
        _game(tape, event)
    for second in range(2, 100):
        for leg in range(3):
            _trade(tape, second, f"GAME-B-L{leg}", "0.4000")
    with _replayed(_alive(tape, tmp_path, 100)) as running:
        rates = traded.rates([("GAME-B-L0", Side.NO), ("GAME-A-L0", Side.NO)])
        assert rates is not None
        assert rates["GAME-B-L0", Side.NO] > 0 == rates["GAME-A-L0", Side.NO]
        idle, busy = list(Position.objects.exclude(quoting="").order_by("pk"))[:2]
        assert (idle.event_id, busy.event_id) == ("GAME-A", "GAME-B")
        assert idle.quote_withdrawn.startswith("kalbot: GAME-B is expected to return"), "nothing is traded in it"
        assert running.engine.ran[messages.REPLACE_QUOTE] == 1


@pytest.mark.parametrize(("made", "counted"), [({"created_time": iso(START - SECOND)}, [1, 1]), ({}, [1])])
def test_trades_count_when_they_were_read_and_those_of_an_archive_as_seldom_as_the_product_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, str], counted: list[int]
) -> None:
    """Two trades of the same second, with a task after each. Only the exchange's list says when they were made."""
    tape = Recorder()
    tape.opened(0)
    _game(tape, "GAME-A")
    found: list[int] = []
    monkeypatch.setattr(traded, "count", lambda trades: found.extend([len(trades)] if trades else []))
    wanted = options(_alive(tape, tmp_path, 5), profile=QUOTES)
    with session.open_run(wanted, session.records_of(wanted)) as running:
        for leg in range(2):
            content = {"yes_price_dollars": "0.4000", "count_fp": "5.00", "taker_side": "yes", **made}
            running.feed.apply(json_record(START, Kind.TRADE, f"GAME-A-L{leg}", content))
            running.feed.before_task()
    assert found == counted


def test_fills_of_quotes_are_measured_and_counted(tmp_path: Path) -> None:
    tape = Recorder()
    tape.opened(0)
    _game(tape, "GAME-A")
    for second in range(20, 60):
        for leg in range(3):
            _trade(tape, second, f"GAME-A-L{leg}", "0.4100")
    with _replayed(_alive(tape, tmp_path, 240)) as running:
        fills = Fill.objects.filter(order__purpose=Order.Purpose.QUOTE, is_taker=False).count()
        assert fills > 0
        assert MarkOut.objects.filter(is_done=True, leg_10__isnull=False).count() == fills
        assert running.engine.ran[messages.COUNT_QUOTES] >= 3
        assert QuoteRecord.objects.filter(fills__gt=0).exists()


@pytest.mark.parametrize(
    ("made", "heard", "filled"), [("20.000", 22.5, 500), ("20.140", 22.5, 500), ("20.400", 22.5, 0), ("20.000", 33, 0)]
)
def test_a_trade_that_moved_the_price_has_met_the_quote_that_is_withdrawn_for_it_although_it_is_listed_later(
    tmp_path: Path, made: str, heard: float, filled: int
) -> None:
    """What the exchange has matched while the cancel travels, the cancel's answer says. A trade after it meets nobody, and what is listed
    more than ten seconds later is heard of too late."""
    tape = Recorder()
    tape.opened(0)
    _game(tape, "GAME-A")
    said = {"trade_id": "t", "yes_price_dollars": "0.4500", "count_fp": "5.00", "taker_side": "yes"}
    said["created_time"] = f"2026-08-11T00:00:{made}Z"
    tape.records.append(json_record(START + round(heard * SECOND), Kind.TRADE, "GAME-A-L2", said))
    for leg in range(3):
        tape.delta(20.1, f"GAME-A-L{leg}", "yes", BIDS["yes"], "-50.00")
    with _replayed(_alive(tape, tmp_path, 40)):
        assert Order.objects.get(purpose="quote", leg__market="GAME-A-L2").filled_count == filled
    checked = leaks.check(options(tmp_path, profile=QUOTES), moments=[START + 21 * SECOND, START + 25 * SECOND])
    assert not checked.problems
    assert checked.compared > 4
