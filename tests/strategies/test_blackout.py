"""Daily pauses of a profile: ranges may cross midnight, and a list that cannot be read is a pause."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from strategies.profiles.blackout import in_blackout

PAUSES = [["22:30", "01:15"], ["07:00", "09:00"]]


@pytest.mark.parametrize(
    ("at", "paused"),
    [("22:29", False), ("22:30", True), ("00:00", True), ("01:15", False), ("08:59", True), ("09:00", False)],
)
def test_a_pause_ends_before_its_end_and_may_cross_midnight(at: str, paused: bool) -> None:
    hour, minute = map(int, at.split(":"))
    assert in_blackout(PAUSES, datetime(2026, 7, 1, hour, minute, tzinfo=UTC)) is paused


@pytest.mark.parametrize("written", [None, "07:00", {}, 7, [["07:00"]], [["7", "nine"]], [["07:00", None]], [3]])
def test_a_pause_that_cannot_be_read_counts_as_a_pause(written: object) -> None:
    assert in_blackout(written, datetime(2026, 7, 1, 12, 0, tzinfo=UTC))


def test_a_profile_without_pauses_is_never_in_one() -> None:
    assert not in_blackout([], datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
