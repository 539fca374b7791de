"""What ``bin/soak`` judges; and, with ``--slow``, two minutes of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.deployment import soak
from tests.deployment.installation import ROOT, commands


def test_every_process_of_the_list_has_a_name_of_its_own_in_the_table() -> None:
    names = [soak.short(line) for line in commands()[1:]]
    assert names == [
        "web",
        "worker exits",
        "worker execution",
        "worker trading",
        "worker strategy",
        "worker general",
        "beat",
        "stream",
    ]


def test_a_process_that_grows_in_the_last_half_is_named_and_one_that_grew_before_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = {
        "steady": [50.0, 90.0] + [100.0] * 18,
        "grows": [100.0 + number for number in range(20)],
        "shrinks": [200.0] * 15 + [180.0] * 5,
    }
    assert [one.split(":")[0] for one in soak.grown(sizes)] == ["shrinks"]
    assert [one.split(":")[0] for one in soak.grown({"grows": [100.0 + 2 * number for number in range(20)]})] == [
        "grows"
    ]
    assert capsys.readouterr().out.count("MB") == 4


@pytest.mark.parametrize(("rows", "periods", "holds"), [(20, 20, True), (2, 4, True), (100, 120, False), (0, 4, False)])
def test_a_task_that_runs_unlike_its_schedule_is_noticed(rows: int, periods: float, holds: bool) -> None:
    assert soak.as_planned(rows, periods) is holds


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_minutes_hold() -> None:
    command = [sys.executable, "-m", "tests.deployment.soak", "--minutes", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1_100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
