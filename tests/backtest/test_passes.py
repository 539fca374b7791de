"""Tapes of passes far apart: a screening follows each pass, so that what pays in one is judged on its prices while they are fresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtest.replay import session
from markets.models import Scan
from markets.tape import store
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from tests.backtest.tapes import SECOND, START, Recorder, options

pytestmark = pytest.mark.usefixtures("own_database")
MINUTE = 60 * SECOND


def _pass(at: int, yes_bid: str, apart: int = 0) -> list[Record]:
    """The books of two games; those of the second come ``apart`` ns later, with these YES bids."""
    fair, edge = (("0.0500", "0.6000"), (yes_bid, "0.5500"))
    found = []
    for event, (yes, no), late in (("GAME-FAIR", fair, 0), ("GAME-EDGE", edge, apart)):
        for leg in range(3):
            body = {"orderbook_fp": {"yes_dollars": [[yes, "50.00"]], "no_dollars": [[no, "50.00"]]}}
            found.append(json_record(START + at + late, Kind.BOOK, f"{event}-L{leg}", body))
    return found


@pytest.mark.parametrize(
    ("second", "apart"), [(30 * MINUTE + 7 * SECOND, 0), (31 * MINUTE + 59 * SECOND, 100 * SECOND)]
)
def test_what_pays_in_a_pass_is_bought_also_where_the_pass_before_was_far_from_it(
    tmp_path: Path, second: int, apart: int
) -> None:
    tape = Recorder()
    for event in ("GAME-FAIR", "GAME-EDGE"):
        tape.event(0, event, 3)
    records = [*tape.records, *_pass(1 * SECOND, "0.0500"), *_pass(second, "0.4000", apart)]
    records += _pass(second + 30 * MINUTE, "0.0500")
    _written(tmp_path, records)
    found = session.run(options(tmp_path))
    assert [(one["event"], one["kind"]) for one in found.positions] == [("GAME-EDGE", "all_no")]
    assert found.positions[0]["at_ms"] - (START + second + apart) // 10**6 < 15_000


@pytest.mark.parametrize("second", [1807, 1805.5], ids=["between", "just before a cycle"])
def test_a_bet_on_coverage_is_judged_on_the_prices_of_its_own_pass(tmp_path: Path, second: float) -> None:
    """The screen of best prices does not know coverage: only a screening right after the pass finds it while its prices are fresh."""
    tape = Recorder()
    tape.event(0, "GAME-FAIR", 3)
    tape.event(second, "GAME-EDGE", 3)
    at = round(second * SECOND)
    cheap = [("0.7000", "0.2900"), ("0.1800", "0.8000"), ("0.0400", "0.9400")]
    records = list(tape.records)
    for leg, (yes, no) in enumerate(cheap):
        body = {"orderbook_fp": {"yes_dollars": [[yes, "50.00"]], "no_dollars": [[no, "50.00"]]}}
        records.append(json_record(START + at, Kind.BOOK, f"GAME-EDGE-L{leg}", body))
    _written(tmp_path, records)
    bets = {
        "kinds": ["coverage"],
        "coverage_threshold_ppm": 900_000,
        "min_margin_ppm": 0,
        "min_expected_margin_ppm": -50_000,
    }
    found = session.run(options(tmp_path, profile={**bets, "categories": []}))
    assert [(one["event"], one["kind"]) for one in found.positions] == [("GAME-EDGE", "coverage")]
    assert found.positions[0]["at_ms"] - (START + at) // 10**6 < 15_000


def test_a_pass_at_the_very_moment_of_a_screening_is_screened_once(tmp_path: Path) -> None:
    """Twice was for nothing: the first found a pass that had hardly begun, the second overwrote it a second later."""
    tape = Recorder()
    for event in ("GAME-FAIR", "GAME-EDGE"):
        tape.event(0, event, 3)
    records = list(tape.records)
    for minute in range(9):
        records += _pass(minute * MINUTE, "0.3000")
    _written(tmp_path, records)
    wanted = options(tmp_path)
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        seconds = [
            round(row.started_at.timestamp()) - START // SECOND
            for row in Scan.objects.order_by("pk")
            if row.started_at.timestamp() * SECOND < START + 9 * MINUTE
        ]
    assert seconds == [1, 120, 241, 360, 481]


def _written(folder: Path, records: list[Record]) -> None:
    about = {"cadence": "passes 30 minutes apart"}
    store.write(folder, "passes", about, sorted(records, key=lambda record: record.received_ns))
