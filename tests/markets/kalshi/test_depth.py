"""A record nested deeper than any reader goes is its own trouble, and nothing else of its page is lost or changed."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from markets.kalshi.errors import SchemaError
from markets.kalshi.schemas.depth import DEEPEST, without_deep_records
from markets.kalshi.schemas.pages import parse_market_page, parse_orderbook, parse_series_fee_changes, parse_trade_page

from .bodies import MARKET, but

DEEP = b"[" * 50_000 + b"]" * 50_000


def market(ticker: str) -> bytes:
    return json.dumps(but(MARKET, ticker=ticker)).encode()


def deep(ticker: str) -> bytes:
    return market(ticker)[:-1] + b', "later": {"a": ' + DEEP + b"}}"


def page(*records: bytes, more: bytes = b"") -> bytes:
    return b'{"markets": [' + b", ".join(records) + b'], "cursor": "next"' + more + b"}"


def test_a_record_that_is_too_deep_is_named_and_its_neighbours_are_read() -> None:
    found = parse_market_page(page(market("A"), deep("B"), market("C"), deep("D")))
    assert ([m.ticker for m in found.markets], found.cursor) == (["A", "C"], "next")
    names = [msgspec.json.decode(one.sample + '"') for one in found.rejected]
    assert ['"B"' in names[0], '"D"' in names[1]] == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        page(market("A"), more=b', "later": {"a": ' + DEEP + b"}"),
        page(market("A"), deep("B"), more=b', "later": {"a": ' + DEEP + b"}"),
        page(deep("A").replace(b"]}}", b"}]}", 1)),
        page(deep("A"))[:-4],
        page(deep("A")) + b"]",
        page(deep("A"), b'{"an": "end'),
        b"[" + page(deep("A")) + b"]",
        DEEP,
        b"[" * 50_000,
    ],
)
def test_a_page_whose_records_cannot_be_separated_is_refused(body: bytes) -> None:
    with pytest.raises(SchemaError):
        parse_market_page(body)


def test_lists_of_which_every_record_counts_are_refused_whole() -> None:
    with pytest.raises(SchemaError):
        parse_trade_page(b'{"trades": [{"a": ' + DEEP + b"}]}")
    with pytest.raises(SchemaError):
        parse_series_fee_changes(b'{"series_fee_change_arr": [{"a": ' + DEEP + b"}]}")
    with pytest.raises(SchemaError):
        parse_orderbook(b'{"orderbook_fp": {"yes_dollars": [], "no_dollars": [], "a": ' + DEEP + b"}}")


def test_only_the_deep_records_of_a_random_page_change() -> None:
    """Texts full of brackets, quotes and backslashes; ``json`` is the judge of what the page says."""
    pick = random.Random(7)

    def value(left: int) -> object:
        if not left or pick.random() < 0.3:
            return "".join(pick.choice('[]{}"\\,:é \n') for _ in range(pick.randrange(6)))
        parts = [value(left - 1) for _ in range(pick.randrange(4))]
        return parts if pick.random() < 0.5 else {f'k"{n}': part for n, part in enumerate(parts)}

    def nested(levels: int) -> object:
        found: object = value(2)
        for _ in range(levels):
            found = [found] if pick.random() < 0.5 else {'"]': found}
        return found

    for _ in range(200):
        records = [nested(pick.choice((0, 3, 150, DEEPEST + 50))) for _ in range(5)]
        is_deep = [json.dumps(r).count("[") + json.dumps(r).count("{") > DEEPEST for r in records]
        body = json.dumps({"a": value(3), "records": records, "z": value(3)}).encode()
        if not any(is_deep):
            continue
        left = json.loads(without_deep_records(body))["records"]
        for record, kept, was_deep in zip(records, left, is_deep, strict=True):
            assert (isinstance(kept, str) and json.dumps(record).startswith(kept[:100])) if was_deep else kept == record
