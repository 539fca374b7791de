"""Range events and nominee lists of hundreds of outcomes: screened like any other, and bought in as many legs as can be sent."""

from __future__ import annotations

import pytest

from strategies.cycle import cycle
from strategies.models import Decision, Verdict
from strategies.screening import screening
from tests.strategies.test_cycle import _candidate
from tests.strategies.world import add_event, add_profile, add_scan, books_of, publish

pytestmark = pytest.mark.django_db
LIKELY = [(3000, 3100)] * 5
"""Five outcomes whose bids add up to a dollar and a half."""


@pytest.mark.parametrize("outcomes", [188, 300])
def test_wide_events_reach_the_prices_and_are_bought_in_the_legs_that_earn(outcomes: int) -> None:
    profile = add_profile()
    quotes = [*LIKELY, *[(100, 200)] * (outcomes - len(LIKELY))]
    _candidate(profile, "WIDE", quotes)
    publish("WIDE", books_of("WIDE", quotes))
    assert cycle.run().decisions == 1, Verdict.objects.get().live_flip
    decision = Decision.objects.get()
    assert decision.kind == "all_no"
    assert 5 <= len(decision.legs) <= 10
    assert {f"WIDE-{n}" for n in range(5)} <= {leg["ticker"] for leg in decision.legs}
    assert decision.guaranteed


def test_a_wide_event_is_a_candidate_by_its_quotes() -> None:
    add_profile("seeded-like", max_outcomes=400)
    add_event("WIDE", [*LIKELY, *[(None, 100)] * 295])
    screening.screen(add_scan().pk)
    assert Verdict.objects.get().status == "candidate"
