"""What whole families say is scored beside each event's own quotes: read from a tape, and earned or not."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from backtest.calibration.correction import judge_across
from backtest.calibration.observe import HOUR, Observed, observe
from backtest.calibration.report import report
from markets.tape.imports.rest_books import settlement
from markets.tape.imports.source import iso
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from tests.backtest.made_events import DAY, START, made
from tests.backtest.test_families import URL, wire_markets
from tests.markets.terms.test_families import thresholds
from tests.markets.terms.wording import price_range
from tests.strategies.families.coins import RANGES, THRESHOLDS

CLOSE = START + 30 * HOUR
TERMS: dict[str, Any] = {"exchange": "kalshi", "url": URL, "version": 1, "series_tickers": ["KXBTC", "KXBTCD"]}
TERMS |= {"status": "approved", "approved_sha256": "a" * 64, "no_data": "all_no"}


def tape(clause: str, quotes: list[tuple[int, int]]) -> list[Record]:
    """Ranges and thresholds of one coin, quoted once, settled in the third range."""
    records = [json_record(START, Kind.TERMS, f"kalshi {URL} 1", TERMS | {"common_determination": clause})]
    for facts, prices in ((price_range(), RANGES), (thresholds(), quotes)):
        series = {"ticker": facts.series_ticker, "title": "BTC", "category": "Crypto", "contract_terms_url": URL}
        records.append(json_record(START, Kind.SERIES, facts.series_ticker, series))
        markets = wire_markets(facts, iso(CLOSE))
        event: dict[str, Any] = {
            "event_ticker": facts.event_ticker,
            "series_ticker": facts.series_ticker,
            "title": facts.event_ticker,
        }
        event |= {"sub_title": "", "category": "Crypto", "mutually_exclusive": facts.mutually_exclusive}
        event |= {"collateral_return_type": facts.collateral_return_type, "markets": markets}
        records.append(json_record(START, Kind.EVENT, facts.event_ticker, event))
        for one, (bid, ask) in zip(markets, prices, strict=True):
            quote = {"yes_bid_dollars": f"0.{bid:02d}00", "no_bid_dollars": f"0.{100 - ask:02d}00"}
            records.append(json_record(START + 1, Kind.QUOTE, one["ticker"], quote))
    for number, known in enumerate(price_range().markets):
        records.append(settlement(CLOSE, known.ticker, "yes" if number == 2 else "no"))
    return records


def test_the_measure_of_a_family_is_read_from_a_tape_beside_the_events_own_quotes() -> None:
    (first, *_) = observe(tape("One average at one instant.", THRESHOLDS))
    assert (first.event, first.lead) == ("KXBTC-1", 24)
    assert first.across.keys() == first.said.keys()
    assert sum(first.across.values()) == pytest.approx(1)
    assert first.across != pytest.approx(first.said, abs=0.005), "thresholds beside it are read too"


@pytest.mark.parametrize(
    ("clause", "quotes"),
    [("", THRESHOLDS), ("One average at one instant.", [(95, 97), (40, 42), (65, 68)])],
    ids=["no clause", "quotes that no measure fits"],
)
def test_no_family_says_nothing(clause: str, quotes: list[tuple[int, int]]) -> None:
    found = list(observe(tape(clause, quotes)))
    assert found
    assert all(one.across == {} for one in found)


def better(seed: int, days: int) -> list[Observed]:
    """What is said by families is the truth; the events' own quotes are off by chance."""
    numbers, found = random.Random(seed), []
    for one in made(1.0, 5 * days, seed):
        noisy = {ticker: share * numbers.uniform(0.2, 1.8) for ticker, share in one.said.items()}
        total = sum(noisy.values())
        found.append(replace(one, said={t: share / total for t, share in noisy.items()}, across=one.said))
    return found


@pytest.mark.slow
def test_families_that_know_more_earn_it_over_other_days_and_those_that_know_less_do_not() -> None:
    observed = better(3, 240)
    assert observed[-1].at_ns - observed[0].at_ns > 200 * DAY
    won = judge_across(observed)
    assert (won.events, won.days) == (1_200, 240)
    assert won.has_earned
    assert report(observed)["across"][0]["has_earned"]
    lost = judge_across([replace(one, said=one.across, across=one.said) for one in observed])
    assert not lost.has_earned
    assert lost.e_value < 1
    few = report(observed[:20])["across"][0]
    assert not few["has_earned"], "too few events"
    assert report(made(1.0, 20, 1))["across"] == []
