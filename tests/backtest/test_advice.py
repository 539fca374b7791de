"""Advice of a replay: what leaving would have brought against holding, and what it brought where it was followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtest.replay import session
from backtest.report.results import Result
from tests.backtest.tapes import START, Recorder, options, planted

pytestmark = pytest.mark.usefixtures("own_database")
REASON = "sell_beats_every_outcome"


def _better_sold(folder: Path) -> Path:
    """The planted basket of three NO, bought at second 60 for two dollars at most; from second 95 each NO is bid at 75 cents."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    for leg in range(3):
        tape.book(1, f"GAME-EDGE-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for leg in range(3):
        tape.delta(60, f"GAME-EDGE-L{leg}", "yes", "0.4000", "20.00")
    for second in range(62, 95, 3):
        tape.alive(second)
    for leg in range(3):
        tape.delta(95, f"GAME-EDGE-L{leg}", "yes", "0.4000", "-20.00")
        tape.delta(95, f"GAME-EDGE-L{leg}", "yes", "0.3000", "-50.00")
        tape.delta(95, f"GAME-EDGE-L{leg}", "no", "0.7500", "50.00")
    for second in range(97, 200, 3):
        tape.alive(second)
    tape.settled(200, {"GAME-EDGE-L0": "yes", "GAME-EDGE-L1": "no", "GAME-EDGE-L2": "no"})
    return tape.write(folder)


def _advice(result: Result) -> dict[str, int]:
    (found,) = (row for row in result.advice if (row.reason, row.advice) == (REASON, "exit"))
    return {
        name: getattr(found, name)
        for name in ("opened", "open", "right", "difference", "followed", "followed_difference")
    }


def test_advice_that_was_not_followed_says_what_leaving_would_have_brought(tmp_path: Path) -> None:
    found = session.run(options(_better_sold(tmp_path)))
    (basket,) = found.positions
    assert basket["close_type"] == "settled"
    # twenty sets: three NO at 75 cents less the fee 0.07 x 0.25 x 0.75 each, against the two dollars that were paid
    left = 20 * 3 * 750_000 - 3 * 262_500
    assert _advice(found) == {
        "opened": 1, "open": 0, "right": 1, "difference": left - 40_000_000, "followed": 0, "followed_difference": 0
    }  # fmt: skip


def test_advice_that_was_followed_earns_the_difference_and_is_counted_apart(tmp_path: Path) -> None:
    tape = _better_sold(tmp_path)
    held = session.run(options(tape))
    policy = {"triage_policy": "market", "triage_min_gain": 0, "triage_min_hold_seconds": 0}
    followed = session.run(options(tape, profile=policy))
    row = _advice(followed)
    assert followed.positions[0]["close_type"] == "exit"
    assert (row["followed"], row["followed_difference"]) == (1, row["difference"])
    assert followed.profit - held.profit == row["difference"]


def test_without_settlement_nothing_is_said_about_advice(tmp_path: Path) -> None:
    tape = _better_sold(tmp_path)
    found = session.run(options(tape, end_ns=START + 150 * 10**9))
    assert (_advice(found)["opened"], _advice(found)["open"], _advice(found)["right"]) == (1, 1, 0)


def test_a_basket_that_was_best_held_has_no_advice_to_leave(tmp_path: Path) -> None:
    assert not [row for row in session.run(options(planted(tmp_path))).advice if row.advice == "exit"]
