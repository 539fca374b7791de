"""An exit that triage requested and nobody bids enough for: priced again by the same rule, or ended once its reason has gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from tests.triage.test_policy import confirmed
from tests.triage.world import World, make_profile
from trading.closing import exit_prices
from trading.models import ExitRequest, Leg, Position
from triage import advice, agent
from triage.models import Recommendation
from triage.sources import refresh

LATER = timedelta(minutes=5)


def _bid(world: World, prices: dict[str, int]) -> None:
    world.books = {letter: ([(price, 9000)], [(9_800 - price, 9000)]) for letter, price in prices.items()}
    world.publish()


def _waiting(world: World, code: str = "no_bid", **profile: Any) -> Position:
    """Of three legs that sell for more than they can pay, one is sold; the bids for the others fall below what was accepted."""
    _bid(world, {"A": 500, "B": 6_200, "C": 6_000})
    event = world.list_event()
    settings = {"triage_policy": "market"} | profile
    position = world.hold(make_profile(**settings), event, dict.fromkeys("ABC", "yes"), kind="all_yes", cost=9_000_000)
    for _ in range(2):
        agent.assess_positions(agent.open_position_ids())
        confirmed()
    Leg.objects.filter(position=position, market_id=world.ticker("A")).update(sold_count=1000)
    waited = clock.now() - timedelta(seconds=1)
    Position.objects.update(status="exiting", residual_code=code, residual="no bid", deadline_at=waited)
    return position


def _assess_twice(world: World) -> int:
    """The exits that two runs of the schedule request; a new request is taken up before the next one."""
    found = 0
    for _ in range(2):
        if found:
            Position.objects.update(residual_code="order_unsettled")
        advice.end_of_ended_positions()
        found += agent.assess_positions(agent.open_position_ids()).exits
        confirmed()
    return found


def _prices(request: ExitRequest) -> list[int]:
    return [price for _, price in sorted(exit_prices.loaded(request.least_prices).items())]


def test_an_exit_that_nobody_bids_enough_for_is_priced_again_by_the_same_rule(world: World) -> None:
    position = _waiting(world)
    first = ExitRequest.objects.get()
    _bid(world, {"A": 100, "B": 5_600, "C": 5_500})
    assert [one.ticker for one in refresh.open_event_facts()] == [world.name]
    assert _assess_twice(world) == 1
    second = ExitRequest.objects.get(status="open")
    first.refresh_from_db()
    assert (first.status, first.result.split(":")[0]) == ("cancelled", "replaced by triage")
    assert (second.source, second.actor, second.position_id) == ("triage", "triage", position.pk)
    old, new = _prices(first)[1:], _prices(second)
    assert all(price > bid for price, bid in zip(old, (5_600, 5_500), strict=True)), "these were waited for"
    assert all(bid - 500 < price <= bid for price, bid in zip(new, (5_600, 5_500), strict=True))


@pytest.mark.parametrize("deadline", [LATER, None])
def test_before_its_patience_is_over_an_exit_keeps_its_prices(world: World, deadline: timedelta | None) -> None:
    _waiting(world)
    Position.objects.update(deadline_at=None if deadline is None else clock.now() + deadline)
    _bid(world, {"A": 100, "B": 5_600, "C": 5_500})
    assert (_assess_twice(world), ExitRequest.objects.count()) == (0, 1)


@pytest.mark.parametrize("code", ["halted", "order_unsettled", ""])
def test_an_exit_that_waits_for_something_else_keeps_its_prices(world: World, code: str) -> None:
    _waiting(world, code)
    _bid(world, {"A": 100, "B": 5_600, "C": 5_500})
    assert (_assess_twice(world), ExitRequest.objects.count()) == (0, 1)


def test_a_person_who_accepted_the_advice_names_new_prices_himself(world: World) -> None:
    _waiting(world)
    ExitRequest.objects.update(actor="kim")
    _bid(world, {"A": 100, "B": 5_600, "C": 5_500})
    assert (_assess_twice(world), ExitRequest.objects.count()) == (0, 1)
    row = Recommendation.objects.get(status="open", reason="sell_beats_every_outcome")
    assert advice.accept(row.pk, actor="kim")
    assert [one.actor for one in ExitRequest.objects.order_by("pk")] == ["kim", "kim"]


def test_newer_advice_that_another_person_accepts_does_not_replace_a_persons(world: World) -> None:
    _waiting(world)
    ExitRequest.objects.update(actor="kim")
    _bid(world, {"A": 100, "B": 5_600, "C": 5_500})
    _assess_twice(world)
    assert advice.accept(Recommendation.objects.get(status="open", reason="sell_beats_every_outcome").pk, actor="lee")
    assert [one.actor for one in ExitRequest.objects.order_by("pk")] == ["kim"]


def test_an_exit_ends_once_its_reason_has_gone(world: World) -> None:
    _waiting(world)
    _bid(world, {"A": 100, "B": 5_000, "C": 4_500})
    assert _assess_twice(world) == 0
    request = ExitRequest.objects.get()
    assert request.status == "cancelled"
    assert request.result == "withdrawn by triage: sell_beats_every_outcome is no reason any more"


@pytest.mark.parametrize("blind", ["silent", "no_bids"])
def test_an_exit_whose_reason_cannot_be_seen_goes_on(world: World, blind: str) -> None:
    _waiting(world)
    _bid(world, {"A": 100, "B": 5_000, "C": 4_500})
    if blind == "silent":
        world.silence()
    else:
        world.books = {letter: ([], no) for letter, (_, no) in world.books.items()}
        world.publish()
    assert _assess_twice(world) == 0
    assert ExitRequest.objects.get().status == "open"


def test_what_a_person_requested_is_neither_assessed_nor_ended(world: World) -> None:
    _waiting(world)
    ExitRequest.objects.update(source="person", actor="kim")
    assert agent.open_position_ids() == []
    assert _assess_twice(world) == 0
    assert ExitRequest.objects.get().status == "open"
