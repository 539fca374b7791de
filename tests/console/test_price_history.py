"""Price history: watched events only, a point when something moved, nothing from dead or suspect books."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sample_markets
import time_machine
from django.urls import reverse

from kalbot.common import cache, clock
from kalbot.console import tasks
from kalbot.console.ops import price_history
from markets.models import Watch


def test_a_watched_event_gets_a_point_when_its_prices_move(sample: dict[str, Any]) -> None:
    event, unwatched = sample["events"][1], sample["events"][2]
    Watch.objects.create(event=event, source="near:careful")
    assert tasks.sample_prices() == 1
    assert tasks.sample_prices() == 0  # nothing moved
    market = event.markets.order_by("ticker")[2]
    type(market).objects.filter(pk=market.pk).update(yes_bid=3_000)
    sample_markets.publish(event)
    assert tasks.sample_prices() == 1
    assert [point.quotes[market.pk] for point in price_history.of(event.pk)] == [(2_900, 3_100), (3_000, 3_100)]
    assert price_history.of(unwatched.pk) == []


def test_a_price_history_is_cut_to_its_length(sample: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(price_history, "POINTS", 3)
    event = sample["events"][1]
    Watch.objects.create(event=event, source="near:careful")
    market = event.markets.order_by("ticker").first()
    for bid in (500, 600, 700, 800):
        type(market).objects.filter(pk=market.pk).update(yes_bid=bid)
        sample_markets.publish(event)
        tasks.sample_prices()
    assert [point.quotes[market.pk][0] for point in price_history.of(event.pk)] == [600, 700, 800]


def test_books_of_a_dead_connection_give_no_point(sample: dict[str, Any]) -> None:
    Watch.objects.create(event=sample["events"][1], source="near:careful")
    for key in cache.prices().scan_iter("*lease*"):
        cache.prices().delete(key)
    assert tasks.sample_prices() == 0


def test_the_events_page_plots_each_outcome_and_the_cost_of_all(sample: dict[str, Any], login: Any) -> None:
    shown = login("viewer").get(reverse("admin:markets_event_change", args=[sample["events"][0].pk])).context
    prices, sums = json.loads(shown["price_chart"]), json.loads(shown["sum_chart"])
    assert {one["label"] for one in prices["datasets"]} == set(sample_markets.DEGREES)
    assert prices["datasets"][0]["data"][-1] == {"x": 0, "y": 0.38}  # the costliest outcome
    assert sums["datasets"][0]["data"][-1]["y"] == 1.08  # six asks
    assert prices["datasets"][0]["data"][0]["x"] == pytest.approx(118, abs=2)  # minutes ago
    assert len(prices["datasets"][0]["data"]) == len(sums["datasets"][0]["data"]) == 61


def test_an_outcome_without_an_offer_has_no_price_and_no_sum(sample: dict[str, Any], login: Any) -> None:
    from kalbot.console.pages.strategy import event_story

    assert event_story.ask_of((400, None)) is None
    assert event_story.ask_of(None) is None
    assert event_story.cost_of_all(price_history.Point(1, {"A": (100, 300), "B": (100, None)}), ["A", "B"]) is None


def test_books_of_a_feed_that_is_silent_are_not_called_live(sample: dict[str, Any], login: Any) -> None:
    event = sample["events"][0]
    client, address = login("viewer"), reverse("admin:event_books", args=[event.pk])
    assert "Live, last proof of life" in client.get(address).content.decode()
    with time_machine.travel(clock.now() + timedelta(seconds=16), tick=False):
        part = client.get(address).content.decode()
    assert "not the prices of now" in part
    assert "Live," not in part
