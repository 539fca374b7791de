"""No command leaves a process behind, however it ends: every process of a run carries a mark in its environment, and is searched for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.streaming.stage import write_key

ROOT = Path(__file__).resolve().parents[2]
MARK = "TEST_MARK"  # no setting: an installation of a test passes none on
KEY = "key.pem"
CLEAN = ("REDIS_URL", "DATABASE_URL", "KALBOT_STATE", "KALBOT_TEST_REDIS", "KALBOT_TEST_DATABASE", "LOG_LEVEL")
PYTHON = sys.executable
CELERY = [PYTHON, "-m", "celery", "-A", "kalbot"]
WORKER = [*CELERY, "worker", "-Q", "execution", "--concurrency", "2", "--without-mingle", "--without-gossip"]
GUNICORN = [str(Path(PYTHON).with_name("gunicorn")), "kalbot.wsgi", "--bind", "127.0.0.1:0", "--workers", "2"]
LASTING: dict[str, tuple[list[str], int]] = {
    "faults": (["bin/faults", "--seeds", "0:400", "--jobs", "2"], 4),
    "keep": (["bin/keep", "x", "sleep", "600"], 2),
    "alive": ([PYTHON, "manage.py", "alive", "--every", "1"], 1),
    "simulator": ([PYTHON, "-m", "simulator", "--port", "0"], 1),
    "demo": (["bin/demo", "--seconds", "600"], 10),
    "test": (["bin/test", "--postgres", "tests/trading"], 6),
    "whole test": (["bin/test"], 9),
    "worker": (WORKER, 3),
    "kept worker": (["bin/keep", "x", *WORKER], 4),
    "beat": ([*CELERY, "beat", "--pidfile="], 1),
    "gunicorn": (GUNICORN, 3),
    "runserver": ([PYTHON, "manage.py", "runserver", "0"], 2),
    "stream": ([PYTHON, "manage.py", "stream", "--patience", "600"], 1),
    "kill-rounds": (["bin/kill-rounds", "--rounds", "1"], 10),
    "cited": (["bin/kill-rounds", "--cited"], 3),
    "soak": (["bin/soak", "--minutes", "9"], 10),
    "bench": (["bin/bench", "month", "--scale", "0.05"], 5),
    "mutants": (["bin/mutants", "--sample", "9"], 2),
}
"""Commands that run until they are stopped, by name, and how many processes each has when it is at work."""
NEED_AN_INSTALLATION = ("beat", "stream")
"""Those of them that end at once without a database and a key of the exchange."""
SMALL = ("keep", "alive")
AT_ONCE = {"api-changes", "backup", "kalbot", "lock", "restore", "secrets", "setup"}
"""Commands of bin/ that end by themselves and start nothing that goes on."""
ARGUMENTS = {"lock": ["--check"], "setup": []}
"""Of those; the others are given a folder."""


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
    env |= {
        MARK: mark,
        "KALBOT_STATE": str(state),
        "KALSHI_KEY_ID": "of this test",
        "KALSHI_PRIVATE_KEY_PATH": str(state / KEY),
    }
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=quiet, stderr=quiet, start_new_session=True, preexec_fn=_as_on_a_terminal
    )
    return process, mark


def install(state: Path) -> None:
    """A database with its tables, and a key that is one, in a state folder."""
    write_key(state / KEY)
    process, _ = start([PYTHON, "manage.py", "migrate"], state)
    assert process.wait(240) == 0


def at_work(process: subprocess.Popen[bytes], mark: str, processes: int, seconds: float) -> dict[int, str]:
    """What runs once there are so many processes, and still so many after a while: those that only prepare the others do not count."""
    end = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < end:
        if len(marked(mark)) >= processes:
            time.sleep(seconds)
            if len(found := marked(mark)) >= processes:
                return found
        time.sleep(0.1)
    return marked(mark)


def ended(name: str, how: int, state: Path) -> dict[int, str]:
    """What the command ``name`` leaves when it is sent ``how`` while it is at work. Ctrl-C reaches the whole group."""
    command, processes = LASTING[name]
    if name in NEED_AN_INSTALLATION:
        install(state)
    process, mark = start(command, state)
    found = at_work(process, mark, processes, 0.5 if name in SMALL else 3)
    if len(found) < processes:
        left(mark, 0)  # what is not at work must not be in the way of the next one either
        pytest.fail(f"{name} was not at work: {found}")
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    process.wait(120)
    return left(mark, 60)


def test_every_command_is_listed() -> None:
    named = {command[0].removeprefix("bin/") for command, _ in LASTING.values() if command[0].startswith("bin/")}
    assert named | AT_ONCE == {path.name for path in (ROOT / "bin").iterdir()}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("name", SMALL)
def test_a_small_command_leaves_no_process(name: str, how: int, tmp_path: Path) -> None:
    assert ended(name, how, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in LASTING if name not in SMALL])
def test_a_command_leaves_no_process(name: str, how: int, tmp_path: Path) -> None:
    assert ended(name, how, tmp_path) == {}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_a_command_that_is_stopped_at_once_leaves_no_process(name: str, how: int, tmp_path: Path) -> None:
    process, mark = start([f"bin/{name}", *ARGUMENTS.get(name, [str(tmp_path)])], tmp_path)
    time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
    process.wait(60)
    assert left(mark, 15) == {}


@pytest.mark.slow
@pytest.mark.parametrize("command", [["bin/faults", "--seeds", "0:2", "--jobs", "2"], [PYTHON, "manage.py", "check"]])
def test_a_command_that_ends_by_itself_leaves_no_process(command: list[str], tmp_path: Path) -> None:
    process, mark = start(command, tmp_path)
    process.wait(240)
    assert left(mark, 5) == {}
