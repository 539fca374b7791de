"""When advice becomes an exit by itself: never by default, and only behind every one of its conditions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache as process_cache

from kalbot.common import clock
from tests.triage.world import World, make_profile
from trading.closing import exits
from trading.denials import DenialCode, Refusal
from trading.models import ExitRequest, Position
from triage import advice, agent
from triage.assessment.assess import Assessed
from triage.models import Recommendation
from triage.policy import ExitProposal, refusal
from triage.sources import registry
from triage.sources.protocol import EventFacts, Opinion, Report

HOUR = timedelta(hours=1)
FREE = ExitProposal(
    policy="any",
    source="market",
    gain=2_000_000,
    complete=True,
    opted_out=False,
    held_for=HOUR,
    stood_for=HOUR,
    min_gain=500_000,
    min_hold=timedelta(seconds=60),
    evidence=0.0,
    needed_evidence=20.0,
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"policy": "advise"}, "advise only"),
        ({"opted_out": True}, "opted out"),
        ({"held_for": timedelta(seconds=59)}, "held for 59 s"),
        ({"complete": False}, "not all of it"),
        ({"gain": 499_999}, "the least is $0.50"),
        ({"gain": None}, "unknown"),
        ({"source": "nws", "policy": "market", "evidence": 99.0}, "market reasons only"),
        ({"source": "nws", "evidence": 19.99}, "evidence for nws is 19.99"),
        ({"stood_for": timedelta(seconds=1)}, "second assessment"),
    ],
)
def test_every_condition_alone_stops_an_exit(changes: dict[str, Any], says: str) -> None:
    assert says in (refusal(replace(FREE, **changes)) or "")


def test_nothing_stops_an_exit_that_meets_them_all() -> None:
    assert refusal(FREE) is None
    assert refusal(replace(FREE, policy="market")) is None
    assert refusal(replace(FREE, source="nws", evidence=20.0)) is None
    assert refusal(replace(FREE, gain=-100, min_gain=-200)) is None


def rich(world: World, **profile: Any) -> Position:
    """A basket whose legs can be sold for more than it can ever pay."""
    world.books = {letter: ([(4200, 9000)], [(5000, 9000)]) for letter in "ABC"}
    event = world.list_event()
    position = world.hold(make_profile(**profile), event, dict.fromkeys("ABC", "yes"), kind="all_yes", cost=9_000_000)
    world.publish()
    return position


def confirmed() -> None:
    """The recommendations that stand were opened a minute ago."""
    Recommendation.objects.update(opened_at=clock.now() - timedelta(minutes=1))


def test_by_default_nothing_is_sold(world: World) -> None:
    position = rich(world)
    agent.assess_positions([position.pk])
    confirmed()
    assert agent.assess_positions([position.pk]).exits == 0
    assert Recommendation.objects.get(reason="sell_beats_every_outcome").status == "open"
    assert not ExitRequest.objects.exists()


def test_a_market_reason_exits_once_it_is_confirmed_through_the_one_exit_path(world: World) -> None:
    position = rich(world, triage_policy="market")
    assert agent.assess_positions([position.pk]).exits == 0
    assert "second assessment" in Recommendation.objects.get(reason="sell_beats_every_outcome").policy
    confirmed()
    assert agent.assess_positions([position.pk]).exits == 1
    request = ExitRequest.objects.get()
    assert (request.position_id, request.source, request.actor) == (position.pk, "triage", "triage")
    assert "sell_beats" in request.reason
    taken = Recommendation.objects.get(status="accepted")
    assert (taken.actor, taken.advice) == ("triage", "exit")
    assert agent.assess_positions([position.pk]).exits in (0, 1)
    assert ExitRequest.objects.count() == 1


def test_an_opted_out_position_is_advised_and_never_sold(world: World) -> None:
    position = rich(world, triage_policy="any")
    Position.objects.update(triage_opt_out=True)
    agent.assess_positions([position.pk])
    confirmed()
    assert agent.assess_positions([position.pk]).exits == 0
    assert "opted out" in Recommendation.objects.get(reason="sell_beats_every_outcome").policy


def test_a_position_that_trading_would_not_exit_is_not_requested(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    position = rich(world, triage_policy="any")
    agent.assess_positions([position.pk])
    confirmed()
    monkeypatch.setattr(exits, "why_not", lambda position: Refusal(DenialCode.STILL_BUYING))
    run = agent.assess_positions([position.pk])
    assert (run.exits, run.failed) == (0, 0)
    row = Recommendation.objects.get(reason="sell_beats_every_outcome")
    assert (row.status, row.policy) == ("open", DenialCode.STILL_BUYING.sentence)


def test_a_source_needs_its_evidence_before_it_may_sell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    event = world.list_event()
    profile = make_profile(triage_policy="any", coverage_threshold_ppm=700_000)
    position = world.hold(
        profile, event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000, coverage_ppm=800_000
    )
    world.publish()

    def said(events: Any, now_ms: int) -> dict[str, list[Report]]:
        found: list[EventFacts] = list(events)
        opinion = Opinion({world.ticker("A"): 0.05, world.ticker("B"): 0.05, world.ticker("C"): 0.9}, now_ms, "a front")
        return {facts.ticker: [Report("oracle", opinion, "", 0)] for facts in found}

    monkeypatch.setattr(registry, "reports", said)
    process_cache.clear()
    agent.assess_positions([position.pk])
    confirmed()
    assert agent.assess_positions([position.pk]).exits == 0
    assert "evidence for oracle is 1.00, it needs 20.00" in Recommendation.objects.get(source="oracle").policy
    process_cache.set("triage-evidence-oracle", 25.0, 60)
    assert agent.assess_positions([position.pk]).exits == 1
    process_cache.clear()


def test_accepting_advice_asks_for_the_exit_once(world: World) -> None:
    position = rich(world)
    agent.assess_positions([position.pk])
    row = Recommendation.objects.get(reason="sell_beats_every_outcome")
    assert advice.accept(row.pk, actor="kim", reason="take it")
    assert not advice.accept(row.pk, actor="lee")
    request = ExitRequest.objects.get()
    assert (request.actor, request.reason, request.source) == ("kim", "take it", "triage")


def test_a_request_that_trading_refuses_leaves_the_advice_open(world: World) -> None:
    position = rich(world)
    agent.assess_positions([position.pk])
    row = Recommendation.objects.get(reason="sell_beats_every_outcome")
    Position.objects.update(status="settled")
    with pytest.raises(ValueError):
        advice.accept(row.pk, actor="kim")
    row.refresh_from_db()
    assert row.status == "open"


def test_the_result_type_has_no_default_advice() -> None:
    with pytest.raises(TypeError):
        Assessed()  # type: ignore[call-arg]
