"""No decision depends on what comes after it: random tapes with every kind of record, cut and poisoned at random moments."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backtest.studies import leaks
from markets.tape.records import Kind
from markets.tape.store import json_record
from tests.backtest.tapes import SECOND, START, Recorder, options

pytestmark = pytest.mark.usefixtures("own_database")
SECONDS = 150
PROFILES: tuple[dict[str, Any], ...] = (
    {},
    {
        "quoting": "several",
        "quote_sides": "no",
        "quote_stop_seconds": 25,
        "watch_margin_ppm": 300_000,
        "orphan_budget": 10**9,
    }
    | {"quote_min_margin_ppm": 1_000, "orphan_budget_day": 10**10},
    {"shape": "proportional", "cooldown_seconds": 1},
)


def random_tape(folder: Path, seed: int) -> Path:
    """Four games whose edges come and go, trades, fee changes, new rules, pauses, holes, reconnects, answers of sources, results."""
    numbers, late, tape = random.Random(seed), random.Random(-seed), Recorder()
    tape.opened(0)
    events = [f"{numbers.choice(('GAME', 'CUP'))}-{letter}" for letter in "ABCD"]
    tickers = [f"{event}-L{leg}" for event in events for leg in range(3)]
    for event in events:
        tape.event(0, event, 3)
    _books(tape, 1, tickers, numbers)
    raised: set[str] = set()
    content: dict[str, Any] = {}
    at = 2.0
    while at < SECONDS:
        at += numbers.expovariate(4)
        ticker = numbers.choice(tickers)
        legs = [one for one in tickers if one[:-1] == ticker[:-1]]
        match numbers.choices(range(9), (40, 12, 10, 2, 2, 1, 1, 2, 1))[0]:
            case 0:
                tape.delta(at, ticker, "no", "0.5500", "1.00")
            case 1:
                up = ticker[:-3] not in raised
                for leg in legs:
                    tape.delta(at, leg, "yes", "0.4000", "20.00" if up else "-20.00")
                raised ^= {ticker[:-3]}
            case 2:
                content = {"yes_price_dollars": "0.4100", "count_fp": "3.00", "taker_side": "yes"}
                made = at - late.choice((0, 0, 1, 2.5))  # a list is read late
                content |= {
                    "trade_id": f"t{at}",
                    "created_time": f"{datetime.fromtimestamp(_ns(made) / SECOND, UTC):%FT%T.%fZ}",
                }
                tape.records.append(json_record(_ns(at), Kind.TRADE, ticker, content))
            case 3:
                fees = {"fee_type": "quadratic", "fee_multiplier": numbers.choice((0.5, 1, 2))}
                series = ticker.split("-")[0]
                content = {"ticker": series, "title": series, "category": "Sports", **fees}
                tape.records.append(json_record(_ns(at), Kind.SERIES, series, content))
            case 4:
                tape.event(at, ticker[:-3], 3)
            case 5:
                tape.status(at, trading=numbers.random() < 0.7)
            case 6:
                hole = {"after_ns": _ns(at), "before_ns": _ns(at + 1), "reason": "test"}
                tape.records.append(json_record(_ns(at), Kind.GAP, "", hole))
                at += 1
                tape.opened(at, f"e{at}")
                raised.clear()
                _books(tape, at, tickers, numbers)
            case 7:
                answer = {
                    "fetched_ms": _ns(at) // 10**6,
                    "as_of_ms": _ns(at) // 10**6,
                    "data": {"hours": [numbers.random()]},
                }
                content = {"source": "nws", "subject": "KNYC", **answer}
                tape.records.append(json_record(_ns(at), Kind.SOURCE, "nws:KNYC", content))
            case 8:
                if at > SECONDS / 2:
                    tape.settled(at, {leg: "yes" if leg is ticker else "no" for leg in legs})
    tape.records.sort(key=lambda record: record.received_ns)
    return tape.write(folder)


def _books(tape: Recorder, at: float, tickers: list[str], numbers: random.Random) -> None:
    for ticker in tickers:
        tape.book(at, ticker, [(f"0.{numbers.choice((30, 33))}00", "50.00")], [("0.5500", "50.00")])


def _ns(at: float) -> int:
    return START + round(at * SECOND)


def _check(folder: Path, seed: int, cuts: int) -> int:
    wanted = options(random_tape(folder, seed), seed=seed, profile={"capital": 10**9} | PROFILES[seed % len(PROFILES)])
    found = leaks.check(wanted, cuts)
    assert found.problems == [], seed
    return found.compared


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_nothing_before_a_random_moment_depends_on_what_comes_after_it(tmp_path: Path, seed: int) -> None:
    assert _check(tmp_path, seed, 1) > 0


@pytest.mark.slow
@pytest.mark.timeout(1400)
def test_many_random_tapes_are_cut(tmp_path: Path) -> None:
    compared = [_check(tmp_path / str(seed), seed, 3) for seed in range(3, 43)]
    assert sum(count > 0 for count in compared) > 30
