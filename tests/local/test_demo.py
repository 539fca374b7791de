"""The demo as a stranger meets it: it closes its loop, survives the death of each process, and refuses bad input in words."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kalbot.local.demo import note_processes

ROOT = Path(__file__).resolve().parent.parent.parent
CLEAN = ("REDIS_URL", "DATABASE_URL", "KALBOT_STATE", "KALBOT_TEST_REDIS", "KALBOT_TEST_DATABASE", "LOG_LEVEL")


def lives_again(state: Path, name: str, before: int) -> bool:
    """Whether the process of this name has another pid than the one that was killed."""
    return pid_of(state, name) != before


def demo(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key not in CLEAN}
    environment["KALBOT_ENV_FILE"] = "tests/data/production.env"  # as beside a checkout that production runs from
    return subprocess.Popen(
        [sys.executable, "-m", "kalbot.local.demo", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def refused(*arguments: str) -> str:
    """What the demo says on stderr when it cannot run; checks exit code 2 and one sentence without a traceback."""
    process = demo(*arguments)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    return errors.strip().splitlines()[-1]


def test_a_folder_that_is_no_snapshot_is_refused_in_words(tmp_path: Path) -> None:
    assert "is not a recorded snapshot" in refused("--snapshot", str(tmp_path), "--state", str(tmp_path / "state"))


def test_a_damaged_snapshot_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl.gz").write_bytes(b"not gzip at all")
    (tmp_path / "orderbooks.jsonl.gz").write_bytes(b"")
    line = refused("--snapshot", str(tmp_path), "--state", str(tmp_path / "state"))
    assert "the simulator did not start" in line


def test_a_port_in_use_is_refused_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in refused("--port", str(port), "--state", str(tmp_path))


def test_wrong_options_are_refused_in_words() -> None:
    assert "--seconds must be more than zero" in refused("--seconds", "-3")


def pid_of(state: Path, name: str) -> int:
    return int(json.loads((state / "pids.json").read_text())[name])


def scans_of(state: Path) -> int:
    """Complete scans in the demo's database; 0 while it is being made."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(state / "kalbot.sqlite3")) as database:
        return int(database.execute("SELECT count(*) FROM markets_scan WHERE status = 'done'").fetchone()[0])
    return 0


def more_scans(state: Path, than: int) -> bool:
    return scans_of(state) > than


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError, ValueError):
            if condition():
                return True
        time.sleep(0.2)
    return False


def processes_with(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in line and f"/{os.getpid()}/" not in str(path):
                found.append(line)
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_process_may_die_once_and_nothing_is_bought_twice_or_lost(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out.json"
    process = demo("--seconds", "95", "--speed", "1500", "--turn-every", "0", "--json", str(out), "--state", str(state))
    try:
        assert wait_for(lambda: pid_of(state, "web") > 0, 60), "the demo did not come up"
        time.sleep(14)
        for name in ("stream", "worker trading", "beat", "redis", "worker strategy"):
            before = pid_of(state, name)
            os.kill(before, signal.SIGKILL)
            assert wait_for(partial(lives_again, state, name, before), 20), f"{name} stayed dead"
            time.sleep(5)
        _, errors = process.communicate(timeout=150)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    result = json.loads(out.read_text())
    assert process.returncode == 0, (result["problems"], errors[-2000:])
    assert result["exchange_difference"] == 0
    assert all(row["difference"] == 0 for row in result["ledger"].values())
    assert result["positions"]["sim"]
    assert result["positions"]["live"]
    assert not processes_with(str(state)), "processes were left behind"


def stopped_after_a_scan(state: Path, out: Path, done: int) -> Any:
    """What a demo of still books says that had made one scan more than ``done`` when Ctrl-C ended it, and left no process."""
    process = demo("--still", "--seconds", "300", "--json", str(out), "--state", str(state))
    assert wait_for(partial(more_scans, state, done), 100), f"no scan was done beside {done}"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert not processes_with(str(state)), "processes were left behind"
    result = json.loads(out.read_text())
    assert process.returncode == 0, (result["problems"], errors[-2000:])
    assert not [row for row in result["bought"] if row["sure"]]
    return result


@pytest.mark.timeout(240)
def test_still_books_yield_nothing_guaranteed_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    assert stopped_after_a_scan(tmp_path / "state", tmp_path / "out.json", 0)["scans"] > 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_second_start_goes_on_where_the_first_was_stopped(tmp_path: Path) -> None:
    state, out = tmp_path / "state", tmp_path / "out.json"
    first = stopped_after_a_scan(state, out, 0)["scans"]
    assert stopped_after_a_scan(state, out, first)["scans"] > first


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_coverage_position_turns_bad_is_left_on_advice_and_the_advice_is_scored(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    process = demo("--seconds", "170", "--json", str(out), "--state", str(tmp_path / "state"))
    _, errors = process.communicate(timeout=400)
    result = json.loads(out.read_text())
    assert process.returncode == 0, (result["problems"], errors[-2000:])
    outcome = result["triage"]
    assert outcome["story"]["missing"] == "", errors[-3000:]
    assert outcome["story"]["accepted_by"] == "demo operator"
    assert outcome["assessments"] > 0
    assert outcome["accepted"] > 0
    assert outcome["scored"] > 0
    assert [one for one in outcome["sources"] if one["source"] == "nws" and one["settled"]]
    assert result["exchange_difference"] == 0
    assert all(row["difference"] == 0 for row in result["ledger"].values())
    for mode in ("sim", "live"):
        for label in ("guaranteed", "guaranteed if determined"):
            assert result["grades"][mode][label]["settled"] > 0, result["grades"]


def test_whoever_reads_the_list_of_processes_finds_a_whole_one(tmp_path: Path) -> None:
    """Read again and again while it is written again and again: no empty file, no part of one."""
    pids = {f"worker {number}": number for number in range(2_000)}
    note_processes(tmp_path, pids)

    def again_and_again() -> None:
        for _ in range(200):
            note_processes(tmp_path, pids)

    writer = threading.Thread(target=again_and_again)
    writer.start()
    while writer.is_alive():
        assert pid_of(tmp_path, "worker 1999") == 1999
    writer.join()
