"""The pace of writing: at once while the stream keeps up, in larger portions behind a backlog, the lease in time in any case."""

from __future__ import annotations

import time

import pytest

from markets.streaming.output.pacing import BUSY_FRAMES, LEAST_PAUSE, RENEW, Pace


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def wrote(clock: Clock, frames: int, seconds: float) -> Pace:
    """After a flush that took so long."""
    made = Pace()
    made.frames = frames
    clock.now += seconds
    made.wrote(clock.now - seconds)
    return made


def test_a_calm_stream_writes_again_at_once(clock: Clock) -> None:
    calm = wrote(clock, 20, 0.0001)
    assert not calm.is_due(True)
    clock.now += LEAST_PAUSE + 1e-6
    assert calm.is_due(True)
    assert calm.patience(False, True) == 0


def test_behind_a_backlog_writing_takes_a_quarter_of_the_time(clock: Clock) -> None:
    busy, calm = wrote(clock, BUSY_FRAMES + 1, 0.01), wrote(clock, BUSY_FRAMES, 0.01)
    assert busy.patience(False, True) == pytest.approx(0.02, abs=1e-6)  # 0.03 after its own flush, the other took 0.01
    assert calm.patience(False, True) == pytest.approx(0.005, abs=1e-6)


def test_the_lease_is_renewed_without_changes_and_an_answer_is_missed(clock: Clock) -> None:
    quiet = wrote(clock, 0, 0.0001)
    assert quiet.patience(False, False) > quiet.patience(True, False)
    clock.now += RENEW - 0.001
    assert not quiet.is_due(False)
    clock.now += 0.002
    assert quiet.is_due(False)
    assert not quiet.is_overdue
    clock.now += 1
    assert quiet.is_overdue
