"""Settings are read in one module, and a value that cannot be read stops the start with one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
READING = re.compile(r"os\.environ(\[|\.get)|getenv\(|getattr\(settings, \"")
ALLOWED = {
    "kalbot/environment.py",  # reads it for the settings
    "markets/kalshi/ws/session.py",  # requests' own variable, so that both transports trust the same certificates
    "kalbot/client.py",  # runs on a machine that may have no installation of ours
    "kalbot/common/life.py",  # must be read in milliseconds, without Django
    "kalbot/local/demo.py",  # starts processes, and hands an environment to them
}


def start(name: str, value: str) -> subprocess.CompletedProcess[str]:
    """A fresh process that reads the settings with one variable set."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from kalbot import settings; print(settings.TRIAGE_SOURCES, settings.PAPER_LATENCY_MS)",
        ],
        cwd=ROOT,
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KALBOT_LIVE", "ture"),
        ("SECURE_COOKIES", "2"),
        ("KALBOT_SCAN_SECONDS", "soon"),
        ("KALBOT_CYCLE_SECONDS", "1"),
        ("TRIAGE_FETCH_SECONDS", "nan"),
        ("TRIAGE_WORLD_SPEED", "-1"),
    ],
)
def test_a_value_that_cannot_be_read_stops_the_start(name: str, value: str) -> None:
    done = start(name, value)
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {name} must be" in done.stderr


def test_settings_of_every_package_come_from_the_environment() -> None:
    assert start("PAPER_LATENCY_MS", "7").stdout.split()[-1] == "7"
    assert start("TRIAGE_SOURCES", "nws").stdout.split()[0] == "nws"


def test_no_other_module_reads_the_environment() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("kalbot", "markets", "strategies", "trading", "triage")
        for path in (ROOT / package).rglob("*.py")
        if READING.search(path.read_text())
    }
    assert found <= ALLOWED
