"""What is learned from settled forecasts: robust, shrunk, never from the future; stored with the decision that used it."""

from __future__ import annotations

import dataclasses
import random
from datetime import UTC, datetime, timedelta
from statistics import mean, stdev
from typing import Any

import pytest

from kalbot.common import clock, messages
from markets.models import Market
from markets.terms.settled_value import Unit
from tests.triage.test_mapping import new_york
from tests.triage.world import World, make_profile
from triage import agent, tasks
from triage.learning import cells, learn, points
from triage.learning.current import current, forget
from triage.learning.estimator import DAY_MS, Level, Miss, estimate, pooled, predictive
from triage.learning.table import LearnedTable, Settled
from triage.learning.table import learn as learn_cells
from triage.learning.truth import truth_of
from triage.models import Assessment, LearnedErrors, PointForecast, SourceForecast
from triage.scoring.combination import NAME, Pair, learn_weights, loss, pool
from triage.sources import registry
from triage.sources.protocol import Opinion, Point, Report, Silence
from triage.weather.errors import forecast_error, learned_error, published_spread
from triage.weather.events import in_dispute

NOW = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000)


def misses(z: list[float], station: str = "KNYC", season: int = 2, hour: int = 0) -> list[Miss]:
    """One a day, the newest today."""
    days = len(z)
    return [Miss(station, season, hour, f"d{i}", NOW - (days - 1 - i) * DAY_MS, one) for i, one in enumerate(z)]


def test_without_a_record_nothing_is_added_to_the_published_spread() -> None:
    assert estimate([], "KNYC", 2, 0, NOW) == Level(0.0, 1.0, 0.0)


def test_a_week_moves_the_estimate_little_and_a_season_decides_it() -> None:
    week = estimate(misses([1.0] * 7), "KNYC", 2, 0, NOW)
    season = estimate(misses([1.0] * 90), "KNYC", 2, 0, NOW)
    assert 0.2 < week.bias < 0.8
    assert 0.9 < season.bias < 1.0
    assert season.spread < week.spread < 1.0


def test_a_broken_sensor_moves_no_more_than_a_bad_day() -> None:
    calm = [0.1, -0.1] * 15
    odd = estimate(misses([*calm, 60.0]), "KNYC", 2, 0, NOW)
    bad = estimate(misses([*calm, 4.0]), "KNYC", 2, 0, NOW)
    assert odd.bias == pytest.approx(bad.bias)
    assert odd.spread == pytest.approx(bad.spread)
    assert abs(odd.bias) < 0.15
    assert odd.spread < 1.0


def test_old_days_count_less() -> None:
    old = [Miss("KNYC", 2, 0, f"o{i}", NOW - (400 + i) * DAY_MS, -1.0) for i in range(60)]
    assert estimate([*old, *misses([1.0] * 30)], "KNYC", 2, 0, NOW).bias > 0.5


def test_nothing_is_learned_from_what_was_not_known_yet() -> None:
    future = [Miss("KNYC", 2, 0, "f", NOW + 1, 5.0)]
    assert estimate(future, "KNYC", 2, 0, NOW) == estimate([], "KNYC", 2, 0, NOW)
    row = settled(value=95.0, known_ms=NOW + 1)
    assert learn_cells([row], NOW) == {}


def test_a_station_without_days_starts_from_the_others_and_their_common_day_counts_once() -> None:
    others = [Miss(f"K{n}", 2, 0, f"d{day}", NOW, 1.0) for n in range(10) for day in range(3)]
    together = pooled(others, NOW)
    assert together.days == pytest.approx(3.0)
    assert estimate(others, "KNEW", 2, 0, NOW).bias == pytest.approx(together.bias)
    assert 0 < together.bias < 0.5


def test_what_the_bias_is_not_known_by_widens_the_forecast() -> None:
    assert predictive(Level(0.5, 1.0, 0.0))[1] > predictive(Level(0.5, 1.0, 50.0))[1] > 1.0


def test_the_estimator_finds_what_was_put_in() -> None:
    rng = random.Random(4)
    found = [estimate(misses([rng.gauss(0.8, 0.7) for _ in range(120)]), "KNYC", 2, 0, NOW) for _ in range(40)]
    assert mean(one.bias for one in found) == pytest.approx(0.8, abs=0.12)
    assert mean(one.spread for one in found) == pytest.approx(0.7, abs=0.12)
    assert stdev(one.bias for one in found) < 0.12


def test_an_unbiased_source_is_not_spoilt_by_learning() -> None:
    """Out of sample, the squared error after learning is worse by no more than a hundredth of the spread."""
    rng = random.Random(8)
    z = [rng.gauss(0.0, 1.0) for _ in range(250)]
    plain = [one**2 for one in z[20:]]
    after = [(one - estimate(misses(z[:i]), "KNYC", 2, 0, NOW).bias) ** 2 for i, one in enumerate(z) if i >= 20]
    assert mean(after) < mean(plain) + 0.02


@pytest.mark.parametrize(
    ("lead", "bucket"), [(0, "0-3"), (3, "3-6"), (35.99, "24-36"), (36, "36-48"), (119, "72-120"), (120, "120-")]
)
def test_every_lead_has_one_bucket(lead: float, bucket: str) -> None:
    assert cells.lead_bucket(lead) == bucket


def settled(**changes: Any) -> Settled:
    values: dict[str, Any] = {
        "source": "nws",
        "subject": "high/KNYC",
        "day": "26JUN30",
        "issued_ms": NOW - 40 * 3_600_000,
        "lead_hours": 16.0,
        "forecast": 84.0,
        "value": 86.0,
        "published_spread": 2.0,
        "known_ms": NOW - 3_600_000,
    }
    return Settled(**(values | changes))


def test_a_learned_error_is_used_at_its_own_source_lead_and_extreme_only() -> None:
    rows = [settled(day=f"d{i}", known_ms=NOW - i * DAY_MS) for i in range(60)]
    table = LearnedTable(7, learn_cells(rows, NOW))
    here = learned_error(table, "nws", "KNYC", "high", 16.0, NOW)
    assert here.version == 7
    assert here.bias > 0.5 * published_spread("nws", "high", 16.0)
    for other in (
        learned_error(table, "openmeteo", "KNYC", "high", 16.0, NOW),
        learned_error(table, "nws", "KNYC", "low", 16.0, NOW),
        learned_error(table, "nws", "KNYC", "high", 60.0, NOW),
    ):
        assert other.version == 0
    assert learned_error(table, "nws", "KNYC", "low", 16.0, NOW) == forecast_error("nws", "KNYC", "low", 16.0, 7)


ROWS: list[dict[str, Any]] = [
    {"ticker": "L", "result": "no", "expiration_value": "", "strike_type": "less", "floor_strike": "", "cap_strike": "83"},
    {"ticker": "M", "result": "yes", "expiration_value": "84.00", "strike_type": "between", "floor_strike": "83", "cap_strike": "84"},
    {"ticker": "H", "result": "no", "expiration_value": "84.00", "strike_type": "greater", "floor_strike": "84", "cap_strike": ""},
]  # fmt: off


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({1: {"expiration_value": "85.00"}, 2: {"expiration_value": "85.00"}}, "disputed"),
        ({1: {"expiration_value": "83.00"}}, "no_value"),
        ({1: {"expiration_value": ""}, 2: {"expiration_value": ""}}, "no_value"),
        ({1: {"expiration_value": "84. Although the report was late"}}, "no_value"),
        ({0: {"result": "yes"}}, "disputed"),
        ({2: {"result": "scalar"}}, "disputed"),
        ({2: {"strike_type": "custom"}}, "disputed"),
        ({2: {"floor_strike": "?"}}, "disputed"),
    ],
)
def test_a_value_is_a_truth_only_where_every_market_settled_by_it(
    changes: dict[int, dict[str, str]], problem: str
) -> None:
    truth = truth_of([row | changes.get(n, {}) for n, row in enumerate(ROWS)], Unit.FAHRENHEIT)
    assert (truth.value, truth.problem) == (84.0 if not problem else None, problem)


def said(event: str, issued_ms: int, value: float = 84.0, version: int = 0) -> dict[str, list[Report]]:
    chances = {"83": 0.3, "84": 0.4, "85": 0.3}
    point = Point("high/KNYC", "fahrenheit", value, issued_ms, 16.0, 2.0, 0.0, 2.0, version, chances)
    return {event: [Report("desk", Opinion({}, issued_ms, "", point=point))]}


def settle(world: World, value: str) -> None:
    """The world's event settled in outcome B (83 to 84), which the exchange says was because of ``value``."""
    strikes = {"A": ("less", "", "83"), "B": ("between", "83", "84"), "C": ("greater", "84", "")}
    for letter, (kind, floor, cap) in strikes.items():
        Market.objects.filter(ticker=world.ticker(letter)).update(
            result="yes" if letter == "B" else "no",
            status="finalized",
            expiration_value=value,
            strike_type=kind,
            floor_strike=floor,
            cap_strike=cap,
        )


def test_a_forecast_without_its_issue_time_is_not_stored(world: World) -> None:
    world.list_event()
    assert points.store(said(world.name, 0), clock.now_ms()) == 0
    assert points.store(said(world.name, NOW), clock.now_ms()) == 1
    assert points.store(said(world.name, NOW, value=90.0), clock.now_ms()) == 0
    assert PointForecast.objects.get().value == 84.0


def test_after_settlement_a_new_version_is_learned_and_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.list_event()
    points.store(said(world.name, NOW, value=80.0), clock.now_ms())
    assert points.waiting() == []
    settle(world, "84.00")
    run = learn.run()
    assert (run.settled, run.version) == (1, LearnedErrors.objects.get().pk)
    row = PointForecast.objects.get()
    assert (row.settled_on, row.problem) == (84.0, "")
    assert row.pit == pytest.approx(0.5)
    assert row.crps == pytest.approx(0.3**2 + 0.3**2)
    found = current()
    assert found.table.version == run.version
    assert learned_error(found.table, "desk", "KNYC", "high", 16.0, NOW).bias > 0
    assert learn.run().version == 0
    assert LearnedErrors.objects.count() == 1


def test_a_value_that_the_exchange_corrects_is_learned_from_as_corrected(world: World) -> None:
    world.list_event()
    points.store(said(world.name, NOW, value=80.0), clock.now_ms())
    settle(world, "84.00")
    first = learn.run()
    settle(world, "83.00")
    Market.objects.update(updated_at=clock.now())
    assert (learn.run().settled, [row.value for row in learn.settled_points()]) == (1, [83.0])
    row = PointForecast.objects.get()
    assert row.settled_on == 83.0
    assert row.pit == pytest.approx(0.15)
    assert LearnedErrors.objects.count() == 2
    assert LearnedErrors.objects.get(pk=first.version).cells != current().table.cells
    assert learn.run().version == 0
    settle(world, "90.00")  # outside of what won: nothing is known any more
    Market.objects.update(updated_at=clock.now())
    assert learn.run().settled == 1
    assert learn.settled_points() == []
    Market.objects.update(result="", expiration_value="", updated_at=clock.now())  # taken back
    assert learn.run().settled == 1
    assert points.waiting() == []
    settle(world, "83.00")
    assert learn.run().settled == 1
    assert [row.value for row in learn.settled_points()] == [83.0]


def test_what_waits_for_a_value_stands_in_no_other_s_way(world: World) -> None:
    for n, value in enumerate(("", "84.00", "")):
        world.name = f"KXTEST-26NOV{n + 1:02d}"
        world.list_event()
        points.store(said(world.name, NOW), clock.now_ms())
        settle(world, value)
    assert [row.event_id for row in points.waiting()] == [f"KXTEST-26NOV0{n}" for n in (2, 1, 3)]
    assert points.settle(points.waiting(limit=1)) == 1


def test_a_number_without_chances_is_judged_by_the_normal_distribution_that_was_applied(world: World) -> None:
    world.list_event()
    point = Point("index/BTC", "fahrenheit", 80.0, NOW, 0.5, 2.0, 2.0, 2.0, 1)
    points.store({world.name: [Report("coin", Opinion({}, NOW, "", point=point))]}, clock.now_ms())
    settle(world, "84.00")
    learn.run()
    row = PointForecast.objects.get()
    assert row.pit == pytest.approx(0.8413, abs=1e-4)
    assert row.crps == pytest.approx(2 * 0.60244, abs=1e-4)  # Gneiting's closed form at one spread


@pytest.mark.parametrize("figure", ["value", "lead_hours", "published_spread"])
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_a_figure_that_is_none_is_not_stored_and_teaches_nothing(figure: str, odd: float, world: World) -> None:
    world.list_event()
    report = said(world.name, NOW)[world.name][0]
    assert report.opinion is not None
    assert report.opinion.point is not None
    point = dataclasses.replace(report.opinion.point, **{figure: odd})  # type: ignore[arg-type]  # a name from the list above
    opinion = dataclasses.replace(report.opinion, point=point)
    assert points.store({world.name: [dataclasses.replace(report, opinion=opinion)]}, clock.now_ms()) == 0
    good = [settled(day=f"d{n}") for n in range(5)]
    name = {"value": "forecast"}.get(figure, figure)
    assert learn_cells([*good, settled(**{name: odd})], NOW) == learn_cells(good, NOW)


def test_a_forecast_without_any_spread_to_measure_by_teaches_nothing() -> None:
    assert learn_cells([settled(published_spread=0.0), settled(published_spread=-1.0)], NOW) == {}


@pytest.mark.parametrize("value", ["85.00", "eighty-four"])
def test_a_disputed_or_unreadable_value_teaches_nothing(world: World, value: str, settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    world.list_event()
    points.store(said(world.name, NOW), clock.now_ms())
    PointForecast.objects.update(formed_at=clock.now() - timedelta(days=20))
    settle(world, value)
    assert learn.run().settled == 1
    assert PointForecast.objects.get().problem in ("disputed", "no_value")
    assert LearnedErrors.objects.get().settled == 0
    assert learn.settled_points() == []


def test_the_schedule_sends_the_learning_task_when_something_has_settled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(messages, "send", lambda name, *args, **options: sent.append(name))
    world.list_event()
    points.store(said(world.name, NOW), clock.now_ms())
    tasks.assess_positions()
    assert tasks.learn_from_settled.name not in sent
    settle(world, "84.00")
    tasks.assess_positions()
    assert tasks.learn_from_settled.name in sent
    assert tasks.learn_from_settled()["version"] > 0


def pairs(n: int, skill: float, seed: int = 3) -> list[Pair]:
    """Events of three outcomes: the market is right on average, the source knows ``skill`` of what is still open."""
    rng = random.Random(seed)
    found = []
    for _ in range(n):
        lean = rng.uniform(-0.3, 0.3)
        truth = {"A": 0.4 + lean, "B": 0.3 - lean / 2, "C": 0.3 - lean / 2}
        noise = rng.uniform(-0.3, 0.3)
        source = {"A": 0.4 + skill * lean + (1 - skill) * noise, "B": 0.3, "C": 0.0}
        source["B"] = source["C"] = (1 - source["A"]) / 2
        winner = rng.choices(list(truth), list(truth.values()))[0]
        found.append(Pair({"s": source}, {"A": 0.4, "B": 0.3, "C": 0.3}, winner))
    return found


def test_a_source_that_knows_more_than_the_market_earns_a_weight_and_one_that_does_not_earns_none() -> None:
    skilled, noise = learn_weights(pairs(300, 1.0)), learn_weights(pairs(300, 0.0))
    assert skilled["s"] >= 0.5
    assert noise.get("s", 0.0) <= 0.2
    fresh = pairs(300, 1.0, seed=9)
    assert loss(fresh, skilled) < loss(fresh, {})
    assert learn_weights(pairs(10, 1.0)) == {}


def test_a_pool_without_weights_is_the_market_and_keeps_what_the_market_leaves_open() -> None:
    market = {"A": 0.5, "B": 0.3}
    assert pool(market, {"s": {"A": 0.9, "B": 0.1}}, {}) == pytest.approx(market)
    leaning = pool(market, {"s": {"A": 0.9, "B": 0.1}}, {"s": 0.5})
    assert sum(leaning.values()) == pytest.approx(0.8)
    assert 0.5 < leaning["A"] < 0.8


def test_the_pool_is_one_more_line_frozen_beside_the_market_and_the_decision_keeps_its_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = world.list_event()
    position = world.hold(make_profile(), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000)
    world.publish()
    chances = {world.ticker("A"): 0.2, world.ticker("B"): 0.2, world.ticker("C"): 0.6}
    point = Point("high/KNYC", "fahrenheit", 84.0, NOW, 16.0, 2.0, 0.4, 2.1, 3, {"84": 1.0})
    line = Report("desk", Opinion(chances, NOW, "", point=point), "", 5)
    monkeypatch.setattr(registry, "reports", lambda events, now_ms: {world.name: [line]})
    version = LearnedErrors.objects.create(estimator="test", settled=0, cells={}, weights={"desk": 0.4}).pk
    agent.assess_positions([position.pk])
    kept = {row["source"]: row for row in Assessment.objects.get().sources}
    assert kept["desk"]["learned"]["version"] == 3
    assert kept["desk"]["learned"]["bias"] == 0.4
    assert kept[NAME]["learned"] == {"version": version, "weights": {"desk": 0.4}}
    market = Assessment.objects.get().probabilities[world.ticker("C")]
    assert market < kept[NAME]["probabilities"][world.ticker("C")] < 0.6
    frozen = {row.source: row.learned for row in SourceForecast.objects.all()}
    assert frozen[NAME]["version"] == version
    assert frozen["desk"]["forecast"] == 84.0


def report(world: World, value: float) -> dict[str, list[Report]]:
    point = Point("high/KNYC", "fahrenheit", value, NOW, 0.0, 1.0, is_report=True)
    return {world.name: [Report("nws", Opinion({}, NOW, "", point=point))]}


def test_a_station_whose_reports_are_not_what_the_exchange_settled_on_is_in_dispute_and_teaches_nothing(
    world: World,
) -> None:
    for n in range(6):
        world.name = f"KXTEST-26NOV{n + 1:02d}"
        world.list_event()
        points.store(report(world, 84.0 if n == 0 else 91.0), clock.now_ms())
        points.store(said(world.name, NOW, value=80.0), clock.now_ms())
        settle(world, "84.00")
        learn.run()
        if n == 3:
            assert current().disputed == frozenset()
    assert current().disputed == {"high/KNYC"}
    silent = in_dispute(new_york())
    assert silent is not None
    assert silent.code is Silence.OTHER_SOURCE
    assert learn.settled_points() == []
    PointForecast.objects.filter(lead="report").update(value=84.0)
    forget()
    assert current().disputed == frozenset()
    assert in_dispute(new_york()) is None
    assert len(learn.settled_points()) == 6
