"""Tapes on which whole families know more than each event's own quotes, and on which they do not: what is earned, stored and ended."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from backtest.calibration.in_force import use, use_families
from backtest.calibration.observe import HOUR, observe
from backtest.calibration.report import report
from backtest.replay.session import run
from kalbot.console.models import Act
from markets.tape import store
from markets.tape.imports.rest_books import settlement
from markets.tape.imports.source import iso
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from markets.terms.facts import EventFacts
from strategies.models import FamilyGate, ProbabilityCorrection
from tests.backtest.made_events import DAY, START
from tests.backtest.tapes import options, planted
from tests.backtest.test_calibration_across import TERMS
from tests.backtest.test_families import URL, wire_markets
from tests.markets.terms.test_families import thresholds
from tests.markets.terms.wording import price_range

Quotes = list[tuple[int, int]]
PRECISE = (1, 1)


def off(numbers: random.Random) -> tuple[int, int]:
    """A spread around the truth that leans to one side: its middle is ten cents off or so."""
    return numbers.choice([(2, 22), (22, 2)])


def around(truth: int, spread: tuple[int, int]) -> tuple[int, int]:
    """Bid and ask in cents about a probability in per cent."""
    return max(1, truth - spread[0]), min(99, truth + spread[1])


def day(number: int, numbers: random.Random, *, knows: bool) -> list[Record]:
    """Ranges and thresholds of one value on one day: their prices, four hours before the close, and what came. ``knows``: the thresholds
    are priced well and the ranges are not; else the other way round."""
    begin = START + number * DAY
    close = begin + 4 * HOUR
    weights = [numbers.random() + 0.1 for _ in range(4)]
    truth = [round(100 * weight / sum(weights)) for weight in weights]
    above = [sum(truth[1:]), sum(truth[2:]), truth[3]]
    own = [around(p, off(numbers) if knows else PRECISE) for p in truth]
    beside = [around(p, PRECISE if knows else off(numbers)) for p in above]
    records = []
    tickers: list[str] = []
    for facts, quotes in ((price_range(), own), (thresholds(), beside)):
        named = of_day(facts, number)
        markets = wire_markets(named, iso(close))
        event: dict[str, Any] = {
            "event_ticker": named.event_ticker,
            "series_ticker": named.series_ticker,
            "title": "BTC",
        }
        event |= {"sub_title": "", "category": "Crypto", "mutually_exclusive": named.mutually_exclusive}
        event |= {"collateral_return_type": named.collateral_return_type, "markets": markets}
        records.append(json_record(begin, Kind.EVENT, named.event_ticker, event))
        for one, (bid, ask) in zip(markets, quotes, strict=True):
            quote = {"yes_bid_dollars": f"0.{bid:02d}00", "no_bid_dollars": f"0.{100 - ask:02d}00"}
            records.append(json_record(begin + 1, Kind.QUOTE, one["ticker"], quote))
            if named.mutually_exclusive:
                tickers.append(one["ticker"])
    came = numbers.choices(range(4), truth)[0]
    records += [settlement(close, ticker, "yes" if n == came else "no") for n, ticker in enumerate(tickers)]
    return sorted(records, key=lambda record: record.received_ns)


def of_day(facts: EventFacts, number: int) -> EventFacts:
    """The same event under the tickers of a day."""
    event = f"{facts.series_ticker}-{number}"
    markets = tuple(replace(m, ticker=m.ticker.replace(facts.event_ticker, event, 1)) for m in facts.markets)
    return replace(facts, event_ticker=event, markets=markets)


def tape(days: int, seed: int, *, knows: bool, first: int = 0) -> list[Record]:
    numbers = random.Random(seed)
    clause = {"common_determination": "One average at one instant."}
    records = [json_record(START, Kind.TERMS, f"kalshi {URL} 1", TERMS | clause)]
    for facts in (price_range(), thresholds()):
        series = {"ticker": facts.series_ticker, "title": "BTC", "category": "Crypto", "contract_terms_url": URL}
        records.append(json_record(START, Kind.SERIES, facts.series_ticker, series))
    return records + [one for n in range(first, first + days) for one in day(n, numbers, knows=knows)]


@cache
def judged(days: int, *, knows: bool) -> dict[str, Any]:
    return report(list(observe(tape(days, 11, knows=knows))))


def lines(found: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {one["lead"]: one for one in found["across"]}


def test_families_that_know_more_win_their_gate_on_a_tape_and_those_that_do_not_lose_it() -> None:
    won, lost = lines(judged(60, knows=True)), lines(judged(60, knows=False))
    assert won.keys() == lost.keys() == {3, 1}
    for lead in (3, 1):
        assert won[lead]["events"] == lost[lead]["events"] == 60
        assert won[lead]["has_earned"], won[lead]
        assert won[lead]["log"] < -0.01
        assert not lost[lead]["has_earned"], lost[lead]
        assert lost[lead]["e_value"] < 5


@pytest.mark.alike
@pytest.mark.django_db
def test_what_is_earned_is_stored_and_ended_by_a_later_tape_on_which_it_is_not() -> None:
    won, both = judged(60, knows=True), judged(60, knows=False)
    assert use_families(won) == 2
    gates = {gate.lead_hours: gate for gate in FamilyGate.objects.all()}
    assert {lead: (g.category, g.events, g.ended_at) for lead, g in gates.items()} == dict.fromkeys(
        (3, 1), ("Crypto", 60, None)
    )
    assert gates[3].evidence == pytest.approx(lines(won)[3]["e_value"])
    use(won)
    assert FamilyGate.objects.count() == 2, "corrections are another matter"
    assert use_families(both) == 0
    assert not FamilyGate.objects.exists()


@pytest.mark.django_db
def test_the_command_opens_gates_and_says_so(tmp_path: Path, capsys: Any) -> None:
    store.write(tmp_path / "tape", "w", {"source": "test"}, tape(60, 11, knows=True))
    call_command("calibration", "--tape", str(tmp_path / "tape"), "--use", "--reason", "earned its use")
    act = Act.objects.get(name="use_calibration")
    assert (act.reason, act.result.split(",")[1]) == (
        "earned its use",
        f" {FamilyGate.objects.count()} gates open for families",
    )
    said = capsys.readouterr()
    assert f"{FamilyGate.objects.count()} gates are open for probabilities of families from now on" in said.err
    assert FamilyGate.objects.exists()


@pytest.mark.django_db
def test_a_replay_uses_no_gate_because_it_was_earned_on_what_comes_later(tmp_path: Path) -> None:
    FamilyGate.objects.create(category="Sports", lead_hours=24, e_value=30.0, events=99)
    with_gate = run(options(planted(tmp_path)))
    FamilyGate.objects.all().delete()
    assert run(options(planted(tmp_path / "again"))).fingerprint == with_gate.fingerprint
    assert not ProbabilityCorrection.objects.exists()
