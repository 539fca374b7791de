"""Calibration: prices read before the close and never after, exact intervals, and a correction that has to earn its use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backtest.calibration.correction import fitted, judge
from backtest.calibration.observe import HOUR, observe
from backtest.calibration.report import bins, report, wilson
from kalbot.common import clock
from markets.tape.imports.listing import market
from markets.tape.imports.rest_books import settlement
from markets.tape.imports.source import iso
from markets.tape.records import Kind, Record, pack_frames
from markets.tape.store import json_record
from tests.backtest.made_events import START, made

CLOSE = START + 30 * HOUR


def _listed(at: int, results: tuple[str, str] = ("", "")) -> Record:
    times = {"close_time": iso(CLOSE)}
    markets = [market(f"E-1-{x}", times=times) | {"result": r} for x, r in zip("AB", results, strict=True)]
    content = {"event_ticker": "E-1", "mutually_exclusive": True, "category": "Sports", "markets": markets}
    return json_record(at, Kind.EVENT, "E-1", content)


def _quote(at: int, ticker: str, yes: str, no: str) -> Record:
    return json_record(at, Kind.QUOTE, ticker, {"yes_bid_dollars": yes, "no_bid_dollars": no})


def test_a_price_counts_from_the_moment_after_it_came_and_the_result_only_when_it_is_known() -> None:
    lead = CLOSE - 24 * HOUR
    before = [_quote(lead - 1, "E-1-A", "0.6000", "0.3800"), _quote(lead - 1, "E-1-B", "0.3800", "0.6000")]
    after = [_quote(lead + 1, "E-1-A", "0.9800", "0.0100")]
    records = [_listed(START), *before, *after]
    assert list(observe(records)) == []
    settled = [settlement(CLOSE, "E-1-A", "no"), settlement(CLOSE, "E-1-B", "yes")]
    first = next(iter(observe([*records, *settled])))
    assert (first.lead, first.winner, first.category) == (24, "E-1-B", "Sports")
    assert first.prices == pytest.approx({"E-1-A": 0.61, "E-1-B": 0.39})
    assert sum(first.said.values()) == pytest.approx(1.0)


def test_a_leg_without_a_price_or_two_winners_give_nothing() -> None:
    quotes = [_quote(START, "E-1-A", "0.6000", "0.3800"), _quote(START, "E-1-B", "0.3800", "0.6000")]
    both = [settlement(CLOSE, "E-1-A", "yes"), settlement(CLOSE, "E-1-B", "yes")]
    assert list(observe([_listed(START), *quotes, *both])) == []
    one = [settlement(CLOSE, "E-1-A", "yes"), settlement(CLOSE, "E-1-B", "no")]
    assert list(observe([_listed(START), *quotes[:1], *one])) == []


def test_our_own_stream_gives_prices_and_a_later_listing_the_result() -> None:
    def ticker(name: str, bid: str, ask: str) -> bytes:
        sizes = '"yes_bid_size_fp":"9.00","yes_ask_size_fp":"9.00","volume_fp":"1.00","open_interest_fp":"1.00"'
        prices = f'"yes_bid_dollars":"{bid}","yes_ask_dollars":"{ask}","price_dollars":"{bid}"'
        head = f'"market_ticker":"{name}","market_id":"m"'
        return f'{{"type":"ticker","sid":1,"msg":{{{head},{prices},{sizes},"ts_ms":1}}}}'.encode()

    frames = pack_frames([ticker("E-1-A", "0.6000", "0.6200"), ticker("E-1-B", "0.3800", "0.4000")])
    records = [
        json_record(START, Kind.CONNECTION, "e", {"state": "open"}),
        _listed(START),
        Record(START + 1, Kind.FRAMES, "e", frames),
        _listed(CLOSE + 1, ("yes", "no")),
    ]
    found = list(observe(records))
    assert {one.winner for one in found} == {"E-1-A"}
    assert found[0].prices == pytest.approx({"E-1-A": 0.61, "E-1-B": 0.39})


def test_wilsons_interval_is_the_published_one() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998


def test_a_bias_that_is_there_is_found_and_used_and_one_that_is_not_is_not() -> None:
    biased = judge(made(1.6, 1200, 3))
    assert biased.power == pytest.approx(1.6, abs=0.12)
    assert biased.is_used
    assert biased.log_difference + biased.log_interval < 0
    fair = [judge(made(1.0, 300, seed)) for seed in range(4)]
    assert not any(one.is_used for one in fair)
    assert all(one.power == pytest.approx(1.0, abs=0.25) for one in fair)


def test_what_settles_later_teaches_nothing() -> None:
    events = made(1.6, 200, 5)
    late = [replace(one, settled_ns=events[-1].at_ns + HOUR) for one in events]
    assert judge(late).log_difference == 0.0  # every day was corrected by what had settled: nothing
    assert fitted([]) == 1.0


def test_bins_and_groups_say_what_was_said_and_what_came() -> None:
    events = made(1.0, 100, 7)
    found = report(events)
    assert sum(one["markets"] for one in found["prices"][0]["bins"]) == 500
    assert all(one["low"] <= one["said"] <= one["high"] for one in bins(events))
    (group,) = found["groups"]
    assert (group["category"], group["lead"], group["events"]) == ("Sports", 24, 100)
    assert found["first_ms"] == clock.from_ms(START // 10**6).timestamp() * 1000
