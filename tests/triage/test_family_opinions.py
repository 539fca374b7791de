"""The quotes of a whole family as a source: on trial, frozen beside the market, silent with its reason, and what ends a gate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache as process_cache

from kalbot.common import cache, clock
from markets.catalogue import families
from markets.models import Event, Market, Watch
from markets.prices import EVENT_KEY
from strategies.cycle import estimates, event_cache
from strategies.models import FamilyGate
from tests.strategies.families import coins
from tests.strategies.families.coins import FAMILY
from tests.triage.world import World, make_profile
from trading.models import Position
from triage import agent
from triage.assessment import family_opinions
from triage.learning import learn
from triage.models import Assessment, SourceForecast
from triage.scoring import family_gates
from triage.scoring.forecasts import evidence_of
from triage.sources import registry

MIDDLE = ("between5420054299.99", "between5430054399.99")
WIDE = [(1, 10), (15, 44), (36, 44), (2, 50)]
NARROW = [(97, 98), (52, 55), (8, 10)]


@pytest.fixture
def position(world: World, settings: Any) -> Position:
    """A bet on both ranges in the middle."""
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    coins.add_coins(hours=8)
    families.refresh()
    estimates.forget()
    event_cache.forget()
    coins.quote("KXBTC-1", WIDE)
    coins.quote("KXBTCD-1", NARROW)
    world.name = "KXBTC-1"
    event = Event.objects.select_related("series").get(pk="KXBTC-1")
    return world.hold(make_profile(), event, dict.fromkeys(MIDDLE, "yes"), kind="coverage", cost=8_800_000)


def line_of(position: Position) -> dict[str, Any]:
    """What the family's line of a new assessment says."""
    run = agent.assess_positions([position.pk], trigger="person")
    assert (run.positions, run.failed) == (1, 0)
    (line,) = [row for row in Assessment.objects.latest("pk").sources if row["source"] == registry.FAMILY]
    return dict(line)


def settled(number: int, family: float, market: float, *, days: int = 1, lead: int = 6) -> SourceForecast:
    """A first estimate of an event that has settled, formed ``number * days`` days from now."""
    event = Event.objects.create(
        ticker=f"KXBTC-OLD{number}", series_id="KXBTC", title="", mutually_exclusive=True, is_open=False
    )
    at = clock.now() + timedelta(days=number * days, minutes=1)
    return SourceForecast.objects.create(
        source=registry.FAMILY,
        event=event,
        formed_at=at,
        probabilities={"A": family, "B": 1 - family},
        market_probabilities={"A": market, "B": 1 - market},
        learned={"category": "Crypto", "lead": lead},
        outcome="A",
        settled_at=at + timedelta(hours=2),
    )


def test_it_is_on_trial_and_its_first_estimate_is_frozen_beside_the_market(position: Position) -> None:
    line = line_of(position)
    assert not line["opinion"]
    assert line["detail"] == "on trial: evidence 1.00, it speaks from 20 on"
    row = SourceForecast.objects.get()
    assert (row.source, row.event_id) == (registry.FAMILY, "KXBTC-1")
    assert row.learned == {"family": FAMILY, "category": "Crypto", "lead": 6}
    middle = [f"KXBTC-1-{one}" for one in MIDDLE]
    assert sum(row.probabilities[ticker] for ticker in middle) > 0.75
    assert sum(row.market_probabilities[ticker] for ticker in middle) < 0.72
    assert sum(row.probabilities.values()) == pytest.approx(sum(row.market_probabilities.values()), abs=1e-5)


def test_it_speaks_once_its_own_record_has_earned_it_whatever_the_gate_of_coverage_is(position: Position) -> None:
    for number in range(1, 12):
        settled(number, 0.9, 0.3)
    assert evidence_of(registry.FAMILY) > 20
    line = line_of(position)
    assert line["opinion"]
    assert line["detail"] == f"the quotes of {FAMILY} together"
    market = Assessment.objects.latest("pk").probabilities
    assert line["probabilities"][f"KXBTC-1-{MIDDLE[0]}"] > market[f"KXBTC-1-{MIDDLE[0]}"] + 0.05
    assert line["coverage_ppm"] > (Assessment.objects.latest("pk").coverage_ppm or 0)
    process_cache.clear()
    SourceForecast.objects.all().delete()
    assert not line_of(position)["opinion"]


def test_a_sibling_without_prices_is_silence_with_its_reason(position: Position) -> None:
    cache.prices().delete(EVENT_KEY + "KXBTCD-1")
    line = line_of(position)
    assert not line["opinion"]
    assert "a market without a live book (KXBTCD-1)" in line["detail"]
    assert not SourceForecast.objects.exists()


@pytest.mark.parametrize("change", ["no family", "left out"])
def test_without_family_or_when_it_is_left_out_there_is_no_line(position: Position, settings: Any, change: str) -> None:
    if change == "no family":
        Event.objects.filter(is_family=True).update(is_open=False)
    else:
        settings.TRIAGE_SOURCES = "nws"
    agent.assess_positions([position.pk], trigger="person")
    assert Assessment.objects.latest("pk").sources == []


def test_its_name_may_be_listed(settings: Any) -> None:
    settings.TRIAGE_SOURCES = "nws,family"
    assert registry.unknown_names() == frozenset()


def test_the_books_of_the_families_of_what_is_held_are_watched(position: Position, settings: Any) -> None:
    family_opinions.watch()
    kept = Watch.objects.filter(source=family_opinions.WATCH)
    assert set(kept.values_list("event_id", flat=True)) == {"KXBTCD-1"}
    settings.TRIAGE_SOURCES = ""
    family_opinions.watch()
    assert not kept.exists()
    settings.TRIAGE_SOURCES = "all"
    Position.objects.filter(pk=position.pk).update(status="settled", ended_at=clock.now())
    family_opinions.watch()
    assert not kept.exists()


@pytest.mark.alike
def test_a_gate_ends_with_what_settles_after_it_and_opens_again(position: Position) -> None:
    gate = FamilyGate.objects.create(category="Crypto", lead_hours=6, e_value=30.0, events=400)
    other = FamilyGate.objects.create(category="Crypto", lead_hours=12, e_value=30.0, events=400)
    assert family_gates.refresh() == 0
    before = settled(20, 0.1, 0.9)
    SourceForecast.objects.filter(pk=before.pk).update(formed_at=gate.made_at - timedelta(days=1))
    assert family_gates.refresh() == 0, "what was there before the gate is not counted"
    settled(1, 0.2, 0.8)
    assert family_gates.refresh() == 1
    gate.refresh_from_db()
    other.refresh_from_db()
    assert gate.ended_at is not None
    assert gate.later_events == 1
    assert gate.later_e_value == pytest.approx(0.625)
    assert gate.evidence == pytest.approx(30 * 0.625)
    assert (other.ended_at, other.later_events) == (None, 0)
    ended_at = gate.ended_at
    assert family_gates.refresh() == 0
    gate.refresh_from_db()
    assert gate.ended_at == ended_at
    settled(3, 0.9, 0.3)
    assert family_gates.refresh() == 1
    gate.refresh_from_db()
    assert gate.ended_at is None
    assert gate.evidence == pytest.approx(30 * 0.625 * 2)


def test_what_is_scored_after_settlement_ends_a_gate(position: Position) -> None:
    """By the path that settlements take: the event settles on what the family gave less."""
    gate = FamilyGate.objects.create(category="Crypto", lead_hours=6, e_value=20.5, events=400)
    FamilyGate.objects.update(made_at=clock.now() - timedelta(hours=1))
    line_of(position)
    last = "KXBTC-1-greater54399.99None"
    Market.objects.filter(event="KXBTC-1").update(status="finalized", result="no")
    Market.objects.filter(pk=last).update(result="yes")
    learn.run()
    gate.refresh_from_db()
    assert SourceForecast.objects.get().outcome == last
    assert gate.later_events == 1
    assert gate.ended_at is not None
