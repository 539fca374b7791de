"""A stored certificate that cannot be read certifies nothing: its event is refused by name, and every other is read as before."""

from __future__ import annotations

from typing import Any

import pytest

from markets.models import Certificate
from strategies.catalogue import shares, universe
from strategies.catalogue.universe import EventView
from strategies.cycle import cycle
from strategies.models import Decision, Verdict
from strategies.screening import screening
from tests.strategies.world import add_event, add_profile, add_scan, books_of, publish

pytestmark = pytest.mark.django_db

PAYING = [(5200, 5300), (5300, 5400)]  # NO on both: 0.48 + 0.47 and 0.035 of fees, for 1


def _two(**changes: Any) -> dict[str, EventView]:
    for ticker in ("GOOD", "TORN"):
        add_event(ticker, PAYING)
        publish(ticker, books_of(ticker, PAYING))
    Certificate.objects.filter(event="TORN").update(**changes)
    return universe.load(deep=True)


@pytest.mark.parametrize(
    "changes",
    [{"states": {"format": 99}}, {"states": []}, {"states": {"format": 1, "outcomes": 3}}, {"residual": 5}],
)
def test_a_certificate_that_cannot_be_read_is_an_oddity_of_its_event(changes: dict[str, Any]) -> None:
    found = _two(**changes)
    assert found["GOOD"].oddity == ""
    assert found["GOOD"].certificate_id is not None
    torn = found["TORN"]
    assert torn.oddity.startswith("its certificate cannot be read: ")
    assert (torn.certificate_id, torn.states, torn.certified, torn.states_known) == (None, None, False, False)


def test_a_cycle_refuses_that_event_by_name_and_decides_on_the_other(redis_db: object) -> None:
    add_profile()
    _two(states={"format": 99})
    screening.screen(add_scan().pk)
    cycle.run()
    assert [decision.event_id for decision in Decision.objects.all()] == ["GOOD"]
    verdict = Verdict.objects.get(event="TORN")
    assert (verdict.live_constraint, verdict.live_value[:30]) == ("contract", "its certificate cannot be read")


def test_the_certified_share_names_it_beside_the_others() -> None:
    _two(states={"format": 99})
    found = {row.event: row.why for row in shares.of_rows()}
    assert found["GOOD"] == ""
    assert found["TORN"].startswith("its certificate cannot be read: ")
