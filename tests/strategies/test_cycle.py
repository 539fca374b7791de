"""A cycle decides on live books only, once an event, and writes down why it did not."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import F

from kalbot.common import cache, clock
from markets.models import Certificate, Event, Market, Watch
from markets.terms import certificates
from strategies.catalogue.universe import EventView
from strategies.cycle import candidate_evaluation, candidates, claims, cycle, decisions, event_cache
from strategies.cycle.claims import Claims
from strategies.models import Cycle, Decision, NearMiss, Profile, Verdict
from strategies.screening import screening
from strategies.screening.verdict import Verdict as VerdictValue
from tests.common.test_retry import Lost
from tests.strategies.world import EPOCH, add_event, add_profile, add_scan, books_of, publish

pytestmark = pytest.mark.django_db

PAYING = [(5200, 5300), (5300, 5400)]  # NO on both: 0.48 + 0.47 and 0.035 of fees, for 1


def _candidate(
    profile: Profile, ticker: str = "E1", quotes: Sequence[tuple[int | None, int | None]] = PAYING, **columns: Any
) -> Event:
    event = add_event(ticker, quotes, **columns)
    Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
    return event


def _live() -> tuple[str, str]:
    verdict = Verdict.objects.get()
    return verdict.live_constraint, verdict.live_value


def _deny(decision: Decision) -> None:
    from trading.models import Denial

    Denial.objects.create(decision=decision, code="test")


def _hold(decision: Decision, status: str = "open", **columns: Any) -> None:
    from trading.models import Position

    Position.objects.create(
        profile=decision.profile,
        mode=decision.mode,
        decision=decision,
        event=decision.event,
        kind=decision.kind,
        status=status,
        target_count=decision.count,
        **columns,
    )


def test_a_paying_book_becomes_a_decision_with_all_that_justifies_it() -> None:
    profile = add_profile(max_per_position=50_000_000)
    event = _candidate(profile)
    publish("E1", books_of("E1", PAYING))
    row = cycle.run()
    assert (row.decisions, row.candidates, row.evaluated, row.refused) == (1, 1, 1, {})
    decision = Decision.objects.get()
    assert (decision.kind, decision.mode, decision.guaranteed) == ("all_no", "sim", True)
    assert decision.floor > decision.cost
    assert decision.floor == decision.count * 10_000
    assert decision.cost <= decision.max_cost <= 50_000_000
    assert decision.count % profile.count_step == 0
    assert sum(leg["price_paid"] + leg["fees"] for leg in decision.legs) == decision.cost
    assert {leg["limit_price"] for leg in decision.legs} == {4800, 4700}
    assert {leg["side"] for leg in decision.legs} == {"no"}
    assert [pays for _, pays in decision.payoff] == [decision.floor] * 2 + [2 * decision.floor]  # 1 wins, 0 wins, none
    assert decision.epoch == EPOCH
    assert decision.rules_hash == event.rules_hash
    assert sum(decision.probabilities.values()) == pytest.approx(0.98, abs=0.001)
    assert "Guaranteed" in decision.explanation
    assert _live()[0] == "decided"
    assert Cycle.objects.get().decisions == 1


def test_trading_is_nudged_after_the_commit(django_capture_on_commit_callbacks: Any) -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING))
    with django_capture_on_commit_callbacks(execute=True):
        cycle.run()
    assert cache.queue_depths(["execution"]) == {"execution": 1}


def test_a_certified_event_is_bought_with_yes_and_names_its_certificate() -> None:
    quotes = [(4000, 4500), (4400, 4800)]
    event = _candidate(add_profile(), quotes=quotes, certified=True)
    publish("E1", books_of("E1", quotes))
    cycle.run()
    decision = Decision.objects.get()
    assert decision.kind == "all_yes"
    assert decision.certificate == certificates.in_force(event)
    assert decision.rules_hash == event.rules_hash


def test_a_revoked_certificate_stops_a_decision_although_the_facts_were_remembered() -> None:
    quotes = [(4000, 4500), (4400, 4800)]
    event = _candidate(add_profile(), quotes=quotes, certified=True)
    publish("E1", books_of("E1", [(4000, 6000), (4000, 6000)]))
    cycle.run()  # remembers the certified event
    certificates.revoke(event, "somebody", "not so sure")
    publish("E1", books_of("E1", quotes))
    cycle.run()
    assert not Decision.objects.exists()
    assert _live()[0] == "certificate"


def test_rules_that_change_void_the_decision_that_needs_them() -> None:
    quotes = [(4000, 4500), (4400, 4800)]
    _candidate(add_profile(), quotes=quotes, certified=True)
    publish("E1", books_of("E1", [(4000, 6000), (4000, 6000)]))
    cycle.run()
    Event.objects.update(rules_hash="another")
    publish("E1", books_of("E1", quotes))
    cycle.run()
    assert not Decision.objects.exists()
    assert Certificate.objects.get(status="granted")


@pytest.mark.parametrize(
    ("reason", "how"),
    [
        ("stale", {"age_ms": 60_000}),
        ("suspect", {"suspect": ["E1-1"]}),
        ("dead_epoch", {"epoch": "an-older-life"}),
        ("dead_epoch", {"lease": None}),
        ("not_active", {"status": {"E1-0": "inactive"}}),
    ],
)
def test_prices_that_must_not_be_believed_never_decide(reason: str, how: dict[str, Any]) -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING), **how)
    cycle.run()
    assert not Decision.objects.exists()
    assert _live()[0] == reason


def test_an_event_nobody_watches_or_with_a_leg_without_book_never_decides() -> None:
    _candidate(add_profile())
    cycle.run()
    assert _live()[0] == "no_book"
    Verdict.objects.update(live_constraint="")
    candidates.forget()  # what a process wrote itself it does not read again
    publish("E1", {"E1-0": books_of("E1", PAYING)["E1-0"]})
    cycle.run()
    assert not Decision.objects.exists()
    assert _live()[0] == "no_book"


def test_an_outcome_that_the_scan_does_not_know_stops_a_decision() -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", [*PAYING, (100, 200)]))
    cycle.run()
    assert not Decision.objects.exists()
    assert _live() == ("outcomes_changed", "E1-2")


def test_an_event_that_closed_since_it_was_remembered_is_not_decided() -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", [(4000, 6000), (4000, 6000)]))
    cycle.run()
    Event.objects.update(is_open=False)
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    assert not Decision.objects.exists()
    assert _live()[0] == "not_open"


def test_redis_being_emptied_costs_a_moment_and_no_decision() -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING))
    cache.prices().flushdb()
    assert cycle.run().decisions == 0


def test_the_reason_why_not_is_written_with_value_limit_distance_and_flip() -> None:
    _candidate(add_profile(near_miss_ppm=100_000))
    publish("E1", books_of("E1", [(4800, 5300), (4900, 5400)]))
    row = cycle.run()
    assert row.refused == {"price": 1}
    verdict = Verdict.objects.get()
    assert verdict.live_constraint == "price"
    assert verdict.live_value == "$1.0650 a set"
    assert verdict.live_limit == "$1.0000 a set"
    assert verdict.live_distance_ppm == pytest.approx(64_965, abs=1)
    assert "fall" in verdict.live_flip or "from" in verdict.live_flip


def test_a_live_near_miss_is_one_episode_from_its_first_evaluation_to_its_decision() -> None:
    profile = add_profile(near_miss_ppm=100_000)
    _candidate(profile)
    publish("E1", books_of("E1", [(4800, 5300), (4900, 5400)]))
    cycle.run()
    publish("E1", books_of("E1", [(4900, 5300), (5000, 5400)]))
    cycle.run()
    publish("E1", books_of("E1", [(4700, 5300), (4900, 5400)]))
    cycle.run()
    episode = NearMiss.objects.get()
    assert episode.ended_at is None
    assert episode.best_distance_ppm == pytest.approx(44_990, abs=20)
    assert [leg["side"] for leg in episode.summary["legs"]] == ["no", "no"]
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    episode.refresh_from_db()
    assert episode.ended_as == "decided"
    assert episode.ended_at is not None


def test_a_near_miss_that_moves_away_ends_and_a_new_one_is_another_episode() -> None:
    _candidate(add_profile(near_miss_ppm=100_000))
    for quotes in ([(4800, 5300), (4900, 5400)], [(2000, 9000), (2000, 9000)], [(4800, 5300), (4900, 5400)]):
        publish("E1", books_of("E1", quotes))
        cycle.run()
    assert sorted(NearMiss.objects.values_list("ended_as", flat=True)) == ["", "moved away"]


def test_an_open_decision_blocks_the_event_and_a_denied_or_ended_one_does_not() -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    cycle.run()
    assert Decision.objects.count() == 1
    assert _live()[0] == "open_position"
    _deny(Decision.objects.get())
    cycle.run()
    second = Decision.objects.get(denial=None)
    _hold(second)
    cycle.run()
    assert Decision.objects.count() == 2
    second.position.status, second.position.ended_at = "settled", clock.now() - timedelta(minutes=1)
    second.position.save()
    cycle.run()
    assert Decision.objects.count() == 3


def test_the_cooldown_holds_after_a_decision_and_after_a_position_ended() -> None:
    profile = add_profile(cooldown_seconds=30)
    _candidate(profile)
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    _deny(Decision.objects.get())
    cycle.run()
    assert (Decision.objects.count(), _live()[0]) == (1, "cooldown")
    Decision.objects.update(created_at=clock.now() - timedelta(hours=1))
    cycle.run()
    assert Decision.objects.count() == 2
    held = Decision.objects.get(denial=None)
    _hold(held, status="closed", ended_at=clock.now())
    Decision.objects.update(created_at=clock.now() - timedelta(hours=1))
    cycle.run()
    assert (Decision.objects.count(), _live()[0]) == (2, "cooldown")


def test_what_is_open_leaves_less_capital_for_the_next_and_the_best_comes_first() -> None:
    profile = add_profile(capital=60_000_000, max_per_position=50_000_000)
    _candidate(profile, "GOOD", PAYING)
    _candidate(profile, "BETTER", [(6200, 6300), (6300, 6400)])
    publish("GOOD", books_of("GOOD", PAYING))
    publish("BETTER", books_of("BETTER", [(6200, 6300), (6300, 6400)]))
    row = cycle.run()
    assert row.decisions == 2
    spent = {d.event_id: d.max_cost for d in Decision.objects.all()}
    assert 45_000_000 < spent["BETTER"] <= 50_000_000
    assert spent["GOOD"] <= 60_000_000 - spent["BETTER"]
    assert candidates.exposure(profile, clock.now()).capital_left == 60_000_000 - sum(spent.values())


def test_the_profile_limits_on_positions_and_pauses_hold() -> None:
    profile = add_profile(max_open_positions=1)
    for ticker in ("E1", "E2"):
        _candidate(profile, ticker)
        publish(ticker, books_of(ticker, PAYING))
    assert cycle.run().decisions == 1
    assert cycle.run().refused == {"open_position": 1, "open_positions": 1}
    Profile.objects.update(blackout=[["00:00", "12:00"], ["12:00", "00:00"]], max_open_positions=5)
    assert cycle.run().refused == {"open_position": 1, "blackout": 1}


def test_a_shadow_takes_the_decisions_of_its_live_profile_on_paper() -> None:
    live = add_profile("live", mode="live")
    add_profile("twin", shadow_of=live)
    add_profile("asleep", shadow_of=live, is_active=False)
    _candidate(live)
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    taken = {d.profile.name: d for d in Decision.objects.all()}
    assert {name: d.mode for name, d in taken.items()} == {"live": "live", "twin": "sim"}
    assert (taken["twin"].legs, taken["twin"].cost) == (taken["live"].legs, taken["live"].cost)
    assert taken["twin"].pk != taken["live"].pk


def test_a_shadow_decides_for_itself_while_its_live_profile_is_off() -> None:
    live = add_profile("live", mode="live", is_active=False)
    _candidate(add_profile("twin", shadow_of=live))
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    (taken,) = Decision.objects.all()
    assert (taken.profile.name, taken.mode, taken.shadow_of) == ("twin", "sim", None)


def test_a_coverage_bet_is_never_called_guaranteed() -> None:
    quotes = [(6000, 6100), (2900, 3000), (300, 500)]
    profile = add_profile(kinds=["coverage"], coverage_threshold_ppm=900_000, min_expected_margin_ppm=-100_000)
    _candidate(profile, quotes=quotes, certified=True)
    publish("E1", books_of("E1", quotes))
    cycle.run()
    decision = Decision.objects.get()
    assert (decision.kind, decision.guaranteed, decision.floor) == ("coverage", False, 0)
    assert decision.conditional > decision.cost
    assert 0 in [pays for _, pays in decision.payoff]
    assert "Conditional" in decision.explanation


def test_one_faulty_event_does_not_keep_the_others_from_being_bought() -> None:
    profile = add_profile()
    _candidate(profile, "ODD", fee_type_override="invented")
    _candidate(profile, "E1")
    for ticker in ("ODD", "E1"):
        publish(ticker, books_of(ticker, PAYING))
    row = cycle.run()
    assert row.decisions == 1
    assert row.refused == {"fee_type": 1}


def test_a_fault_in_judging_one_event_is_its_reason_and_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = candidate_evaluation.evaluate_candidate

    def faulty(profile: Profile, event: EventView, *rest: Any) -> VerdictValue:
        if event.ticker == "ODD":
            raise ArithmeticError("planted")
        return judge(profile, event, *rest)

    monkeypatch.setattr(candidate_evaluation, "evaluate_candidate", faulty)
    profile = add_profile()
    _candidate(profile, "ODD")
    _candidate(profile, "E1")
    for ticker in ("ODD", "E1"):
        publish(ticker, books_of(ticker, PAYING))
    row = cycle.run()
    assert (row.decisions, row.refused) == (1, {"error": 1})
    assert Verdict.objects.get(event="ODD").live_constraint == "error"
    assert "evaluation failed: profile careful, event ODD" in caplog.text


def test_a_profile_that_cannot_be_worked_with_keeps_no_other_from_trading(caplog: pytest.LogCaptureFixture) -> None:
    _candidate(add_profile("broken", shape="round"), "E1")
    _candidate(add_profile("sound"), "E2")
    for ticker in ("E1", "E2"):
        publish(ticker, books_of(ticker, PAYING))
    row = cycle.run()
    assert (row.decisions, row.refused) == (1, {"error": 1})
    assert Decision.objects.get().profile.name == "sound"
    assert "cycle failed: profile broken" in caplog.text


def test_a_filter_that_fails_since_the_scan_stops_a_decision() -> None:
    _candidate(add_profile(), close_time=clock.now() + timedelta(seconds=30))
    publish("E1", books_of("E1", PAYING))
    assert cycle.run().refused == {"closes_soon": 1}
    assert not Decision.objects.exists()


def test_a_nudge_evaluates_its_event_only_and_leaves_no_row_when_nothing_comes_of_it() -> None:
    profile = add_profile()
    for ticker in ("E1", "E2"):
        _candidate(profile, ticker)
        publish(ticker, books_of(ticker, [(1000, 5300), (1000, 5400)]))
    assert cycle.run(cycle.NUDGE, ["E1"]).candidates == 1
    assert not Cycle.objects.exists()
    publish("E2", books_of("E2", PAYING))
    assert cycle.run(cycle.NUDGE, ["E2"]).decisions == 1
    assert Cycle.objects.get().trigger == "nudge"


def test_a_profile_whose_cycle_is_running_is_left_alone() -> None:
    profile = add_profile()
    _candidate(profile)
    publish("E1", books_of("E1", PAYING))
    with cache.lock(f"cycle:{profile.pk}", 5):
        assert cycle.run().candidates == 0
    assert cycle.run().decisions == 1


def test_a_nudge_neither_waits_for_a_running_cycle_nor_holds_one_up() -> None:
    profile = add_profile()
    for ticker in ("E1", "E2"):
        _candidate(profile, ticker)
        publish(ticker, books_of(ticker, PAYING))
    with cache.lock(f"cycle:{profile.pk}", 5):
        assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 1
    with cache.lock(f"cycle:{profile.pk}:E1", 5):
        assert cycle.run().decisions == 1
    assert Decision.objects.count() == 2


def test_unchanged_verdicts_are_not_written_again() -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", [(1000, 5300), (1000, 5400)]))
    cycle.run()
    first = Verdict.objects.get().live_at
    cycle.run()
    assert Verdict.objects.get().live_at == first


def test_screening_and_cycle_find_and_buy_from_scan_to_decision() -> None:
    add_profile()
    add_event("E1", PAYING)
    screening.screen(add_scan().pk)
    assert Watch.objects.get().event_id == "E1"
    publish("E1", books_of("E1", PAYING))
    assert cycle.run().decisions == 1


@pytest.mark.django_db(transaction=True)
def test_racing_cycles_decide_once_even_without_their_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads, each with its own database connection, all past the lock and all with the same reading."""
    from contextlib import contextmanager

    @contextmanager
    def no_lock(name: str, seconds: float) -> Iterator[bool]:
        yield True

    monkeypatch.setattr(cache, "lock", no_lock)
    profile = add_profile()
    for ticker in ("E1", "E2", "E3"):
        _candidate(profile, ticker)
        publish(ticker, books_of(ticker, PAYING))
    start, faults = threading.Barrier(8), []

    def one() -> None:
        try:
            start.wait()
            cycle.run()
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(Decision.objects.values_list("event_id", flat=True)) == ["E1", "E2", "E3"]
    assert not Verdict.objects.exclude(decisions=1).exists()


@pytest.mark.django_db(transaction=True)
def test_a_decision_that_lost_a_race_in_the_database_is_stored_by_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    _candidate(add_profile())
    publish("E1", books_of("E1", PAYING))
    still, tries = claims.still, list[int]()

    def lost_once(*args: Any) -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("deadlock detected") from Lost("40P01")
        return still(*args)

    monkeypatch.setattr(claims, "still", lost_once)
    assert cycle.run().decisions == 1
    assert (len(tries), Decision.objects.get().event_id, Verdict.objects.get().decisions) == (2, "E1", 1)


def test_the_count_of_decisions_lets_only_one_reading_through() -> None:
    profile = add_profile()
    event = _candidate(profile)
    publish("E1", books_of("E1", PAYING))
    cycle.run()
    stored = Decision.objects.get()
    _deny(stored)
    copy = Decision(
        **{f.attname: getattr(stored, f.attname) for f in Decision._meta.concrete_fields if not f.primary_key}
    )
    verdict, view = Verdict.objects.get(), event_cache.current(["E1"])["E1"]
    assert not decisions.take(copy, verdict.pk, verdict.decisions - 1, view, Claims())
    Verdict.objects.update(status="rejected")
    assert not decisions.take(copy, verdict.pk, verdict.decisions, view, Claims())
    Verdict.objects.update(status="candidate")
    assert decisions.take(copy, verdict.pk, verdict.decisions, view, Claims())
    assert Verdict.objects.get().decisions == verdict.decisions + 1
    assert Decision.objects.filter(event=event).count() == 2


def test_the_market_rows_are_not_read_for_prices() -> None:
    """The catalogue's quotes may be minutes old: only Redis decides."""
    _candidate(add_profile())
    publish("E1", books_of("E1", [(1000, 5300), (1000, 5400)]))
    assert cycle.run().decisions == 0
    Market.objects.update(yes_bid=F("yes_bid") + 1000)
    assert cycle.run().decisions == 0
