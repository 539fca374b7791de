"""One tape and one seed come to the same result, row for row, whatever the process is that replays it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backtest.test_leaks import random_tape

ROOT = Path(__file__).resolve().parents[2]
_REPLAY = """
import django, json, sys
django.setup()
from pathlib import Path
from backtest.replay import session
from tests.backtest.tapes import options
from tests.backtest.test_leaks import PROFILES
seed, times = map(int, sys.argv[2:])
profile = {"capital": 10**9} | PROFILES[seed % len(PROFILES)]
for _ in range(times):
    found = session.run(options(Path(sys.argv[1]), seed=seed, profile=profile)).document()
    print(json.dumps(found, sort_keys=True, default=str))
"""


@pytest.mark.timeout(400)
def test_neither_hashes_nor_time_zone_nor_folder_change_anything_of_a_result(tmp_path: Path) -> None:
    """The lists of a result say what came first among equals, which once followed the order of a set."""
    tape = random_tape(tmp_path / "tape", 6)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _REPLAY, str(tape), "6", "1"],
            cwd=folder,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "kalbot.settings", "PYTHONPATH": str(ROOT)}
            | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, zone, folder, locale in (("0", "UTC", ROOT, "C.UTF-8"), ("3", "Asia/Kolkata", tmp_path, "C"))
    ]
    first, second = (json.loads(process.communicate(timeout=380)[0]) for process in processes)
    assert first["decisions"] > 0
    assert len(first["missed"]) > 1
    assert {name: (value, second[name]) for name, value in first.items() if second[name] != value} == {}


def test_the_first_replay_of_a_process_is_like_its_second(tmp_path: Path) -> None:
    """What is made once a process must not draw from the keys of the rows: they decide the order of what happens at one instant."""
    tape = random_tape(tmp_path / "tape", 7)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "kalbot.settings", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _REPLAY, str(tape), "7", "2"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["decisions"] > 0
    assert {name: (value, second[name]) for name, value in first.items() if second[name] != value} == {}
