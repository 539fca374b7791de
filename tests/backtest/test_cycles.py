"""Cycles that judge only what could pay decide what cycles that judge everything decide."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from backtest.options import Options
from backtest.replay import session
from backtest.replay.clock import SECOND
from backtest.replay.engine import JUDGED_AGAIN, Engine
from backtest.replay.turns import Judged, Recorded
from backtest.report.results import Result
from kalbot.common import messages
from strategies.cycle import cycle
from strategies.models import Cycle, Decision, Screening
from tests.backtest.tapes import START, Recorder, options
from trading.models import Position

pytestmark = pytest.mark.usefixtures("own_database")


def _flickering(folder: Path, seed: int, paused: float = 0) -> Options:
    """Games whose YES bids flicker around a dollar for a minute: they pay, nearly pay and lose their depth. ``paused``: when a market of
    the deep one is."""
    numbers, tape = random.Random(seed), Recorder()
    tape.opened(0)
    tickers = [f"GAME-E{event}-L{leg}" for event in range(6) for leg in range(3)]
    for event in range(6):
        tape.event(0, f"GAME-E{event}", 3)
    for ticker in tickers:
        tape.book(1, ticker, [("0.3300", "30.00"), ("0.3000", "90.00")], [("0.5500", "50.00")])
    extra: dict[tuple[str, str], int] = {}
    for tick in range(8, 240):
        key = (numbers.choice(tickers), numbers.choice(("0.3400", "0.3600", "0.3700", "0.3900")))
        change = -extra[key] if extra.get(key) else numbers.choice((50, 600, 4_000))
        extra[key] = extra.get(key, 0) + change
        tape.delta(tick / 4, key[0], "yes", key[1], f"{change / 100:.2f}")
    _deepened(tape)
    if paused:
        tape.lifecycle(paused, "GAME-DEEP-L0", "deactivated")
    tape.records.sort(key=lambda record: record.received_ns)
    tape.write(folder)
    return options(folder, profile={"cooldown_seconds": 10, "capital": 10**9, "max_open_positions": 20})


def _deepened(tape: Recorder) -> None:
    """A game whose prices pay from second 65 on, with nothing behind them until 75: only a cycle of beat sees the size come."""
    tape.event(64, "GAME-DEEP", 3)
    for leg in range(3):
        tape.book(65, f"GAME-DEEP-L{leg}", [("0.4000", "0.10")], [("0.5500", "50.00")])
    for leg in range(3):
        tape.delta(75, f"GAME-DEEP-L{leg}", "yes", "0.4000", "40.00")
    for second in range(61, 85):
        tape.alive(second)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_cycles_over_what_could_pay_decide_as_full_ones_do(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = _flickering(tmp_path, seed)
    thinned = session.run(wanted)
    monkeypatch.setattr(Engine, "_is_blind", True)  # every cycle in full
    full = session.run(wanted)
    assert thinned.decisions > 3
    assert any("GAME-DEEP" in text for _, text in thinned.timeline)
    assert thinned.timeline == full.timeline
    assert _evaluations(thinned) < _evaluations(full) / 2


MS = 1_000_000


def test_a_replay_of_recorded_cycles_judges_at_their_moments_and_at_no_other(tmp_path: Path) -> None:
    wanted = _flickering(tmp_path, 1)
    read, turn, again = (START + second * SECOND for second in (78, 80, 82))
    nudged = Judged(again, again, {"GAME-DEEP": again}, ("GAME-DEEP",))
    cycles = [Judged(read, turn, {"GAME-DEEP": turn + SECOND // 2}), nudged]
    with session.open_run(wanted, session.records_of(wanted), _of(wanted, Recorded(cycles))) as running:
        running.engine.run()
        ran = {name: running.engine.ran[name] for name in (messages.RUN_CYCLE, messages.EVALUATE_EVENT, JUDGED_AGAIN)}
        found = {(round((row.created_at.timestamp()) * 1000), row.event_id) for row in Decision.objects.all()}
        beats = Cycle.objects.exclude(turns={}).get(trigger=cycle.BEAT)
    assert ran == {messages.RUN_CYCLE: 0, messages.EVALUATE_EVENT: 0, JUDGED_AGAIN: 2}
    assert (turn // MS + 500, "GAME-DEEP") in found, (
        "decided on the prices of its own turn, not on those with which its cycle began"
    )
    assert {at for at, _ in found} <= {turn // MS, turn // MS + 500, again // MS}
    said = next(iter(beats.turns.values()))
    assert (beats.prices_after_ms, said["after_ms"], said["events"]["GAME-DEEP"]) == (0, 2_000, 2_500)


def test_recorded_cycles_overlap_as_they_did_and_tasks_run_while_one_waits(tmp_path: Path) -> None:
    """Beat's cycle reads prices at 78 and takes its turn at 81. Meanwhile a nudge decides at 79, its orders are sent, and a profile is
    screened that no scan of the tape began."""
    wanted = _flickering(tmp_path, 1)
    screened, read, nudge, turn = (START + second * SECOND for second in (66, 78, 79, 81))
    nudged = Judged(nudge, nudge, {"GAME-DEEP": nudge}, ("GAME-DEEP",))
    with session.open_run(
        wanted, session.records_of(wanted), _of(wanted, Recorded([Judged(read, turn), nudged], [screened]))
    ) as running:
        running.engine.run()
        decision = Decision.objects.get(event_id="GAME-DEEP")
        beats = Cycle.objects.exclude(turns={}).get(trigger=cycle.BEAT)
        sent_at = decision.position.orders.earliest("pk").sent_at
        assert sent_at is not None
        moments = [decision.created_at, sent_at, beats.started_at]
        screenings = [row.at for row in Screening.objects.all()]
    after_ms = [round(moment.timestamp() * 1000) - START // MS for moment in (*moments, *screenings)]
    assert after_ms == [79_000, 79_005, 78_000, 66_000]
    assert next(iter(beats.turns.values()))["after_ms"] == 3_000


@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_cycle_lists_when_it_begins_a_nudge_finds_before_it_has_read_prices(
    tmp_path: Path, is_known: bool
) -> None:
    """A game comes close after the screening at 66. Beat's cycle begins at 78 and lists it; slow as it is, it reads prices at 80. A nudge
    between finds the game on the list, as it did when the tape was recorded."""
    tape = Recorder()
    tape.opened(0)
    tape.event(0, "GAME-LATE", 3)
    for leg in range(3):
        tape.book(1, f"GAME-LATE-L{leg}", [("0.1000", "50.00")], [("0.5500", "50.00")])
    for second in range(2, 85):
        tape.alive(second)
        for leg in range(3 if second == 77 else 0):
            tape.delta(second, f"GAME-LATE-L{leg}", "yes", "0.4000", "40.00")
    tape.write(tmp_path)
    screened, began, nudge, read = (START + second * SECOND for second in (66, 78, 79, 80))
    beats = Judged(read, read, {}, (), began if is_known else 0)
    nudged = Judged(nudge, nudge, {"GAME-LATE": nudge}, ("GAME-LATE",))
    wanted = options(tmp_path)
    recorded = Recorded([beats, nudged], [screened])
    with session.open_run(wanted, session.records_of(wanted), _of(wanted, recorded)) as running:
        running.engine.run()
        first = Decision.objects.earliest("pk").created_at
        row = Cycle.objects.exclude(turns={}).filter(trigger=cycle.BEAT).get()
    assert round(first.timestamp() * 1000) - START // MS == (79_000 if is_known else 80_000)
    assert row.prices_after_ms == (2_000 if is_known else 0)


def test_a_task_that_still_waits_at_the_end_of_a_replay_is_ended(tmp_path: Path) -> None:
    wanted = _flickering(tmp_path, 1)
    late = Judged(START + 78 * SECOND, START + 10_000 * SECOND)
    with session.open_run(wanted, session.records_of(wanted), _of(wanted, Recorded([late]))) as running:
        running.engine.run()
        assert running.engine.ran[JUDGED_AGAIN] == 0
    assert not [one for one in threading.enumerate() if one.daemon and "beside" in type(one).__module__]


def test_a_decision_that_waited_for_a_worker_is_not_taken_up_by_a_sweep_before_it_was(tmp_path: Path) -> None:
    """It waited for eight seconds. Another one is taken up meanwhile, after which a replay sweeps."""
    wanted = _flickering(tmp_path, 1)
    decided, meanwhile, taken_up = (START + second * SECOND for second in (76, 80, 84))
    events = ("GAME-DEEP", "GAME-E0")
    waited = {"GAME-DEEP": [(decided, taken_up)], "GAME-E0": [(decided, meanwhile)]}
    nudged = Judged(decided, decided, dict.fromkeys(events, decided), events)
    waits = Recorded([nudged], [START + 66 * SECOND], waited)
    with session.open_run(wanted, session.records_of(wanted), _of(wanted, waits)) as running:
        running.engine.run()
        began = {row.event_id: row.created_at.timestamp() - START / SECOND for row in Position.objects.all()}
    assert began == pytest.approx({"GAME-DEEP": 84, "GAME-E0": 80}, abs=0.1)


def test_what_overlaps_in_a_replay_does_not_reach_the_exchange_either(tmp_path: Path) -> None:
    """A market of a basket is paused, so settlement wants to read its result, in a thread of its own: only the tape can say it."""
    wanted = _flickering(tmp_path / "paused", 1, paused=83)
    nudge = START + 79 * SECOND
    nudged = Judged(nudge, nudge, {"GAME-DEEP": nudge}, ("GAME-DEEP",))
    running_as = _of(wanted, Recorded([nudged], [START + 66 * SECOND]))
    with session.open_run(wanted, session.records_of(wanted), running_as) as running:
        running.engine.run()
        assert Position.objects.filter(event_id="GAME-DEEP", legs__bought_count__gt=0).exists()
        assert running.engine.ran[messages.SETTLE] > 0


def _of(wanted: Options, recorded: Recorded) -> dict[str, Recorded]:
    return {str(wanted.profile["name"]): recorded}


def _evaluations(result: Result) -> int:
    """How often a verdict was recorded by a cycle of beat."""
    return sum(count for code, count in result.screened.items() if code.startswith("live:"))
