"""Clients that nobody here wrote, pinned, each in an environment of its own, against the simulator.

What one of them cannot do is listed in ``CANNOT``, with who is right by the official file. A Python or Node that is missing on
the machine fails the test by its name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.served import ROOT, Served
from tests.simulator.world import write_snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / ".test" / "strangers"


@dataclass(frozen=True)
class Stranger:
    """A client: what runs it, what is installed for it, and its script. ``streams``: whether it has a WebSocket client."""

    name: str
    program: str
    package: str
    script: str
    streams: bool = False


STRANGERS = [
    Stranger("kalshi-sdk", "python3.12", "kalshi-sdk==22.4.0", "kalshi_sdk_client.py", True),
    Stranger("kalshi_python_sync", "python3.13", "kalshi_python_sync==3.34.0", "official_python_client.py"),
    Stranger("pykalshi", "python3.12", "pykalshi==2.0.0", "pykalshi_client.py", True),
    Stranger("kalshi-typescript", "node", "kalshi-typescript@3.30.0", "official_node_client.cjs"),
]
EXPECTED: dict[str, Any] = {
    "events": 5,
    "markets": 14,
    "book": "0.3800",
    "take": ["5.0000", "0.0000"],
    "rest": ["0.0000", "4.0000"],
    "amend": "0.1100",
    "decrease": "3.0000",
    "batch": [2, 2],
    "cancel": "3.0000",
    "fills": 1,
    "positions": ["5.0000"],
    "candles": 1,
    "historical": 0,
    "stream": ["0.3800", "80.0000"],
}
CANNOT: dict[tuple[str, str], tuple[str, str]] = {
    ("kalshi-sdk", "markets"): (
        "liquidity_dollars\n  Field required",
        "the simulator: the field left the official file on 2026-10-01, and the client still insists on it",
    ),
}
"""(client, step): (what it says, who is right)."""
SAYS = {("pykalshi", "cancel"): "canceled"}
"""What a client calls the same result."""


def found_program(name: str) -> str | None:
    """The program on the path, or a Python that pyenv keeps beside it; one that does not run is none."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in filter(None, [shutil.which(name), *sorted(map(str, kept.glob(f"*/bin/{name}")))]):
        if subprocess.run([candidate, "--version"], capture_output=True, timeout=30).returncode == 0:
            return candidate
    return None


def prepared(stranger: Stranger) -> tuple[list[str], dict[str, str]]:
    """The command that runs scripts in the client's environment, which is made once and kept, and its variables."""
    program = found_program(stranger.program)
    if program is None:
        pytest.fail(f"{stranger.name} needs {stranger.program}, which this machine does not have")
    folder = ENVIRONMENTS / stranger.package.replace("=", "-")
    done = folder / "installed"
    if stranger.program == "node":
        command, variables = [program], {"NODE_PATH": str(folder / "node_modules")}
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), stranger.package]
    else:
        command, variables = [str(folder / "bin" / "python")], {}
        install = [command[0], "-m", "pip", "install", "-q", "--disable-pip-version-check", stranger.package]
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if stranger.program != "node":
            subprocess.run([program, "-m", "venv", str(folder)], check=True, timeout=120)
        answer = subprocess.run(install, capture_output=True, text=True, timeout=400)
        if answer.returncode != 0:
            pytest.fail(f"{stranger.package} cannot be installed: {answer.stderr.strip()[-300:]}")
        done.touch()
    return command, variables


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    options = ("--snapshot", str(write_snapshot(tmp_path)), "--still", "--tier", "advanced", "--key-type", "rsa")
    with Served(tmp_path, *options) as running:
        yield running
        running.stop()


@pytest.mark.parametrize("stranger", STRANGERS, ids=[stranger.name for stranger in STRANGERS])
def test_a_stranger_lists_reads_trades_and_streams(stranger: Stranger, served: Served) -> None:
    command, variables = prepared(stranger)
    key = Path(served.ready["credentials"]) / "private_key.pem"
    arguments = [served.key.key_id, str(key), served.ready["rest"], served.ready["ws"]]
    done = subprocess.run(
        [*command, str(HERE / stranger.script), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for step, expected in EXPECTED.items():
        if step == "stream" and not stranger.streams:
            assert step not in found
        elif (stranger.name, step) in CANNOT:
            assert CANNOT[stranger.name, step][0] in found[step]["error"]
        else:
            assert found[step] == SAYS.get((stranger.name, step), expected), (step, found[step])
    assert served.truth()["balanced"]
