"""What was decided while a tape was recorded is what its replay decides; where it is not, the difference is counted and has a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backtest.studies.comparison import Compared, Pair, Taken, matched, measured_latency, recorded_cycles
from kalbot.common import clock
from strategies.models import Cycle, Decision
from tests.conftest import ROOT
from tests.local.test_demo import CLEAN
from tests.trading.world import add_order, add_profile

LEG = ("A", "yes", 100, 4_000)


def _taken(at_ms: int, event: str = "E", leg: tuple[str, str, int, int] = LEG) -> Taken:
    return Taken(at_ms, event, "all_no", (leg,), 1, 1, 0)


def test_decisions_of_one_opportunity_belong_together_and_the_rest_stands_alone() -> None:
    recorded = [_taken(1_000), _taken(9_000), _taken(50_000), _taken(2_000, "F")]
    replayed = [_taken(8_900), _taken(70_000), _taken(2_100, "G")]
    pairs = matched(recorded, replayed)
    assert [(a and a.at_ms, b and b.at_ms) for a, b in pairs] == [
        (1_000, None),
        (2_000, None),
        (None, 2_100),
        (9_000, 8_900),
        (50_000, None),
        (None, 70_000),
    ]


def test_every_difference_has_its_name() -> None:
    more, higher, other = ("A", "yes", 200, 4_000), ("A", "yes", 100, 4_100), ("B", "yes", 100, 4_000)
    found = Compared("p", (1, 1, 1))
    found.pairs = [
        Pair(_taken(5), _taken(3)),
        Pair(_taken(5), _taken(5, leg=more)),
        Pair(_taken(5), _taken(9, leg=higher)),
    ]
    found.pairs += [Pair(_taken(5), _taken(5, leg=other)), Pair(_taken(5), None), Pair(None, _taken(5))]
    assert found.counts == {"same": 1, "counts or prices": 2, "legs": 1, "only recorded": 1, "only replayed": 1}
    assert found.delays_ms == [2, 0, -4, 0]
    assert found.sums("recorded") == (5, 5, 0)


def test_a_latency_is_measured_to_the_exchange_s_first_word_and_not_to_the_end_of_a_quote(db: None) -> None:
    """Immediate orders of 80 to 89 ms; quotes that rested after 90 ms for half a minute; one of which no word came before its end."""
    profile, sent = add_profile("live", mode="live"), clock.now()

    def after(milliseconds: int) -> datetime:
        return sent + timedelta(milliseconds=milliseconds)

    for n in range(10):
        add_order(n, profile, time_in_force="immediate_or_cancel", sent_at=sent, ended_at=after(80 + n))
        add_order(10 + n, profile, sent_at=sent, rested_at=after(90), ended_at=after(30_000))
    add_order(20, profile, sent_at=sent, ended_at=after(60_000))
    low, middle, high = measured_latency(profile)
    assert 80 <= low <= middle <= high <= 90


def test_a_cycle_is_replayed_when_the_prices_of_its_first_decision_had_come(db: None) -> None:
    """Beat's cycle took nine seconds; one profile decided in it by prices of its fifth, another one nothing. A nudge decided at once."""
    first, other = add_profile("first"), add_profile("other")
    began = clock.now()
    start = round(began.timestamp() * 1_000_000)
    Cycle.objects.create(started_at=began, trigger="beat", duration_ms=9_000)
    traces = [
        {
            "received": 5_000_000,
            "decided": 6_000_000,
        },  # a price came after the cycle had begun, so its trace does not say when
        {"received": 8_000_000, "decided": 8_500_000},
        {"started": 20_000_040, "received": 19_000_000, "decided": 20_100_000},
        {"received": 30_000_000, "decided": 30_100_000},
    ]
    for number, trace in enumerate(traces):
        decision = add_order(number, first).position.decision
        Decision.objects.filter(pk=decision.pk).update(trace={name: start + at for name, at in trace.items()})
    moments = {at: [(when // 1000 - start, events) for when, events in recorded_cycles(at)] for at in (first, other)}
    nudges = [(20_000_040, ("KXT-2",)), (30_001_000, ("KXT-3",))]
    assert moments == {first: [(5_001_000, ()), *nudges], other: [(0, ()), *nudges]}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_demo_that_was_recorded_decides_the_same_when_it_is_replayed(tmp_path: Path) -> None:
    """The whole product on the simulator for a minute, its tape, and the replay with its own latencies."""
    clean = {name: value for name, value in os.environ.items() if name not in CLEAN}
    env = clean | {"KALBOT_TAPE_DIR": str(tmp_path / "tape"), "KALBOT_STATE": str(tmp_path / "state")}
    demo = [sys.executable, "-m", "kalbot.local.demo", "--seconds", "45", "--state", str(tmp_path / "state")]
    subprocess.run(demo, cwd=ROOT, env=env, check=False, timeout=400)
    command = [sys.executable, "manage.py", "replay_compare", "--tape", str(tmp_path / "tape"), "--json"]
    answer = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True, timeout=1000)
    compared = json.loads(answer.stdout)
    assert {one["profile"] for one in compared} >= {"careful", "balanced", "live"}
    pairs = [pair for one in compared for pair in one["pairs"] if pair["outcome"] != "nobody decided then"]
    alike = [pair for pair in pairs if pair["outcome"] == "same"]
    assert len(alike) >= 6
    assert len(alike) >= 0.8 * len(pairs), [pair for pair in pairs if pair["outcome"] != "same"]
    assert all(pair["why"] for pair in pairs if pair["outcome"].startswith("only"))
