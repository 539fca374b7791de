"""Quoted baskets on prints: which prints fill what, what complete sets and the rest are worth, and the command on the tape that ships."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backtest.quoting import prints, study
from backtest.quoting.prints import Printed
from backtest.quoting.replay import Fills, Replayed, Setup, replay
from kalbot.common.units import CONTRACT, Count
from markets.book import Side
from markets.tape import store
from markets.tape.imports.rest_books import settlement
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from tests.backtest.tapes import SECOND, START, Recorder

DAY_NS = 86_400 * SECOND
SAMPLE = Path(__file__).resolve().parents[2] / "backtest" / "data"
ONE = Setup(Side.NO, sets=Count(CONTRACT))


def printed(folder: Path, trades: list[tuple[float, str, str, str]], won: str = "L0") -> Printed:
    """Two outcomes that close a day after the start. Trades: (second, leg, side taken, YES price), one contract each."""
    tape = Recorder()
    tape.event(0, "PAIR-A", 2)
    records = list(tape.records)
    records += [trade(at, f"PAIR-A-{leg}", taker, price) for at, leg, taker, price in trades]
    for leg in ("L0", "L1"):
        result = "yes" if leg == won else "no"
        records.append(settlement(START + 86_500 * SECOND, f"PAIR-A-{leg}", result))
    store.write(folder, "made", {"cadence": "every print"}, records)
    (found,) = prints.read({"made": Tape.open(folder)}).printed
    return found


def trade(at: float, ticker: str, taker: str, price: str) -> Record:
    content = {"yes_price_dollars": price, "count_fp": "1.00", "taker_side": taker}
    return json_record(START + round(at * SECOND), Kind.TRADE, ticker, content)


def outcome(folder: Path, trades: list[tuple[float, str, str, str]], model: Fills, setup: Setup = ONE) -> Replayed:
    return replay(printed(folder, trades), setup, model)


# Takers of YES hit NO bids at 0.40 and 0.50: the touches, 0.90 together, ten cents below what NO on both pays.
TOUCHES = [(1.0, "L0", "yes", "0.6000"), (2.0, "L1", "yes", "0.5000")]


def test_a_print_at_the_price_fills_only_the_optimist_and_one_beyond_it_everybody(tmp_path: Path) -> None:
    at, beyond = [(3.0, "L0", "yes", "0.6000")], [(3.0, "L0", "yes", "0.6100")]
    assert outcome(tmp_path / "a", TOUCHES + at, Fills.TOUCH).orphans == CONTRACT
    assert outcome(tmp_path / "b", TOUCHES + at, Fills.THROUGH).fills == ()
    (fill,) = outcome(tmp_path / "c", TOUCHES + beyond, Fills.THROUGH).fills
    assert (fill.ticker, fill.price, fill.count) == ("PAIR-A-L0", 4_000, CONTRACT)


def test_the_queue_before_us_is_traded_first(tmp_path: Path) -> None:
    setup = Setup(Side.NO, sets=Count(CONTRACT), ahead=Count(2 * CONTRACT))
    same = [(3.0 + n, "L0", "yes", "0.6000") for n in range(3)]
    assert outcome(tmp_path / "a", TOUCHES + same[:2], Fills.QUEUE, setup).fills == ()
    (fill,) = outcome(tmp_path / "b", TOUCHES + same, Fills.QUEUE, setup).fills
    assert fill.at_ns == START + 5 * SECOND


def test_a_taker_of_no_fills_no_bid_for_no(tmp_path: Path) -> None:
    assert outcome(tmp_path, [*TOUCHES, (3.0, "L0", "no", "0.6200")], Fills.TOUCH).fills == ()


def test_a_complete_set_keeps_at_least_its_margin_and_an_orphan_is_worth_what_it_settles_at(tmp_path: Path) -> None:
    both = [*TOUCHES, (3.0, "L0", "yes", "0.6100"), (4.0, "L1", "yes", "0.5100")]
    found = outcome(tmp_path / "a", both, Fills.THROUGH)
    assert (found.sets, found.orphans, found.held, found.sold) == (CONTRACT, 0, 100_000, 100_000)
    # NO on the winner alone: bought at 0.40, worth nothing at settlement, sold at its last touch 0.39 less a fee of 0.0167
    alone = outcome(tmp_path / "b", both[:3], Fills.THROUGH)
    assert (alone.sets, alone.orphans, alone.held) == (0, CONTRACT, -400_000)
    assert alone.sold == -400_000 + 390_000 - 16_700


def test_nothing_rests_when_the_touches_cost_too_much_nor_in_the_last_hours(tmp_path: Path) -> None:
    costly = [(1.0, "L0", "yes", "0.5000"), (2.0, "L1", "yes", "0.5200"), (3.0, "L0", "yes", "0.5500")]
    assert outcome(tmp_path / "a", costly, Fills.TOUCH).fills == ()
    late = [*TOUCHES, (86_400 - 5 * 3_600, "L0", "yes", "0.6100")]
    assert outcome(tmp_path / "b", late, Fills.TOUCH).fills == ()


def test_a_taker_of_the_same_prints_takes_whole_sets_at_the_first_moment_that_leaves_the_margin(tmp_path: Path) -> None:
    # NO taken at 0.48 and 0.46, then at 0.44: 0.92 and fees of 0.0173 each, seven cents below a dollar less a margin of three
    asks = [(1.0, "L0", "no", "0.5200"), (2.0, "L1", "no", "0.5400"), (3.0, "L1", "no", "0.5600")]
    found = outcome(tmp_path / "a", asks, Fills.TAKEN)
    assert (found.fills, found.sets, found.orphans) == ((), CONTRACT, 0)
    assert found.held == found.sold == 1_000_000 - 480_000 - 440_000 - 17_500 - 17_300
    assert outcome(tmp_path / "b", asks[:2], Fills.TAKEN).sets == 0, "six cents less 3.5 of fees is no margin"
    late = [(86_400 - 5 * 3_600 + at, leg, side, price) for at, leg, side, price in asks]
    assert outcome(tmp_path / "c", late, Fills.TAKEN).sets == 0
    old = [asks[0], asks[1], (70.0, *asks[2][1:])]
    assert outcome(tmp_path / "d", old, Fills.TAKEN).sets == 0, "nobody knows whether the first is offered still"


def test_what_a_fill_was_worth_a_moment_later(tmp_path: Path) -> None:
    trades = [*TOUCHES, (3.0, "L0", "yes", "0.6100"), (8.0, "L0", "yes", "0.6500"), (30.0, "L0", "yes", "0.5800")]
    (row,) = study.run([printed(tmp_path, trades)], [ONE], [Fills.THROUGH])
    marks = {mark.seconds: mark for mark in row.markouts}
    assert (marks[1].mean, marks[1].fills) == (3_500 - 4_000, 1)
    assert marks[10].mean == 4_200 - 4_000
    assert marks[60].fills == 0


def test_a_series_is_quoted_only_after_what_had_settled_of_it_earned(tmp_path: Path) -> None:
    """Days of one series: three that earn, one that loses; a day counts by what was known when it began."""
    win = [*TOUCHES, (3.0, "L1", "yes", "0.5100")]
    lose = [*TOUCHES, (3.0, "L0", "yes", "0.6100")]
    days = []
    for day, trades in enumerate([win, lose, lose, win, win]):
        one = printed(tmp_path / str(day), trades)
        moved = [p._replace(at_ns=p.at_ns + day * 3 * DAY_NS) for p in one.prints]
        days.append(replace(one, prints=moved, closes_ns=one.closes_ns + day * 3 * DAY_NS))
    earned = [replay(one, ONE, Fills.THROUGH) for one in days]
    assert [one.held > 0 for one in earned] == [True, False, False, True, True]
    assert [one.printed.closes_ns for one in study.chosen(earned, 1)] == [
        days[1].closes_ns,
        days[2].closes_ns,
        days[4].closes_ns,
    ]
    assert study.chosen(earned, 5) == []
    later = [replace(one, closes_ns=days[4].closes_ns) for one in days]
    assert study.chosen([replay(one, ONE, Fills.THROUGH) for one in later], 1) == []


def test_events_that_say_nothing_are_counted_by_their_reason(tmp_path: Path) -> None:
    tape = Recorder()
    tape.event(0, "PAIR-A", 2)
    tape.event(0, "MANY-B", 2, exclusive=False)
    store.write(tmp_path, "made", {}, tape.records)
    assert prints.read({"made": Tape.open(tmp_path)}).left_out == {"not settled on the tape": 1, "not exclusive": 1}


def test_the_command_on_the_tape_that_ships() -> None:
    out = StringIO()
    call_command("quoting", tape=SAMPLE, assume_fees="quadratic", json=True, stdout=out)
    found = json.loads(out.getvalue())
    assert {(row["side"], row["fills"]) for row in found["rows"]} == {(s.value, m.value) for s in Side for m in Fills}
    assert all(row["events"] == 1 for row in found["rows"])
    assert found["left_out"] == {"not settled on the tape": 2}
    held = {(row["side"], row["fills"]): row["sets"] + row["orphans"] for row in found["rows"]}
    assert held["no", "through"] <= held["no", "queue"] <= held["no", "touch"]
    with pytest.raises(CommandError, match="1 of a series whose fee is not on the tape"):
        call_command("quoting", tape=SAMPLE, stdout=StringIO())
    with pytest.raises(CommandError, match="unknown fee type"):
        call_command("quoting", tape=SAMPLE, assume_fees="cheap", stdout=StringIO())
    with pytest.raises(CommandError, match="there is no "):
        call_command("quoting", tape=SAMPLE / "nothing", stdout=StringIO())
    with pytest.raises(CommandError, match="--sets"):
        call_command("quoting", tape=SAMPLE, sets="0", stdout=StringIO())


def test_quotes_that_are_set_every_few_hours_stand_where_they_were_set(tmp_path: Path) -> None:
    """Set with the first trade of an hour: at 0.40, and an hour later at the 0.35 to which the touch has moved since."""
    tick = [(at, "L1", "no", "0.1000") for at in (3_601.0, 7_201.0)]
    beyond = [(3_700.0, "L0", "yes", "0.7000"), (3_800.0, "L0", "yes", "0.6500"), (7_300.0, "L0", "yes", "0.7000")]
    trades, wanted = sorted([*TOUCHES, *tick, *beyond]), replace(ONE, sets=Count(5 * CONTRACT))
    hourly = outcome(tmp_path / "a", trades, Fills.THROUGH, replace(wanted, every_hours=1.0))
    assert _filled(hourly) == [(3_700, 4_000), (3_800, 4_000), (7_300, 3_500)]
    assert _filled(outcome(tmp_path / "b", trades, Fills.THROUGH, wanted)) == [(3_700, 4_000), (7_300, 3_500)]


def _filled(found: Replayed) -> list[tuple[int, int]]:
    return [((fill.at_ns - START) // SECOND, fill.price) for fill in found.fills]


def test_a_trade_that_reaches_a_quote_may_fill_all_of_it(tmp_path: Path) -> None:
    wanted, hit = replace(ONE, sets=Count(5 * CONTRACT)), [(3.0, "L0", "yes", "0.6100")]
    assert outcome(tmp_path / "a", TOUCHES + hit, Fills.THROUGH, wanted).orphans == CONTRACT
    assert outcome(tmp_path / "b", TOUCHES + hit, Fills.THROUGH, replace(wanted, whole=True)).orphans == 5 * CONTRACT
    behind = replace(wanted, whole=True, ahead=Count(CONTRACT))
    at = [(second, "L0", "yes", "0.6000") for second in (3.0, 4.0)]
    assert outcome(tmp_path / "c", TOUCHES + at[:1], Fills.QUEUE, behind).orphans == 0, "who stood before was filled"
    assert outcome(tmp_path / "d", TOUCHES + at, Fills.QUEUE, behind).orphans == 5 * CONTRACT


@pytest.mark.parametrize(("trades", "number"), [(TOUCHES, 1), (TOUCHES[:1], 0)])
def test_events_in_which_a_bid_was_never_taken_may_be_left_out(
    tmp_path: Path, trades: list[tuple[float, str, str, str]], number: int
) -> None:
    event = printed(tmp_path, trades)
    assert {row.events for row in study.run([event], [ONE])} == {1}
    assert [row.events for row in study.run([event], [ONE], known_only=True)] == [1] * len(Fills) * number


@pytest.mark.parametrize("option", ["--every", "--stop-hours"])
@pytest.mark.parametrize("hours", ["-1", "nan", "inf"])
def test_quotes_cannot_be_set_or_end_at_no_time(option: str, hours: str) -> None:
    with pytest.raises(CommandError, match=option):
        call_command("quoting", "--tape", str(SAMPLE), option, hours)
