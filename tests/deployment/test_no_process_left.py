"""No command leaves a process behind, however it ends: every process of a run carries a mark in its environment, and is searched for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARK = "KALBOT_TEST_MARK"
CLEAN = ("REDIS_URL", "DATABASE_URL", "KALBOT_STATE", "KALBOT_TEST_REDIS", "KALBOT_TEST_DATABASE", "LOG_LEVEL")
PYTHON = sys.executable
LASTING: dict[str, list[str]] = {
    "faults": ["bin/faults", "--seeds", "0:400", "--jobs", "2"],
    "keep": ["bin/keep", "x", "sleep", "600"],
    "alive": [PYTHON, "manage.py", "alive", "--every", "1"],
    "simulator": [PYTHON, "-m", "simulator", "--port", "0"],
    "demo": ["bin/demo", "--seconds", "600"],
    "test": ["bin/test", "tests/trading/test_races.py"],
}
"""Commands that run until they are stopped, by name."""


def marked(mark: str) -> dict[int, str]:
    """{pid: command line} of every process that was started with ``mark``."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return {pid: line for pid, line in found.items() if line}


def left(mark: str, seconds: float) -> dict[int, str]:
    """What is still there of ``mark`` after at most ``seconds``; it is ended, so that a failed test leaves nothing either."""
    end = time.monotonic() + seconds
    while (found := marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return found


def _as_on_a_terminal() -> None:
    """Ctrl-C is not ignored, as it is by whatever a shell has put into the background, this test run perhaps."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(command: Sequence[str], state: Path) -> tuple[subprocess.Popen[bytes], str]:
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    env = {name: value for name, value in os.environ.items() if name not in CLEAN}
    env |= {MARK: mark, "KALBOT_STATE": str(state)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=quiet, stderr=quiet, start_new_session=True, preexec_fn=_as_on_a_terminal
    )
    return process, mark


def ended(name: str, how: int, state: Path, running: float) -> dict[int, str]:
    """What the command ``name`` leaves when it is sent ``how`` after ``running`` seconds. Ctrl-C reaches the whole group."""
    process, mark = start(LASTING[name], state)
    time.sleep(running)
    assert marked(mark), f"{name} ended by itself"
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    process.wait(60)
    return left(mark, 15)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("name", ["keep", "alive"])
def test_a_small_command_leaves_no_process(name: str, how: int, tmp_path: Path) -> None:
    assert ended(name, how, tmp_path, running=0.5) == {}


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", ["faults", "simulator", "demo", "test"])
def test_a_command_leaves_no_process(name: str, how: int, tmp_path: Path) -> None:
    assert ended(name, how, tmp_path, running=8) == {}


@pytest.mark.slow
@pytest.mark.parametrize("command", [["bin/faults", "--seeds", "0:2", "--jobs", "2"], [PYTHON, "manage.py", "check"]])
def test_a_command_that_ends_by_itself_leaves_no_process(command: list[str], tmp_path: Path) -> None:
    process, mark = start(command, tmp_path)
    process.wait(240)
    assert left(mark, 5) == {}
