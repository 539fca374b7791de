"""What waits in a replay is tried when its next try is due, not at every moment at which beat would sweep."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from backtest.replay import session
from kalbot.common import messages
from strategies.cycle import cycle
from strategies.models import Cycle, Profile
from tests.backtest.tapes import SECOND, START, Recorder, options
from trading.models import Position, PositionStatus

pytestmark = pytest.mark.usefixtures("own_database")
MINUTES = 20


def _orphaned(folder: Path) -> Path:
    """An edge at second 60 of which two legs are gone when the orders arrive, and with them every bid for what the third bought; the bids
    come back at the end."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-EDGE", 3)
    legs = [f"GAME-EDGE-L{leg}" for leg in range(3)]
    for ticker in legs:
        tape.book(1, ticker, [("0.3000", "50.00")], [("0.5500", "50.00")])
    for ticker in legs:
        tape.delta(60, ticker, "yes", "0.4000", "20.00")
    for ticker in legs[1:]:
        tape.delta(60.02, ticker, "yes", "0.4000", "-20.00")
        tape.delta(60.02, ticker, "yes", "0.3000", "-50.00")
    tape.delta(60.02, legs[0], "no", "0.5500", "-50.00")
    for second in range(64, MINUTES * 60, 4):
        tape.alive(second)
    tape.delta(MINUTES * 60, legs[0], "no", "0.5500", "50.00")
    for second in range(MINUTES * 60 + 4, MINUTES * 60 + 120, 4):
        tape.alive(second)
    tape.records.sort(key=lambda record: record.received_ns)
    return tape.write(folder)


def test_an_unwind_that_waits_for_a_bid_is_tried_when_it_is_due_and_sells_once_there_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it logs meanwhile is no alarm."""
    wanted = options(_orphaned(tmp_path))
    with session.open_run(wanted, session.records_of(wanted)) as running:
        running.engine.run()
        (position,) = Position.objects.all()
        assert position.status == PositionStatus.ABORTED
        leg = position.legs.get(bought_count__gt=0)
        assert leg.bought_count == leg.sold_count > 0
        sold = leg.orders.filter(action="sell").latest("created_at").created_at.timestamp()
        lag = sold - (START / SECOND + MINUTES * 60)
        assert 0 <= lag < 62  # within the longest wait and a sweep
        sweeps = running.engine.ran[messages.SWEEP]
        again = logging.makeLogRecord({"msg": "said again", "levelno": logging.ERROR})
    assert 10 < sweeps < 80  # six hundred at one every two seconds
    assert again.getMessage() == "said again", "what a formatter makes of a record begins without a level"
    (said,) = caplog.records
    assert "position_waiting" in said.getMessage()
    assert (said.levelno, said.getMessage().startswith("in a replay: ")) == (logging.ERROR, True)


def test_a_profile_that_quotes_has_every_cycle_in_full(tmp_path: Path) -> None:
    """A quote is not seen by a screen of what pays when it is taken."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-FAIR", 3)
    for leg in range(3):
        tape.book(1, f"GAME-FAIR-L{leg}", [("0.3000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 200, 2):
        tape.alive(second)
    tape.write(tmp_path)
    cycles = {}
    for quoting in (Profile.Quoting.NONE, Profile.Quoting.ONE_LEG):
        wanted = options(tmp_path, profile={"quoting": quoting.value})
        with session.open_run(wanted, session.records_of(wanted)) as running:
            running.engine.run()
            cycles[quoting] = Cycle.objects.filter(trigger=cycle.BEAT).count()
    assert cycles[Profile.Quoting.NONE] <= 2
    assert cycles[Profile.Quoting.ONE_LEG] > 50
