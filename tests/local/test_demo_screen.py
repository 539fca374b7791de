"""The demo's screen fits its window without cutting a name or a number, and its end says what the screen said."""

from __future__ import annotations

import io
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rich.console import Console

from kalbot.local import pace, quoting, rest, screen, screen_result, summary
from kalbot.local.supervisor import Child, Supervisor
from strategies.models import Cycle, Profile
from tests.local.test_pace import plan, position
from trading.models import ProfileBalance

pytestmark = pytest.mark.django_db
NAMES = ("live", "careful", "balanced", "coverage", *quoting.PROFILES)


class Stopped(Supervisor):
    """A supervisor whose children are only names."""

    def __init__(self) -> None:
        super().__init__()
        self.children = [Child(name, [], {}, Path("nowhere")) for name in ("redis", "worker trading")]


@pytest.fixture
def traded(redis_db: object) -> None:
    """Profiles with the demo's longest names and thousands of dollars, and positions with a reason each."""
    quoting.seed()
    for number, name in enumerate(("live", "careful", "balanced", "coverage")):
        held = position(number, timedelta(milliseconds=40))
        Profile.objects.filter(pk=held.profile_id).update(name=name)
        held.events.create(from_status="open", to_status="aborted", reason=f"the price was gone, case {number}")
    ProfileBalance.objects.update(cash=-9_944_430_000, realised=-1_234_560_000)


def drawn(tmp_path: Path, width: int, height: int) -> list[str]:
    (tmp_path / "admin_password").write_text("mM-X2IRasukY")
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    view = screen.Live(plan(state=tmp_path, web_port=54321), console)
    console.print(view.draw(Stopped(), [f"the operator did something, number {n}" for n in range(6)]))
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40), (180, 60)])
def test_the_screen_fits_its_window_and_cuts_no_name_and_no_number(
    tmp_path: Path, traded: None, width: int, height: int
) -> None:
    for _ in range(pace.FEWEST):
        Cycle.objects.create(duration_ms=9_000, started_at=timezone.now())
    lines = drawn(tmp_path, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    print(text)
    assert "http://127.0.0.1:54321/admin/" in text
    assert "mM-X2IRasukY" in text
    for name in NAMES:
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        assert "…" not in line
        assert "$" in line
    assert "number 5" in text
    assert "down: redis, worker trading" in text
    if (width, height) == (180, 60):
        assert "case 3" in text
        assert "higher window" not in text


def test_what_does_not_fit_is_named(tmp_path: Path, traded: None) -> None:
    lines = drawn(tmp_path, 80, 24)
    assert "on a higher window also: " in lines[-3]
    assert "nearest misses" in lines[-3] or lines[-3].endswith("…")


def test_the_end_repeats_that_the_machine_is_too_slow(traded: None, capsys: pytest.CaptureFixture[str]) -> None:
    row: dict[str, Any] = {**summary.summary(), "problems": []}
    screen_result.print_result(row, still=True)
    calm = capsys.readouterr().err
    for _ in range(pace.FEWEST):
        Cycle.objects.create(duration_ms=9_000, started_at=timezone.now())
    screen_result.print_result(row, still=True)
    again = capsys.readouterr().err
    assert "too slow" not in calm
    assert "a strategy cycle takes 9.0 s" in " ".join(again.split())
    assert "bin/demo --speed 300 --edge-every 20" in " ".join(again.split())


def test_nobody_who_asks_twice_waits_for_what_is_under_way(traded: None) -> None:
    began = time.monotonic()
    rest.settle_down(Stopped(), impatient=lambda: True)
    assert time.monotonic() - began < rest.LONGEST_SECONDS / 2
