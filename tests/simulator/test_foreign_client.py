"""A client that nobody here wrote can use the simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .served import Served
from .world import write_snapshot

REQUIREMENTS = ("pykalshi==2.0.0", "httpx==0.28.1", "httpcore==1.0.9")


@pytest.mark.slow
def test_a_public_client_lists_reads_places_and_cancels(tmp_path: Path) -> None:
    installed = tmp_path / "packages"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(installed), *REQUIREMENTS]
    answer = subprocess.run(pip, capture_output=True, text=True, timeout=170)
    if answer.returncode != 0:
        pytest.skip(f"the public client cannot be installed here: {answer.stderr.strip().splitlines()[-1]}")
    with Served(tmp_path, "--snapshot", str(write_snapshot(tmp_path)), "--still", "--tier", "advanced") as served:
        script = [sys.executable, str(Path(__file__).with_name("foreign.py")), served.key.key_id]
        script += [str(tmp_path / "credentials" / "private_key.pem"), served.ready["rest"]]
        search = os.pathsep.join((str(installed), *filter(None, [os.environ.get("PYTHONPATH")])))
        done = subprocess.run(
            script, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": search}
        )
        assert done.returncode == 0, done.stderr
        served.stop()
    assert json.loads(done.stdout) == {
        "events": 5,
        "markets": 14,
        "best_yes": ["0.3800", "80.00"],
        "balance": 999_781,
        "statuses": ["executed", "resting", "canceled"],
        "orders": ["canceled", "executed"],
        "positions": [["KXHIGHNY-26JUL20-B82.5", "5.00"]],
        "fills": [["5.00", "0.4200", "0.085300"]],
    }
