"""Every benchmark still runs: each once, over little, in a process of its own as ``bin/bench`` starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import names

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "allocation": "--days 6",
    "console": "--markets 20000 --episodes 20000 --orders 6000",
    "dutch": "--events 40 --runs 1",
    "execution": "--decisions 2 --orders 50",
    "exports": "--orders 2000",
    "families": "--families 2",
    "judging": "",
    "month": "--scale 0.01 --days 5",
    "nudged": "--trials 3",
    "partitions": "--markets 2000 --measure 500",
    "profiles": "--events 20 --sizes 1 2",
    "quoting": "--moves 5 --seeds 1 --courses 1",
    "reaction": "--trials 3",
    "replay": "--minutes 2",
    "requoting": "--moves 5",
    "scale": "--baskets 8 --workers 1",
    "scan": "--events 40 --markets 300 --database sqlite",
    "soak": "--minutes 0.2 --tickers 500",
    "stream": "--markets 512 --messages 40000 --seconds 2",
    "tape": "--frames 2000",
    "taped_flows": "--minutes 1 --seeds 1",
    "triage": "--positions 40 --events 10",
    "wire": "--messages 200 --runs 1",
}
ELSEWHERE = {
    "burst": "wants the recorded gold markets, which no checkout has",
    "families_recorded": "wants a folder of recorded quotes, which no checkout has",
    "replay_peers": "runs under a Python of its own, which has other people's engines",
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_every_benchmark_is_tried_here_or_says_why_not() -> None:
    assert names().keys() == SMALL.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("name", SMALL)
def test_it_runs(name: str) -> None:
    command = [sys.executable, "-m", "bench", name, *SMALL[name].split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0 or '"met": false' in done.stdout, done.stderr[-3_000:]  # a goal is none over so little
    assert done.stdout.strip(), done.stderr[-3_000:]
