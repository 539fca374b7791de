"""Daily pauses of a profile: ranges may cross midnight, and a list that cannot be read is a pause."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from strategies.profiles.blackout import in_blackout, parse, problem

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


THURSDAY = ["Thu 03:00-05:00 America/New_York"]


@pytest.mark.parametrize(
    ("at", "paused"),
    [
        ("2026-07-02T06:59+00:00", False),
        ("2026-07-02T07:00+00:00", True),  # summer: four hours behind UTC
        ("2026-07-02T09:00+00:00", False),
        ("2026-11-05T07:30+00:00", False),
        ("2026-11-05T08:00+00:00", True),  # winter: five
        ("2026-11-05T09:59+00:00", True),
        ("2026-11-06T08:30+00:00", False),
    ],
)
def test_a_pause_follows_the_clock_of_its_zone(at: str, paused: bool) -> None:
    assert in_blackout(THURSDAY, datetime.fromisoformat(at)) is paused


@pytest.mark.parametrize(
    ("at", "paused"),
    [
        ("2026-11-27T22:30", True),  # Friday evening
        ("2026-11-28T00:29", True),  # the part of Saturday that Friday began
        ("2026-11-28T00:30", False),
        ("2026-11-28T23:30", False),  # Saturday begins none
        ("2026-11-23T00:10", False),  # nor did Sunday
        ("2026-11-22T13:00", True),  # Sunday, the second entry
    ],
)
def test_a_pause_over_midnight_belongs_to_the_day_on_which_it_begins(at: str, paused: bool) -> None:
    pauses = ["Mon-Fri 22:30-00:30", "Sat/Sun 12:00-14:00 UTC"]
    assert in_blackout(pauses, datetime.fromisoformat(at).replace(tzinfo=UTC)) is paused


@pytest.mark.parametrize(
    "written",
    [
        "Thu 03:00",
        "Thursday 03:00-05:00",
        "03:00-25:00",
        "03:00-03:00",
        "Thu 03:00-05:00 Mars/Olympus",
        "3-5",
        "../x",
        7,
    ],
)
def test_a_pause_that_cannot_be_read_is_refused_by_the_form_and_pauses(written: object) -> None:
    assert problem([written])
    assert in_blackout([written], datetime(2026, 7, 4, 12, 0, tzinfo=UTC))


def test_the_whole_day_and_the_end_of_a_week() -> None:
    assert parse("Sat 00:00-24:00").covers(datetime(2026, 11, 28, 23, 59, tzinfo=UTC))
    assert not parse("Sat 00:00-24:00").covers(datetime(2026, 11, 29, 0, 0, tzinfo=UTC))
    assert parse("fri-mon 01:00-02:00").days == {4, 5, 6, 0}


@pytest.mark.parametrize(
    ("at", "paused"),
    [
        ("2026-11-01T05:29+00:00", False),
        ("2026-11-01T05:30+00:00", True),
        ("2026-11-01T06:15+00:00", True),  # 01:15 for the second time
        ("2026-11-01T07:29+00:00", True),
        ("2026-11-01T07:30+00:00", False),
        ("2026-03-08T06:30+00:00", True),  # 02:30 never comes
        ("2026-03-08T06:59+00:00", True),
        ("2026-03-08T07:30+00:00", False),
    ],
)
def test_a_pause_goes_on_through_an_hour_that_comes_twice(at: str, paused: bool) -> None:
    assert in_blackout(["Sun 01:30-02:30 America/New_York"], datetime.fromisoformat(at)) is paused
