"""The recorded catalogues: every bucket event that could be certified keeps a list of states and a grade on at least one side."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from markets.book import Side
from markets.terms.exhaustiveness import Certificate, certify
from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.grades import Grade
from markets.terms.rules_file import PUBLIC, RulesFileError, Sample, read_rules, with_rules
from tests.markets.terms.wording import price_range, temperature

WEATHER_RULES = Path(__file__).resolve().parents[2] / "data" / "dutch" / "weather_rules.jsonl.gz"


def lines(path: Path, having: str = "") -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if having in line)


def market(row: dict[str, Any]) -> MarketFacts:
    low, high = (None if row.get(k) is None else Decimal(str(row[k])) for k in ("floor_strike", "cap_strike"))
    return MarketFacts(
        row["ticker"],
        "active",
        row["strike_type"],
        low,
        high,
        row.get("yes_sub_title") or "",
        row.get("rules_primary") or "",
        row.get("rules_secondary") or "",
    )


def bucket_event(ticker: str, markets: list[MarketFacts]) -> EventFacts:
    return EventFacts(ticker, ticker.split("-")[0], True, "MECNET", tuple(markets))


@cache
def weather(recorded: Path) -> dict[str, EventFacts]:
    """The daily temperature events of the recorded books."""
    markets: dict[str, dict[str, MarketFacts]] = defaultdict(dict)
    for path in sorted((recorded / "books").glob("weather_2026*")):
        for row in lines(path, '"group":"daily"'):
            markets[row["ticker"].rsplit("-", 1)[0]][row["ticker"]] = market(row)
    return {ticker: bucket_event(ticker, list(legs.values())) for ticker, legs in markets.items()}


@cache
def coins(recorded: Path) -> dict[str, EventFacts]:
    """The range events of the recorded quotes."""
    found = {}
    for path in sorted((recorded / "quotes").glob("crypto_ranges_*")):
        for row in lines(path):
            event = row["current"]
            if event and event.get("outcomes"):
                legs = [market(leg) for leg in event["outcomes"]]
                found[event["event_ticker"]] = bucket_event(event["event_ticker"], legs)
    return found


def grades(events: dict[str, EventFacts], samples: dict[str, Sample]) -> Counter[tuple[Grade, Grade] | str]:
    """How many events have which grades on (YES, NO), or are refused with which code."""
    counted: Counter[tuple[Grade, Grade] | str] = Counter()
    for event in events.values():
        found = certify(with_rules(event, samples))
        if isinstance(found, Certificate):
            counted[found.side_grade(Side.YES), found.side_grade(Side.NO)] += 1
        else:
            counted[found.code] += 1
    return counted


@pytest.mark.shared
def test_all_recorded_bucket_events_keep_a_grade_on_at_least_one_side(recorded: Path) -> None:
    rules = recorded / "catalog" / "weather_series_meta_2026-07-16.jsonl.gz"
    samples = read_rules([rules, PUBLIC])
    assert grades(weather(recorded), samples) == {(Grade.IF_DETERMINED, Grade.IF_DETERMINED): 240}
    assert grades(coins(recorded), samples) == {(Grade.CONDITIONAL, Grade.IF_DETERMINED): 216}


@pytest.mark.shared
def test_without_texts_none_of_them_is_certified(recorded: Path) -> None:
    assert grades(weather(recorded) | coins(recorded), {}) == {"rules_missing": 456}


@pytest.mark.shared
def test_texts_that_were_recorded_with_settled_events_are_read(recorded: Path) -> None:
    """749 events of five cities, 2024 and 2025; those of the first weeks lack their strike types and are refused."""
    counted: Counter[str] = Counter()
    for path in sorted((recorded.parent / "recorded2" / "events").glob("*.gz")):
        for row in lines(path):
            event, markets = row["event"], row.get("markets") or row["event"]["markets"]
            legs = [market({"strike_type": "", **m}) for m in markets]
            facts = EventFacts(event["event_ticker"], event["series_ticker"], True, "MECNET", tuple(legs))
            found = certify(facts)
            counted[found.kind if isinstance(found, Certificate) else found.code] += 1
    assert counted == {"tiling": 669, "mixed_strikes": 80}


def test_a_rules_file_gives_each_market_the_words_of_its_strikes() -> None:
    samples = read_rules([WEATHER_RULES, PUBLIC])
    for facts in (temperature(), price_range()):
        bare = EventFacts(
            f"{facts.series_ticker}-26JUL1917",
            facts.series_ticker,
            True,
            "MECNET",
            tuple(MarketFacts(m.ticker, "active", m.strike_type, m.floor_strike, m.cap_strike) for m in facts.markets),
        )
        filled = with_rules(bare, samples)
        assert all("Jul 19, 2026" in m.rules_primary for m in filled.markets)
        assert isinstance(certify(filled), Certificate)
        assert with_rules(facts, samples) == facts  # recorded texts stay
        assert with_rules(bare, {}) == bare


def test_a_file_that_is_none_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RulesFileError, match="cannot be read"):
        read_rules([tmp_path / "nothing.jsonl"])
    path = tmp_path / "odd.jsonl"
    path.write_text('{"series": "KXHIGHNY"}\n')
    with pytest.raises(RulesFileError, match="line 1"):
        read_rules([path])
