"""A few rounds of ``bin/kill-rounds``: each of the processes dies once in mid-trade."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.killing import TARGETS

ROOT = Path(__file__).resolve().parent.parent.parent
CLEAN = ("REDIS_URL", "DATABASE_URL", "KALBOT_STATE", "KALBOT_TEST_REDIS", "KALBOT_TEST_DATABASE", "LOG_LEVEL")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_invariant_holds_after_each_death() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in CLEAN}
    command = [sys.executable, "-m", "tests.faults.killing", "--rounds", str(len(TARGETS))]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert all(f"{name}" in done.stdout for name in TARGETS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_invariant_holds_beside_frozen_processes_and_somebody_else_on_the_account() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in CLEAN}
    command = [sys.executable, "-m", "tests.faults.killing", "--rounds", "4", "--freeze", "--actor"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "frozen" in done.stdout
    assert "somebody" in done.stdout


def test_wrong_options_are_refused_in_words() -> None:
    command = [sys.executable, "-m", "tests.faults.killing", "--rounds", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--rounds must be at least 1" in done.stderr
    assert "Traceback" not in done.stderr
