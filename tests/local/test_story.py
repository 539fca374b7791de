"""The demo's operator and the story it is part of, on rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from kalbot.local import story
from tests.triage.world import World, make_profile
from trading.models import ExitRequest, Position
from triage import agent
from triage.models import Recommendation


@pytest.fixture
def world(redis_db: Any) -> World:
    return World(redis_db)


def advised(world: World, gain: int, kind: str = "coverage", name: str = "coverage") -> Recommendation:
    position = world.hold(
        make_profile(name=name), world.list_event(), {"A": "yes", "B": "yes"}, kind=kind, cost=7_800_000
    )
    world.publish()
    agent.assess_positions([position.pk])
    row = Recommendation.objects.create(
        position=position,
        reason="source_sell_beats_hold:nws",
        source="nws",
        advice="exit",
        detail="it turned",
        gain=gain,
    )
    Recommendation.objects.filter(pk=row.pk).update(opened_at=clock.now() - timedelta(seconds=5))
    return row


@pytest.mark.django_db
def test_the_operator_accepts_what_is_worth_it_after_the_pause_and_once(world: World) -> None:
    row = advised(world, 2_000_000)
    assert story.operate(pause_seconds=60) == []
    [line] = story.operate(pause_seconds=2)
    assert "it turned" in line
    row.refresh_from_db()
    assert (row.status, row.actor) == ("accepted", story.OPERATOR)
    request = ExitRequest.objects.get()
    assert (request.position_id, request.actor, request.source) == (row.position_id, story.OPERATOR, "triage")
    assert story.operate(pause_seconds=2) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("gain", "kind"), [(200_000, "coverage"), (5_000_000, "all_yes")])
def test_the_operator_leaves_noise_and_guaranteed_baskets_alone(world: World, gain: int, kind: str) -> None:
    advised(world, gain, kind)
    assert story.operate(pause_seconds=0) == []
    assert not ExitRequest.objects.exists()


@pytest.mark.django_db
def test_the_story_counts_its_chapters_and_names_the_missing_one(world: World) -> None:
    assert story.story()["missing"] == "not yet: a coverage position was assessed"
    row = advised(world, 2_000_000)
    assert story.story()["missing"] == "not yet: the exit was accepted"
    story.operate(pause_seconds=0)
    assert story.story()["missing"] == "not yet: the position was left"
    Position.objects.update(status="closed", proceeds=6_000_000)
    assert "not complete (4 of 5 chapters)" in story.in_words(story.story())
    assert story.lacks_only_its_score(2 * 86_400)
    assert not story.lacks_only_its_score(60)
    score = {"held": 0, "left": 6_000_000, "difference": 6_000_000}
    Recommendation.objects.filter(pk=row.pk).update(score=score, scored_at=clock.now())
    outcome = story.triage()
    assert (outcome["accepted"], outcome["scored"], outcome["story"]["missing"]) == (1, 1, "")
    assert "leaving gained $6.00" in story.in_words(outcome["story"])
    assert not story.lacks_only_its_score(2 * 86_400)
