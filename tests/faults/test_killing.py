"""A few rounds of ``bin/kill-rounds``: each of the processes dies once in mid-trade."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import cited, killing
from tests.faults.killing import TARGETS
from tests.faults.kinds import KINDS

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


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("words", "rounds"), [("Redis emptied", 1), ("disk of", 2)])
def test_a_kind_of_fault_happens_by_name_and_the_table_says_how_it_went(words: str, rounds: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in CLEAN}
    command = [sys.executable, "-m", "tests.faults.killing", "--all", "--only", words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert f"{rounds} rounds" in done.stdout
    assert done.stdout.count(words) == 2 * rounds


def test_full_disks_are_left_out_by_name_where_nobody_may_mount_any(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    monkeypatch.setattr(sys, "argv", ["bin/kill-rounds", "--all", "--only", "disk of"])
    assert killing.main() == 2
    assert "LEFT OUT: full disks need root" in capsys.readouterr().out


def test_every_kind_of_fault_has_a_name_of_its_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) > 40


def test_every_failure_of_the_page_names_tests_that_are_there() -> None:
    lines = cited.lines()
    assert len(lines) > 120
    assert all((ROOT / name.partition("::")[0]).exists() for line in lines for name in line.tests)


def test_a_failure_that_nobody_notices_is_a_line_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    table = [cited.Line("one", ("tests/a.py::test_a", "tests/b")), cited.Line("two", ("tests/a.py::test_aa",))]
    results = {
        "tests/a.py::test_a[x]": "failed: boom",
        "tests/b/c.py::test_d": "skipped",
        "tests/a.py::test_aa": "passed",
    }
    assert cited.report(table, results, unfinished=False) == 1
    one, two, total = capsys.readouterr().out.splitlines()
    assert one.endswith("failed: boom, 1 skipped")
    assert two.endswith("1 tests hold")
    assert total == "2 failures, 3 tests on Postgres, 1 failures not noticed"
    assert cited.report(table, {}, unfinished=True) == 3


def test_wrong_options_are_refused_in_words() -> None:
    command = [sys.executable, "-m", "tests.faults.killing", "--rounds", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--rounds must be at least 1" in done.stderr
    assert "Traceback" not in done.stderr
