"""Subjects other than weather: each behind the one protocol, scored beside the market, silent until it has beaten it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from django.core.cache import cache as process_cache

from kalbot.common import clock
from tests.triage.stub import Weather, serving
from tests.triage.world import World, make_profile
from triage import agent
from triage.evidence import coins, subjects
from triage.models import Assessment, SourceForecast
from triage.scoring import trial
from triage.sources import registry, scoreclock
from triage.sources.coinprice import CoinPrice, published_spread
from triage.sources.fetch import PoliteClient
from triage.sources.protocol import EventFacts, Listing, NoOpinion, Opinion, Report, Snapshot, Subject

RULE = (
    "If the simple average of the sixty seconds of CF Benchmarks' Bitcoin Real-Time Index (BRTI) before 5 PM EDT is {} at 5 PM EDT "
    "on Jul 16, 2026, then the market resolves to Yes."
)
RANGES = (
    ("L", "less", "", "64600", "below 64600"),
    ("M", "between", "64600", "64699.99", "between 64600-64699.99"),
    ("H", "greater", "64699.99", "", "above 64699.99"),
)
NOW = int(datetime(2026, 7, 16, 20, 50, tzinfo=UTC).timestamp() * 1000)
EVENT = EventFacts(
    "KXBTC-26JUL1617",
    "KXBTC",
    "Bitcoin price range",
    tuple(Listing(name, kind, floor, cap, RULE.format(words)) for name, kind, floor, cap, words in RANGES),
    (),
    close_ms=NOW + 10 * 60_000,
)


def test_a_coin_s_price_is_widened_by_the_minutes_left(db: None) -> None:
    source = CoinPrice()
    subject = source.subject(EVENT)
    assert subject == Subject("BTC")
    near = source.opine(replace(EVENT, close_ms=NOW + 60_000), subject, Snapshot(NOW, NOW, {"price": 64650.0}), NOW)
    far = source.opine(EVENT, subject, Snapshot(NOW, NOW, {"price": 64650.0}), NOW)
    assert isinstance(near, Opinion)
    assert isinstance(far, Opinion)
    assert sum(far.probabilities.values()) == pytest.approx(1.0)
    assert near.probabilities["M"] > far.probabilities["M"] > 0.2
    assert far.point is not None
    assert (far.point.subject, far.point.issued_ms) == ("index/BTC", NOW)
    assert far.point.published_spread == pytest.approx(published_spread(64650.0, 10))


@pytest.mark.parametrize(
    ("event", "now_ms", "reason"),
    [
        (EVENT, NOW + 3 * 60_000, "min old"),
        (replace(EVENT, close_ms=NOW), NOW, "over or too far"),
        (replace(EVENT, close_ms=NOW + 7 * 3_600_000), NOW, "over or too far"),
        (replace(EVENT, listings=(*EVENT.listings, EVENT.listings[1])), NOW, "not disjoint"),
    ],
)
def test_an_old_price_a_far_hour_or_overlapping_ranges_are_no_opinion(
    event: EventFacts, now_ms: int, reason: str, db: None
) -> None:
    said = CoinPrice().opine(event, Subject("BTC"), Snapshot(NOW, NOW, {"price": 64650.0}), now_ms)
    assert isinstance(said, NoOpinion)
    assert reason in said.reason


@pytest.mark.parametrize(
    "rule",
    [
        "",
        RULE.format("below 64600").replace("Bitcoin Real-Time Index (BRTI)", "Ethereum Real-Time Index (ERTI)"),
        RULE.format("below 64600").replace("CF Benchmarks'", "Coinbase's"),
        RULE.format("below 64600") + " Coinbase is used where the index is late.",
    ],
)
def test_rules_of_another_index_are_not_covered(rule: str) -> None:
    event = replace(EVENT, listings=(replace(EVENT.listings[0], rules=rule), *EVENT.listings[1:]))
    assert isinstance(CoinPrice().subject(event), NoOpinion)


def test_a_ticker_is_fetched_with_the_exchange_s_own_time(settings: Any, redis_db: object) -> None:
    ticker = {"price": "64650.10", "bid": "64650.00", "ask": "64650.20", "time": "2026-07-16T20:49:58.832483371Z"}
    weather = Weather(NOW, lambda ms: 70.0, extra={"/products/BTC-USD/ticker": ticker})
    with serving(weather) as base:
        settings.COINPRICE_URL = base
        snapshot = CoinPrice().fetch(Subject("BTC"), PoliteClient(5), NOW)
    assert snapshot.data == {"price": 64650.1}
    assert snapshot.as_of_ms == NOW - 2_000 + 832


def test_a_source_on_trial_is_frozen_and_scored_but_not_heard_until_its_record_is_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = world.list_event()
    position = world.hold(make_profile(), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000)
    world.publish()
    chances = {world.ticker("A"): 0.1, world.ticker("B"): 0.1, world.ticker("C"): 0.8}
    line = Report("coinprice", Opinion(chances, clock.now_ms(), "a price"), "", 5)
    monkeypatch.setattr(registry, "reports", lambda events, now_ms: {world.name: [line]})
    agent.assess_positions([position.pk])
    [row] = Assessment.objects.get().sources
    assert not row["opinion"]
    assert "on trial: evidence 1.00" in row["detail"]
    assert SourceForecast.objects.get().source == "coinprice"
    assert not position.recommendations.filter(source="coinprice").exists()
    process_cache.set("triage-evidence-coinprice", 25.0, 60)
    assert trial.silence({world.name: [line]}) == {world.name: [line]}


def test_a_configured_feed_can_be_on_trial(tmp_path: Path, settings: Any) -> None:
    feed = {
        "name": "winprob",
        "series": ["KXNBAGAME"],
        "url": "https://desk.example/{event}.json",
        "as_of": "/made",
        "probabilities": "/win",
    }
    file = tmp_path / "feeds.json"
    file.write_text(json.dumps([feed, feed | {"name": "other", "on_trial": True}]))
    settings.TRIAGE_JSON_FEEDS = str(file)
    assert registry.on_trial() == {"coinprice", "scoreclock", "family", "other"}


def test_a_lead_is_worth_more_the_less_time_is_left() -> None:
    assert scoreclock.win_probability(0, 2880, scoreclock.strength_of(0.6)) == pytest.approx(0.6)
    early, late = scoreclock.win_probability(6, 2000, 0), scoreclock.win_probability(6, 120, 0)
    assert 0.5 < early < late < 1
    assert scoreclock.win_probability(-6, 120, 0) == pytest.approx(1 - late)
    assert [scoreclock.win_probability(lead, 0, 9) for lead in (-1, 0, 1)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("period", "clock_text", "left"),
    [
        (1, "11:36", 2856.0),
        (4, "0.0", 0.0),
        (5, "5:00", 300.0),
        (4, "13:00", None),
        (0, "1:00", None),
        (2, "", None),
        (2, "x:10", None),
    ],
)
def test_a_clock_is_read_or_refused(period: int, clock_text: str, left: float | None) -> None:
    assert scoreclock.seconds_left(period, clock_text) == left


@pytest.mark.shared
def test_on_recorded_coins_and_games_the_market_is_not_beaten_and_learning_helps(shared: Path) -> None:
    roots = [shared / "recorded", shared / "recorded2"]
    scored = coins.run(coins.passes(roots))
    by_name = {
        name: [x.log_score for x in scored if x.name == name and x.coin == "BTC"]
        for name in ("plain", "learned", "market")
    }
    assert len(by_name["market"]) > 200
    assert mean(by_name["market"]) < mean(by_name["learned"]) < mean(by_name["plain"])
    table = subjects.markdown([shared / "recorded2"])
    assert "| basketball, 12 min left | market | 149 |" in table
    assert table.count("| market |") >= 5
