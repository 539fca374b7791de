"""A tape of ranges and thresholds on one value: the basket across both events is bought where the terms are on it, and settled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtest.replay import session
from markets.tape.imports.listing import market
from markets.tape.imports.source import iso
from markets.tape.records import Kind
from markets.tape.store import json_record
from markets.terms.facts import EventFacts
from tests.backtest.tapes import SECOND, START, Recorder, options
from tests.markets.terms.test_families import thresholds
from tests.markets.terms.wording import price_range
from tests.strategies.families.coins import RANGES, THRESHOLDS

pytestmark = pytest.mark.usefixtures("own_database")
CHEAP = [(95, 97), (43, 45), (17, 22)]
"""YES above 54,299.99 for 45 with NO on both ranges above it for 62 and 82: two of the three pay, whatever comes."""
URL = "https://kalshi-public-docs.s3.amazonaws.com/contract_terms/BTC.pdf"


def wire_markets(facts: EventFacts, closes: str) -> list[dict[str, Any]]:
    """The markets of an event as a listing has them, all of which close and expire then."""
    times = dict.fromkeys(("close_time", "expected_expiration_time"), closes)
    markets = []
    for known in facts.markets:
        strikes = {"strike_type": known.strike_type, "floor_strike": known.floor_strike, "cap_strike": known.cap_strike}
        found = market(known.ticker, name=known.yes_sub_title, times=times)
        found |= {name: float(x) if name != "strike_type" else x for name, x in strikes.items() if x not in (None, "")}
        found |= {"event_ticker": facts.event_ticker, "rules_primary": known.rules_primary}
        markets.append(found | {"rules_secondary": known.rules_secondary})
    return markets


def listed(tape: Recorder, facts: EventFacts, quotes: list[tuple[int, int]]) -> list[str]:
    """One event with its books, ten contracts a level. Its market tickers."""
    markets = wire_markets(facts, iso(START + 3_600 * SECOND))
    series: dict[str, Any] = {"ticker": facts.series_ticker, "title": "BTC", "category": "Crypto"}
    series |= {"fee_type": "quadratic", "fee_multiplier": 1, "contract_terms_url": URL}
    tape.series.add(facts.series_ticker)
    tape.records.append(json_record(START, Kind.SERIES, facts.series_ticker, series))
    tape.listed(0, facts.event_ticker, markets, category="Crypto", exclusive=facts.mutually_exclusive)
    for one, (bid, ask) in zip(markets, quotes, strict=True):
        tape.book(1, one["ticker"], [(f"0.{bid:02d}00", "10.00")], [(f"0.{100 - ask:02d}00", "10.00")])
    return [one["ticker"] for one in markets]


def recorded(
    folder: Path, thresholds_at: list[tuple[int, int]], clause: str = "One average at one instant.", sold: str = ""
) -> Path:
    """``sold``: market in which somebody buys five YES at 26 cents, and so sells to a bid of NO of 74 or more."""
    tape = Recorder()
    tape.opened(0)
    entry = {
        "exchange": "kalshi",
        "url": URL,
        "version": 1,
        "series_tickers": ["KXBTC", "KXBTCD"],
        "status": "approved",
    }
    entry |= {"approved_sha256": "a" * 64, "no_data": "all_no", "common_determination": clause}
    tape.records.append(json_record(START, Kind.TERMS, f"kalshi {URL} 1", entry))
    ranges = listed(tape, price_range(), RANGES)
    above = listed(tape, thresholds(), thresholds_at)
    for second in range(2, 170, 4):
        tape.alive(second)
    if sold:
        content = {"yes_price_dollars": "0.2600", "count_fp": "5.00", "taker_side": "yes"}
        tape.records.append(json_record(START + 60 * SECOND, Kind.TRADE, sold, content))
        tape.records.sort(key=lambda record: record.received_ns)
    tape.settled(171, {ticker: "yes" if n == 2 else "no" for n, ticker in enumerate(ranges)})
    tape.settled(171, {ticker: "yes" if n < 2 else "no" for n, ticker in enumerate(above)})
    for second in range(175, 200, 4):
        tape.alive(second)
    return tape.write(folder)


def test_a_basket_across_two_events_is_bought_and_settled(tmp_path: Path) -> None:
    profile = {"kinds": ["family"], "min_seconds_to_close": 0}
    found = session.run(options(recorded(tmp_path / "cheap", CHEAP), profile=profile))
    assert [(p["event"], p["kind"], p["close_type"]) for p in found.positions] == [
        ("FAMILY-KXBTC-1-KXBTCD-1", "family", "settled")
    ]
    assert found.profit > 0


@pytest.mark.parametrize(("quotes", "clause"), [(THRESHOLDS, "One average at one instant."), (CHEAP, "")])
def test_nothing_is_bought_where_prices_agree_or_the_clause_is_missing(
    quotes: list[tuple[int, int]], clause: str, tmp_path: Path
) -> None:
    profile = {"kinds": ["family"], "min_seconds_to_close": 0}
    assert session.run(options(recorded(tmp_path, quotes, clause), profile=profile)).baskets == 0


RESTS: dict[str, Any] = {
    "kinds": ["family"],
    "min_seconds_to_close": 0,
    "quoting": "one_leg",
    "quote_families": True,
    "quote_sides": "both",
    "quote_stop_seconds": 25,
    "quote_count": 500,
    "quote_min_margin_ppm": 1_000,
    "orphan_budget": 10**9,
    "orphan_budget_day": 10**10,
    "near_miss_ppm": 60_000,
    "watch_margin_ppm": 300_000,
}
WIDE = [(90, 97), (57, 64), (17, 26)]
"""Coherent with the ranges: taking every leg costs more than it pays, resting one of them leaves something."""


@pytest.mark.parametrize("is_sold", [True, False])
def test_one_leg_of_a_family_rests_in_a_replay_and_the_others_are_taken_when_it_fills(
    tmp_path: Path, is_sold: bool
) -> None:
    rests, taken = "KXBTCD-1-greater54399.99None", "KXBTC-1-greater54399.99None"
    found = session.run(options(recorded(tmp_path, WIDE, sold=rests if is_sold else ""), profile=RESTS))
    (position,) = found.positions
    bought = {leg["ticker"]: (leg["side"], leg["bought"]) for leg in position["legs"]}
    count = 500 if is_sold else 0
    assert (position["kind"], bought) == ("family", {rests: ("no", count), taken: ("yes", count)})
    assert position["close_type"] == ("settled" if is_sold else "not_bought")
    assert (found.profit > 0) == is_sold
