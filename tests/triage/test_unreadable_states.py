"""Stored settlement states that cannot be read say nothing about their own event, and cost no other its assessment."""

from __future__ import annotations

from typing import Any

import pytest

from markets.models import Certificate
from strategies.models import Kind
from tests.triage.world import World, make_profile
from trading.models import Position
from triage import agent
from triage.models import Assessment

UNREADABLE: list[Any] = [{"format": 99}, {"format": 1, "outcomes": ["A"]}, {"states": "torn"}, ["a list"]]


def _held(world: World, name: str) -> Position:
    world.name = name
    event = world.list_event()
    found = world.hold(
        make_profile(name), event, dict.fromkeys("ABC", "yes"), kind="all_yes", cost=9_000_000, grade="guaranteed"
    )
    world.publish()
    return found


@pytest.mark.parametrize("stored", UNREADABLE)
def test_a_certificate_that_cannot_be_read_leaves_only_its_own_event_unknown(
    world: World, stored: Any, caplog: pytest.LogCaptureFixture
) -> None:
    good, torn = _held(world, "KXGOOD-1"), _held(world, "KXTORN-1")
    Certificate.objects.filter(event=torn.event_id).update(states=stored)
    run = agent.assess_positions([good.pk, torn.pk])
    assert (run.positions, run.failed) == (2, 0)
    floors = {row.position_id: row.floor for row in Assessment.objects.all()}
    assert floors == {good.pk: 10_000_000, torn.pk: 0}, "whatever may be settled, nothing is promised"
    assert "the settlement states of KXTORN-1 cannot be read" in caplog.text


@pytest.mark.parametrize("stored", [[], [{"format": 99}]])
def test_a_basket_across_events_without_readable_states_may_settle_at_any_price(world: World, stored: Any) -> None:
    good, torn = _held(world, "KXGOOD-1"), _held(world, "KXTORN-1")
    Position.objects.filter(pk=torn.pk).update(kind=Kind.FAMILY, states=stored)
    run = agent.assess_positions([good.pk, torn.pk])
    assert (run.positions, run.failed) == (2, 0)
    row = Assessment.objects.get(position=torn)
    assert (row.floor, row.best, row.hold_expected) == (0, 30_000_000, None)
