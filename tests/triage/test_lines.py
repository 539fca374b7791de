"""Between two scheduled runs: assessments that cannot wait."""

from __future__ import annotations

import pytest

from kalbot.common import clock
from kalbot.console.ops import schedules
from markets.models import ExchangeMessage
from tests.triage.world import World, make_profile
from trading.models import Position
from triage import agent, tasks
from triage.assessment import triggers
from triage.models import Assessment
from triage.sources import refresh
from triage.sources.refresh import Refreshed


def basket(world: World) -> Position:
    event = world.list_event()
    profile = make_profile(coverage_threshold_ppm=780_000)
    return world.hold(profile, event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000, coverage_ppm=800_000)


def test_a_position_is_due_when_it_crosses_the_line_or_moves_far(world: World) -> None:
    position = basket(world)
    world.publish()
    assert triggers.crossed([position.pk]) == [position.pk]  # never assessed
    agent.assess_positions([position.pk])
    assert triggers.crossed([position.pk]) == []
    world.books["C"] = ([(2100, 5000)], [(7600, 5000)])
    world.publish()
    assert triggers.crossed([position.pk]) == [position.pk]
    tasks.watch_lines()
    assert Assessment.objects.latest("pk").trigger == "price"
    assert triggers.crossed([position.pk]) == []
    world.silence()
    assert triggers.crossed([position.pk]) == []


def test_what_the_exchange_announces_about_an_event_with_a_position_is_assessed_at_once(world: World) -> None:
    position = basket(world)
    world.publish()
    agent.assess_positions([position.pk])

    def say(key: str, ticker: str) -> None:
        ExchangeMessage.objects.create(
            kind="lifecycle", key=key, market_ticker=ticker, payload={}, applied_at=clock.now()
        )

    say("first", world.ticker("A"))
    assert triggers.announced() == []  # the place in the inbox was not known
    say("other", "SOMETHING-ELSE")
    assert triggers.announced() == []
    say("mine", world.ticker("C"))
    assert triggers.announced() == [position.pk]
    assert triggers.announced() == []
    ExchangeMessage.objects.create(
        kind="event_lifecycle", key="e", payload={"event_ticker": world.name}, applied_at=clock.now()
    )
    tasks.watch_lines()
    assert triggers.announced() == []


def test_reading_the_lines_ends_with_its_time(world: World) -> None:
    position = basket(world)
    world.publish()
    assert triggers.crossed([position.pk], seconds=-1) == []
    assert triggers.coverage_position_ids() == [position.pk]


def test_both_periodic_tasks_are_scheduled() -> None:
    planned = {entry.task for entry in schedules.PLAN}
    assert {tasks.assess_positions.name, tasks.watch_lines.name} <= planned


def test_news_of_a_source_is_one_task_for_all_the_positions_it_is_about(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = world.list_event()
    positions = [
        world.hold(make_profile(name), event, {"A": "yes"}, kind="coverage", cost=1_000_000).pk
        for name in ("one", "two", "three")
    ]
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(refresh, "refresh", lambda seconds: Refreshed(fetched=1, events=[world.name]))
    monkeypatch.setattr(tasks, "_send", lambda name, *args, queue: sent.append((name, *args, queue)))
    tasks.refresh_sources()
    assert sent == [("triage.tasks.assess_batch", positions, "observation", "triage")]
    world.publish()
    tasks.assess_batch(positions, "observation")
    assert set(Assessment.objects.values_list("trigger", flat=True)) == {"observation"}
