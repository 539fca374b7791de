"""The bench of the burst is also a test: 0 only if there was no gap, no crossed book, and readers saw the reference's books."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(300)
def test_a_burst_on_top_of_all_recorded_gold_markets_leaves_exactly_the_reference_books(recorded: Path) -> None:
    command = [sys.executable, "-m", "bench", "burst", "--recorded", str(recorded / "ws" / "gold15m")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["messages"] == 746_381 + 10_000 + 400
    assert found["books_read"] > 1_000
