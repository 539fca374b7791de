"""Baskets across events: sold now against the least and the most that any value may still pay, and what a person should check."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets.models import Event, Market
from tests.trading import families, world
from tests.trading.twin import Twin
from trading.execution import executor
from trading.models import Position
from triage import agent
from triage.models import Assessment, Recommendation
from triage.scoring import advice_scores

Pair = tuple[Twin, Twin]
BOUGHT = 100 * world.DOLLAR // 10
"""What ten sets pay at least."""


@pytest.fixture
def held(db: None, redis_db: object) -> tuple[Position, Pair]:
    world.active()
    world.exchange_open()
    pair = families.pair()
    owner = world.add_profile("families", mode="sim", kinds=["family"])
    position = executor.execute(families.decide(owner, *pair).pk)
    assert position is not None
    assert position.status == "open"
    return position, pair


def assessed(position: Position) -> Assessment:
    run = agent.assess_positions([position.pk])
    assert (run.positions, run.failed) == (1, 0)
    return Assessment.objects.latest("pk")


def test_it_is_held_while_a_sale_brings_less_than_it_may_pay(held: tuple[Position, Pair]) -> None:
    position, _ = held
    row = assessed(position)
    assert (row.advice, row.floor, row.best) == ("hold", BOUGHT, 2 * BOUGHT)
    assert row.sell_now is not None
    assert row.hold_expected is None, "no price says which value it will be"
    assert {sale["ticker"] for sale in row.sale_legs} == set(position.legs.values_list("market_id", flat=True))


def test_a_sale_that_beats_every_value_is_advised(held: tuple[Position, Pair]) -> None:
    position, (ranges, thresholds) = held
    low, middle, _ = ranges.markets
    for twin, ticker in ((ranges, low), (ranges, middle), (thresholds, thresholds.markets[1])):
        twin.cancel_makers(ticker, "bid")
        twin.cancel_makers(ticker, "ask")
        twin.quote(ticker, "bid", 9_000, 5_000)
        twin.quote(ticker, "ask", 9_900, 5_000)
    families.sync(ranges, thresholds)
    row = assessed(position)
    assert row.advice == "exit"
    assert Recommendation.objects.get().reason == "sell_beats_every_outcome"


def test_what_settled_leaves_only_the_values_that_agree(held: tuple[Position, Pair]) -> None:
    position, (ranges, thresholds) = held
    Market.objects.filter(pk=ranges.markets[0]).update(status="determined", result="no")
    Market.objects.filter(pk=thresholds.markets[1]).update(status="determined", result="no")
    row = assessed(position)
    assert (row.floor, row.best) == (BOUGHT, BOUGHT)


@pytest.mark.parametrize("change", ["rules", "paused", "silent"])
def test_what_a_person_should_check_is_said(held: tuple[Position, Pair], change: str) -> None:
    position, (ranges, thresholds) = held
    assessed(position)
    if change == "rules":
        Event.objects.filter(pk="KXT-2").update(rules_hash="other")
        Market.objects.filter(pk=thresholds.markets[0]).update(rules_primary="Another rule.")
    elif change == "paused":
        Market.objects.filter(pk=ranges.markets[1]).update(status="inactive")
    else:
        world.publish("KXT-2", thresholds.books(), lease=None)
    row = assessed(position)
    assert row.advice == "watch"
    said = {signal["code"] for signal in row.signals}
    assert {"rules": "rules_changed", "paused": "leg_paused", "silent": "feed_silent"}[change] in said


def test_advice_that_waits_for_the_settlement_of_its_legs_stands_in_nobodys_way(held: tuple[Position, Pair]) -> None:
    """A family has no markets of its own: its legs say what is undecided."""
    position, (ranges, thresholds) = held
    legs = [[leg.market_id, leg.side, leg.bought_count] for leg in position.legs.all()]
    for reason in ("one", "other"):
        Recommendation.objects.create(
            position=position, reason=reason, advice="watch", status="lapsed", detail="", opening={"legs": legs}
        )
    with CaptureQueriesContext(connection) as queries:
        assert advice_scores.score_settled(limit=1) == 0
    assert len(queries) < 3, "nothing waits, so no value is looked up"
    Market.objects.filter(event__in=[ranges.row, thresholds.row]).update(result="no")
    assert advice_scores.score_settled(limit=1) == 1
