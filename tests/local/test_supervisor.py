"""The supervisor: what dies comes back, what is silent is replaced, and nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kalbot.local.supervisor import Child, Supervisor, environment, python

SLEEPER = "import time\nwhile True: time.sleep(0.1)"


class RecordingSupervisor(Supervisor):
    """Keeps what it reports in ``lines``."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        super().__init__(on_change=self.lines.append)


def child(tmp_path: Path, name: str = "sleeper", code: str = SLEEPER, **options: Any) -> Child:
    return Child(name, python("-c", code), environment({}), tmp_path / f"{name}.log", **options)


def pid_of(one: Child) -> int:
    assert one.process is not None
    return one.process.pid


def tick_until(supervisor: Supervisor, condition: Callable[[], object], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        supervisor.tick()
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def supervisor() -> Iterator[RecordingSupervisor]:
    made = RecordingSupervisor()
    yield made
    made.stop()


def test_a_killed_process_is_started_again(supervisor: RecordingSupervisor, tmp_path: Path) -> None:
    one = supervisor.add(child(tmp_path))
    first = pid_of(one)
    os.kill(first, signal.SIGKILL)
    assert tick_until(supervisor, lambda: one.running and pid_of(one) != first)
    assert one.restarts == 1
    assert "sleeper ended" in supervisor.lines[0]


def test_a_process_that_keeps_ending_is_started_ever_more_slowly(
    supervisor: RecordingSupervisor, tmp_path: Path
) -> None:
    one = supervisor.add(child(tmp_path, code="raise SystemExit(3)"))
    assert tick_until(supervisor, lambda: one.restarts >= 2)
    assert one.pause >= 2.0
    assert one.last_end == "exit code 3"


def test_a_silent_process_is_replaced(supervisor: RecordingSupervisor, tmp_path: Path) -> None:
    one = supervisor.add(child(tmp_path, silent=lambda: "no heartbeat for 60 s", grace_seconds=0.0))
    assert tick_until(supervisor, lambda: one.restarts >= 1)
    assert "no heartbeat" in supervisor.lines[0]


def test_stop_leaves_no_grandchild(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])\n"
        "print(p.pid, flush=True)\ntime.sleep(60)"
    )
    made = Supervisor()
    one = made.add(child(tmp_path, code=code))
    log = one.log
    assert log is not None
    assert tick_until(made, lambda: log.read_text().strip().isdigit())
    grandchild = int(log.read_text())
    made.stop()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{grandchild}").exists() and time.monotonic() < deadline:
        status = Path(f"/proc/{grandchild}/status")
        if status.exists() and "Z (zombie)" in status.read_text():
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{grandchild}").exists()


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from kalbot.local.supervisor import *\n"
        f"s = Supervisor(); c = s.add(Child('x', python('-c', {SLEEPER!r}), environment({{}}), Path({str(tmp_path)!r}) / 'x.log'))\n"
        "print(c.process.pid, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if "Z (zombie)" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its supervisor")
