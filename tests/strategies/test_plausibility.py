"""The plausibility brake: a guaranteed margin above the profile's limit waits for a person, who approves the event for a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.models import Certificate, Event
from strategies.cycle import cycle, plausibility
from strategies.models import Decision, EventApproval, NearMiss, Profile, Verdict
from tests.strategies.test_cycle import PAYING, _candidate
from tests.strategies.world import add_profile, books_of, publish

pytestmark = pytest.mark.django_db
TOO_GOOD = [(6200, 6300), (6300, 6400)]  # NO on both for 0.75 a dollar


def _offered(quotes: list[tuple[int, int]], **columns: Any) -> Profile:
    profile = add_profile(**columns)
    _candidate(profile, "E", quotes)
    publish("E", books_of("E", quotes))
    return profile


def test_a_margin_above_the_limit_is_held_with_what_is_suspicious() -> None:
    _offered(TOO_GOOD, plausible_margin_ppm=100_000)
    assert cycle.run().decisions == 0
    verdict = Verdict.objects.get()
    assert (verdict.live_constraint, verdict.live_limit) == ("implausible", "at most 10.00 % unseen")
    assert "YES bids add up to $1.25" in verdict.live_flip
    assert NearMiss.objects.filter(event_id="E", ended_at=None).exists()


def test_a_margin_below_the_limit_is_bought() -> None:
    _offered(PAYING, plausible_margin_ppm=500_000)
    assert cycle.run().decisions == 1


def test_an_approval_covers_the_event_at_any_price_until_it_ends() -> None:
    _offered(TOO_GOOD, plausible_margin_ppm=100_000)
    plausibility.approve("E", actor="rita", note="read the rules", lasts=timedelta(hours=2))
    with time_machine.travel(clock.now() + timedelta(hours=3), tick=False):
        publish("E", books_of("E", TOO_GOOD))
        assert cycle.run().decisions == 0
    better = [(6500, 6600), (6600, 6700)]
    publish("E", books_of("E", better))
    assert cycle.run().decisions == 1
    assert Decision.objects.get().event_id == "E"


def test_an_approval_ends_when_the_rules_or_outcomes_of_the_event_change() -> None:
    _offered(TOO_GOOD, plausible_margin_ppm=100_000)
    plausibility.approve("E", actor="rita", note="read the rules", lasts=timedelta(hours=2))
    for changed in (Event, Certificate):
        changed.objects.update(rules_hash="b" * 64)
    assert cycle.run().decisions == 0
    assert Verdict.objects.get().live_constraint == "implausible"
    plausibility.approve("E", actor="rita", note="read them again", lasts=timedelta(hours=2))
    assert cycle.run().decisions == 1


def test_an_approval_of_another_event_helps_nothing() -> None:
    _offered(TOO_GOOD, plausible_margin_ppm=100_000)
    _candidate(Profile.objects.get(), "OTHER", TOO_GOOD)
    plausibility.approve("OTHER", actor="rita", note="read the rules", lasts=timedelta(hours=2))
    assert cycle.run().decisions == 0


@pytest.mark.parametrize(
    "actor, note, hours", [("", "why", 1), ("rita", " ", 1), ("rita", "why", 0), ("rita", "why", 24 * 8)]
)
def test_an_approval_needs_a_person_a_note_and_a_time(actor: str, note: str, hours: int) -> None:
    _offered(TOO_GOOD)
    with pytest.raises(plausibility.CannotApprove):
        plausibility.approve("E", actor=actor, note=note, lasts=timedelta(hours=hours))
    assert not EventApproval.objects.exists()
