"""What was decided while a tape was recorded is what its replay decides; where it is not, the difference is counted and has a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backtest.studies import comparison
from backtest.studies.comparison import Compared, Pair, Taken, matched, taken_before, unlike
from backtest.studies.recorded import CyclesUnknown, measured_latency, recorded_cycles, recorded_run
from kalbot.common import clock
from markets.models import Scan
from strategies.models import Cycle, Decision, Profile, Screening, Verdict
from tests.conftest import ROOT
from tests.local.test_demo import CLEAN
from tests.trading.world import add_event, add_order, add_profile, decide
from trading.models import Denial, Position

LEG = ("A", "yes", 100, 4_000)


def _taken(at_ms: int, event: str = "E", leg: tuple[str, str, int, int] = LEG) -> Taken:
    return Taken(at_ms, event, "all_no", (leg,), 1, 1, 0)


def test_decisions_of_one_opportunity_belong_together_and_the_rest_stands_alone() -> None:
    recorded = [_taken(1_000), _taken(9_000), _taken(50_000), _taken(2_000, "F")]
    replayed = [_taken(8_900), _taken(70_000), _taken(2_100, "G")]
    pairs = matched(recorded, replayed)
    assert [(a and a.at_ms, b and b.at_ms) for a, b in pairs] == [
        (1_000, None),
        (2_000, None),
        (None, 2_100),
        (9_000, 8_900),
        (50_000, None),
        (None, 70_000),
    ]


def test_every_difference_has_its_name() -> None:
    more, higher, other = ("A", "yes", 200, 4_000), ("A", "yes", 100, 4_100), ("B", "yes", 100, 4_000)
    found = Compared("p", (1, 1, 1))
    found.pairs = [
        Pair(_taken(5), _taken(3)),
        Pair(_taken(5), _taken(5, leg=more)),
        Pair(_taken(5), _taken(9, leg=higher)),
    ]
    found.pairs += [Pair(_taken(5), _taken(5, leg=other)), Pair(_taken(5), None), Pair(None, _taken(5))]
    assert found.counts == {"same": 1, "counts or prices": 2, "legs": 1, "only recorded": 1, "only replayed": 1}
    assert found.delays_ms == [2, 0, -4, 0]
    assert found.sums("recorded") == (5, 5, 0)


def test_a_latency_is_measured_to_the_exchange_s_first_word_and_not_to_the_end_of_a_quote(db: None) -> None:
    """Immediate orders of 80 to 89 ms; quotes that rested after 90 ms for half a minute; one of which no word came before its end."""
    profile, sent = add_profile("live", mode="live"), clock.now()

    def after(milliseconds: int) -> datetime:
        return sent + timedelta(milliseconds=milliseconds)

    for n in range(10):
        add_order(n, profile, time_in_force="immediate_or_cancel", sent_at=sent, ended_at=after(80 + n))
        add_order(10 + n, profile, sent_at=sent, rested_at=after(90), ended_at=after(30_000))
    add_order(20, profile, sent_at=sent, ended_at=after(60_000))
    low, middle, high = measured_latency([profile])
    assert 80 <= low <= middle <= high <= 90


def test_a_cycle_is_replayed_when_its_profile_was_judged_and_by_the_prices_that_had_come(db: None) -> None:
    """Beat's cycle read its prices late and came to one profile after five seconds, to another after eight; a nudge decided at once
    for the first alone; a third cycle found the first profile in another one's hands."""
    first, other = add_profile("first"), add_profile("other")
    began = clock.now()
    start = round(began.timestamp() * 1000)
    one, two = str(first.pk), str(other.pk)

    def cycle(after: int, trigger: str = "beat", **columns: object) -> None:
        Cycle.objects.create(started_at=began + timedelta(milliseconds=after), trigger=trigger, candidates=9, **columns)

    turns = {
        one: {"after_ms": 5_000, "events": {"KXT-0": 5_100, "KXT-9": 5_200}},
        two: {"after_ms": 8_000, "events": {}},
    }
    cycle(0, prices_after_ms=300, turns=turns)
    cycle(
        20_000,
        trigger="nudge",
        turns={one: {"after_ms": 40, "events": {"KXT-1": 50}}, two: {"after_ms": 60, "events": {}}},
    )
    cycle(30_000, turns={two: {"after_ms": 100, "events": {}}})
    for number, (received, decided) in enumerate([(5_060, 5_150), (19_000, 20_100)]):
        decision = add_order(number, first).position.decision
        trace = {"received": (start + received) * 1000, "decided": (start + decided) * 1000}
        Decision.objects.filter(pk=decision.pk).update(trace=trace)
    found = {
        profile: [
            (
                judged.prices_ns // 10**6 - start,
                judged.turn_ns // 10**6 - start,
                {event: at // 10**6 - start for event, at in judged.events.items()},
                judged.nudged,
            )
            for judged in recorded_cycles(profile)
        ]
        for profile in (first, other)
    }
    beat = (300, 5_000, {"KXT-0": 5_061, "KXT-9": 5_200}, ())
    assert found[first] == [beat, (20_000, 20_040, {"KXT-1": 19_001}, ("KXT-1",))]
    assert found[other] == [(300, 8_000, {}, ()), (30_000, 30_100, {}, ())]
    screening = Screening.objects.create(scan=Scan.objects.create(started_at=began), profile=first, duration_ms=400)
    Screening.objects.filter(pk=screening.pk).update(at=began + timedelta(seconds=2))
    assert [at // 10**6 - start for at in recorded_run(first).screenings] == [1_600], "when its rows were written"
    assert recorded_run(other).screenings == []
    Cycle.objects.filter(trigger="nudge").update(turns={})
    with pytest.raises(CyclesUnknown, match="does not say whom it judged"):
        recorded_cycles(first)


def test_a_replayed_decision_is_taken_up_when_the_recorded_one_was(db: None) -> None:
    """One waited four seconds for a worker, another one second."""
    profile, start = add_profile("first"), clock.now()
    events = []
    for number, (decided, taken_up) in enumerate([(10, 14), (40, 41)]):
        position = add_order(number, profile).position
        Decision.objects.filter(pk=position.decision_id).update(
            created_at=start + timedelta(seconds=decided), trace={"received": 0, "decided": 0}
        )
        Position.objects.filter(pk=position.pk).update(created_at=start + timedelta(seconds=taken_up))
        events.append(position.event_id)
    recorded, began = recorded_run(profile), round(start.timestamp() * 1000)

    def at(event: str, decided: float) -> float:
        return recorded.takes_up(event, (began + round(decided * 1000)) * 10**6) / 10**9 - began / 1000

    found = [at(events[0], 9), at(events[0], 15), at(events[1], 41.5), at(events[0], 30), at("KXT-OTHER", 20)]
    assert found == pytest.approx([14, 15, 41.5, 32.5, 22.5], abs=0.002)


def test_who_had_the_event_before_is_why_only_one_side_took_it() -> None:
    """Its own basket of a while ago, or what another profile of the account decided within the time for which that counts as taken."""
    taken = {"live": [_taken(40_000)], "other": [_taken(20_000, "F")]}
    said = [
        taken_before(taken, "live", _taken(at, event)) for at, event in [(50_000, "E"), (15_000, "F"), (9_000, "F")]
    ]
    assert said == [
        ("it had a basket", "had a basket of it since 00:00:40"),
        ("another of the account had it", "other had taken it at 00:00:20"),
        None,
    ]


def test_what_only_the_replay_decided_and_denied_is_counted_by_its_denial(db: None) -> None:
    """Else a lock of the account looks like as many second baskets as there are decisions that it refuses."""
    profile = add_profile("live")
    decision = decide(profile, add_event("KXT-1"), {"KXT-1-0": 3_000}, kind="coverage")
    Decision.objects.update(legs=[{**leg, "receive_ms": 1} for leg in decision.legs])
    Denial.objects.create(decision=decision, code="locked", detail="residual")
    replayed = {"live": comparison._taken(Decision.objects.all())}
    recorded = {"live": [replace(replayed["live"][0], at_ms=0, denied="")]}
    found = comparison._compared(profile, (1, 1, 1), recorded, replayed, comparison._Seen())
    assert [pair.cause for pair in found.pairs if pair.recorded is None] == ["denied: locked"]


def test_what_only_the_replay_took_is_explained_by_rows_of_then_and_by_no_later_verdict(db: None) -> None:
    """A quote that began at 10 and had filled by 30 took the only place; a verdict of five minutes later says nothing of then."""
    profile, start = add_profile("live", max_quotes=1), clock.now()
    began = round(start.timestamp() * 1000)
    position = add_order(1, profile).position
    legs = [{**leg, "receive_ms": 1} for leg in position.decision.legs]
    Decision.objects.update(quote={"way": "all_legs"}, legs=legs)
    Position.objects.update(created_at=start + timedelta(seconds=10))
    for second, before, after in [(10, "pending", "quoting"), (20, "quoting", "quoting"), (30, "quoting", "open")]:
        row = position.events.create(from_status=before, to_status=after)
        position.events.filter(pk=row.pk).update(at=start + timedelta(seconds=second))
    add_event("KXT-2")

    def why(seconds: float, *, is_quote: bool = True) -> tuple[str, str]:
        one = replace(_taken(began + round(seconds * 1000), "KXT-2"), is_quote=is_quote)
        return comparison.known_then(profile, one)

    assert why(25)[0] == "as many quotes as it may"
    assert why(25)[1].startswith("it quoted KXT-1 at ")
    assert why(9.5)[0] == "as many quotes as it may", "what began in the same cycle took its place"
    assert {why(8.5)[0], why(31)[0], why(25, is_quote=False)[0]} == {"verdict: none"}
    Profile.objects.update(max_quotes=2)
    profile.refresh_from_db()
    assert why(25)[0] == "verdict: none"
    at = start + timedelta(seconds=300)
    columns = {"status": "rejected", "since": at, "live_at": at, "live_constraint": "price", "live_value": "$1"}
    Verdict.objects.create(profile=profile, event_id="KXT-2", **columns)
    assert why(25) == ("not known", "no row says any more what it thought of the event then")
    assert why(290) == ("verdict: price", "its verdict there: price ($1)")
    decided = comparison._taken(Decision.objects.all())
    assert [one.is_quote for one in decided] == [True]


def test_two_decisions_of_one_opportunity_differ_by_their_books_or_else_by_what_was_left() -> None:
    one = replace(_taken(5), books=(1_000, 2_000))
    more = replace(_taken(5, leg=("A", "yes", 200, 4_000)), books=(1_000, 2_000))
    assert unlike(one, more) == ("the same books, other money", "both were taken on the same books")
    assert unlike(one, replace(more, books=(1_000, 1_500))) == (
        "other books",
        "the recorded one was taken by books 500 ms newer",
    )


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_demo_that_was_recorded_decides_the_same_when_it_is_replayed(tmp_path: Path) -> None:
    """The whole product on the simulator for a minute, its tape, and the replay with its own latencies."""
    clean = {name: value for name, value in os.environ.items() if name not in CLEAN}
    env = clean | {"KALBOT_TAPE_DIR": str(tmp_path / "tape"), "KALBOT_STATE": str(tmp_path / "state")}
    demo = [sys.executable, "-m", "kalbot.local.demo", "--seconds", "45", "--state", str(tmp_path / "state")]
    subprocess.run(demo, cwd=ROOT, env=env, check=False, timeout=400)
    command = [sys.executable, "manage.py", "replay_compare", "--tape", str(tmp_path / "tape"), "--json"]
    answer = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True, timeout=1000)
    compared = json.loads(answer.stdout)
    assert {one["profile"] for one in compared} >= {"careful", "balanced", "live"}
    pairs = [pair for one in compared for pair in one["pairs"]]
    alike = [pair for pair in pairs if pair["outcome"] == "same"]
    assert len(alike) >= 6
    assert len(alike) >= 0.8 * len(pairs), [pair for pair in pairs if pair["outcome"] != "same"]
    assert all(pair["why"] for pair in pairs if pair["outcome"].startswith("only"))
