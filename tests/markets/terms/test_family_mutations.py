"""Thousands of rows of a coin's family with one thing changed: refused, or certified for exactly what an independent reading of rule and
strikes says."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.families import FamilyCertificate, certify_family
from tests.markets.terms.test_families import member, thresholds
from tests.markets.terms.wording import price_range

NUMBER = r"\$?(-?[\d,]+(?:\.\d+)?)"
SAID = (
    (re.compile(rf"(?:greater than|above|over|more than|higher than) {NUMBER}"), "({0}, oo)"),
    (
        re.compile(rf"(?:at least|greater than or equal to) {NUMBER}|{NUMBER} or (?:above|more|higher|over)"),
        "[{0}, oo)",
    ),
    (re.compile(rf"(?:less than|below|under|lower than) {NUMBER}"), "(-oo, {0})"),
    (re.compile(rf"(?:at most|less than or equal to) {NUMBER}|{NUMBER} or (?:below|less|lower|under)"), "(-oo, {0}]"),
    (re.compile(rf"(?:between )?{NUMBER}(?:-| to | and ){NUMBER}"), "[{0}, {1}]"),
)
EDITS = "0123456789.,$- abcdefgnorstuvwxyABEPTYM()'\u00a0\u200b\u0435\u0661"
TYPES = (
    "greater",
    "greater_or_equal",
    "less",
    "less_or_equal",
    "between",
    "custom",
    "structured",
    "functional",
    "",
    "GREATER",
    "above",
)
TEXTS = (
    "x",
    "5",
    "$54,300 or above",
    "Ethereum",
    "on Coinbase",
    "Jul 18, 2026",
    "If no data is available, No.",
    "{}",
    "6 PM EDT",
)


def plainly(number: str) -> str:
    return f"{Decimal(number.replace(',', '')).normalize():f}"


def by_words(rule: str) -> tuple[str, str] | None:
    """(the values that a rule takes, the rule without them) by the one phrase that it has; None where it has none, or two."""
    found = []
    for pattern, shape in SAID:
        for match in pattern.finditer(rule):
            numbers = [plainly(number) for number in match.groups() if number is not None]
            found.append((match.end() - match.start(), match, shape.format(*numbers)))
    if not found:
        return None
    _, match, values = max(found, key=lambda one: one[0])
    rest = " ".join((rule[: match.start()] + "{}" + rule[match.end() :]).split()).removesuffix(".")
    return values, re.sub(r"(\d) ?([AP]M)\b", r"\1 \2", rest)


def by_strikes(market: MarketFacts) -> str | None:
    low, high = ("" if bound is None else plainly(str(bound)) for bound in (market.floor_strike, market.cap_strike))
    shapes = {
        "greater": "({0}, oo)",
        "greater_or_equal": "[{0}, oo)",
        "less": "(-oo, {1})",
        "less_or_equal": "(-oo, {1}]",
        "between": "[{0}, {1}]",
    }
    shape = shapes.get(market.strike_type)
    fits = shape is not None and ("{0}" in shape) is bool(low) and ("{1}" in shape) is bool(high)
    return shape.format(low, high) if shape is not None and fits else None


def edited(text: str, draw: random.Random) -> str:
    at, letter = draw.randrange(len(text) + 1), draw.choice(EDITS)
    return draw.choice(
        (text[:at] + letter + text[at:], text[:at] + text[at + 1 :], text[:at] + letter + text[at + 1 :])
    )


def moved(bound: Decimal | None, draw: random.Random) -> Decimal | None:
    others: list[Decimal | None] = [None, Decimal(0)]
    if bound is not None:
        others += [bound + Decimal("0.01"), bound + 1, -bound, bound * 10]
    return draw.choice(others)


MarketChange = Callable[[MarketFacts, random.Random], MarketFacts]
OF_MARKETS: dict[str, MarketChange] = {
    "rule": lambda m, draw: replace(m, rules_primary=edited(m.rules_primary, draw)),
    "note": lambda m, draw: replace(m, rules_secondary=edited(m.rules_secondary, draw)),
    "name": lambda m, draw: replace(m, yes_sub_title=edited(m.yes_sub_title, draw)),
    "floor": lambda m, draw: replace(m, floor_strike=moved(m.floor_strike, draw)),
    "cap": lambda m, draw: replace(m, cap_strike=moved(m.cap_strike, draw)),
    "type": lambda m, draw: replace(m, strike_type=draw.choice(TYPES)),
    "other side": lambda m, draw: replace(m, no_sub_title=draw.choice(TEXTS)),
    "title": lambda m, draw: replace(m, title=draw.choice(TEXTS)),
    "early close": lambda m, draw: replace(m, early_close_condition=draw.choice(TEXTS)),
    "function": lambda m, draw: replace(m, functional_strike=draw.choice(TEXTS)),
    "custom": lambda m, draw: replace(m, custom_strike=draw.choice(('{"a": "1"}', "5", '{"coin": "ETH"}'))),
    "odd": lambda m, draw: replace(m, unusual=draw.choice(TEXTS)),
    "kind": lambda m, draw: replace(m, market_type=draw.choice(("scalar", "", "BINARY"))),
    "rule and strike": lambda m, draw: replace(
        m,
        strike_type=(kind := draw.choice(("greater", "greater_or_equal", "less", "less_or_equal"))),
        floor_strike=Decimal(54_350) if kind.startswith("greater") else None,
        cap_strike=Decimal(54_350) if kind.startswith("less") else None,
        rules_primary=_said(m.rules_primary, f"{draw.choice(('above', 'at least', 'below', 'at most'))} 54,350"),
        yes_sub_title="",
    ),
}
OF_EVENTS: dict[str, Callable[[EventFacts, random.Random], EventFacts]] = {
    "title": lambda e, draw: replace(e, title=draw.choice(TEXTS)),
    "sub title": lambda e, draw: replace(e, sub_title=draw.choice(TEXTS)),
    "sources": lambda e, draw: replace(e, sources=(draw.choice(("Coinbase https://coinbase.com", "CF Benchmarks ")),)),
    "date": lambda e, draw: replace(
        e, strike_date=draw.choice(("2026-07-17", "2026-07-18", "2025-07-17", "2026-08-17"))
    ),
    "period": lambda e, draw: replace(e, strike_period=draw.choice(TEXTS)),
    "metadata": lambda e, draw: replace(e, metadata=(("scope", draw.choice(TEXTS)),)),
    "return": lambda e, draw: replace(e, collateral_return_type=draw.choice(("MECNET", "", "ELSE"))),
    "exclusive": lambda e, draw: replace(e, mutually_exclusive=not e.mutually_exclusive),
}


def _said(rule: str, phrase: str) -> str:
    read = by_words(rule)
    assert read is not None
    return read[1].replace("{}", phrase)


def written(found: FamilyCertificate) -> dict[str, str]:
    """The values of each market as intervals in words."""
    rows = {}
    for ticker, one in found.intervals.items():
        low = "(-oo" if one.low is None else ("[" if one.low_in else "(") + plainly(str(one.low))
        high = "oo)" if one.high is None else plainly(str(one.high)) + ("]" if one.high_in else ")")
        rows[ticker] = f"{low}, {high}"
    return rows


def one_change(draw: random.Random) -> tuple[str, list[EventFacts]]:
    events = [price_range(), thresholds()]
    number = draw.randrange(2)
    if draw.random() < 0.1:
        name = draw.choice(sorted(OF_EVENTS))
        events[number] = OF_EVENTS[name](events[number], draw)
        return f"event {name}", events
    name, markets = draw.choice(sorted(OF_MARKETS)), list(events[number].markets)
    at = draw.randrange(len(markets))
    markets[at] = OF_MARKETS[name](markets[at], draw)
    events[number] = replace(events[number], markets=tuple(markets))
    return name, events


@pytest.mark.parametrize("first", range(0, 2_000, 1_000))
def test_one_change_is_refused_or_read_as_it_says(first: int) -> None:
    given = refused = 0
    for seed in range(first, first + 1_000):
        name, events = one_change(random.Random(f"one change {seed}"))
        found = certify_family([member(event) for event in events])
        if not isinstance(found, FamilyCertificate):
            assert found.code
            assert found.sentence
            refused += 1
            continue
        given += 1
        markets = {market.ticker: market for event in events for market in event.markets}
        said = {ticker: by_words(market.rules_primary) for ticker, market in markets.items()}
        assert None not in said.values(), (seed, name)
        values = {ticker: read[0] for ticker, read in said.items() if read is not None}
        assert written(found) == values, (seed, name)
        assert values == {ticker: by_strikes(market) for ticker, market in markets.items()}, (seed, name)
        assert len({read[1] for read in said.values() if read is not None}) == 1, (seed, name)
        assert len({" ".join(market.rules_secondary.split()) for market in markets.values()}) == 1, (seed, name)
        exclusive = [event for event in events if event.mutually_exclusive or event.collateral_return_type == "MECNET"]
        for event in exclusive:
            paying = [[t for t in row if t in {m.ticker for m in event.markets}] for row in found.atoms.paying()]
            assert max(map(len, paying)) <= 1, (seed, name)
    assert given > 20
    assert refused > 500
