"""Bodies of the public catalogue into integer units: what is read, what is carried, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kalbot.common.units import Price
from markets.kalshi.errors import SchemaError
from markets.kalshi.grid import PriceBand
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.schemas.market import Market
from markets.kalshi.schemas.pages import (
    parse_event,
    parse_event_fee_page,
    parse_event_page,
    parse_market,
    parse_market_page,
    parse_orderbook,
    parse_orderbooks,
    parse_series,
    parse_series_fee_changes,
    parse_series_list,
    parse_trade_page,
)
from markets.kalshi.vocabulary import MarketResult, MarketStatus, MarketType, Side, StrikeType

from .bodies import BOOK, EVENT, MARKET, SERIES, TRADE, but, present


def j(body: Any) -> bytes:
    return json.dumps(body).encode()


def market(**changes: Any) -> Market:
    return parse_market(j({"market": but(MARKET, **changes)}))


def test_a_market_is_read_exactly() -> None:
    m = market()
    assert (m.yes_bid, m.yes_bid_size, m.yes_ask, m.yes_ask_size) == (4000, 12000, 4300, 725)
    assert (m.no_bid, m.no_ask) == (5700, 6000)
    assert (m.last_price, m.volume, m.volume_24h, m.open_interest) == (4100, 501250, 31000, 221000)
    assert m.notional_value == 1_000_000
    assert (m.floor_strike, m.cap_strike) == (None, Decimal("79.99999"))
    assert m.close_time == datetime(2026, 11, 24, 4, 59, tzinfo=UTC)
    assert m.price_bands[0] == PriceBand(Price(0), Price(1000), Price(10))
    assert [band.start for band in m.price_bands] == [0, 1000, 9000]
    assert (m.status, m.result, m.exchange_index, m.mve) == (MarketStatus.ACTIVE, MarketResult.NONE, 2, False)
    assert (m.custom_strike, m.can_close_early, m.settlement_timer_seconds) == ({"team": "08c52d1f"}, True, 3600)


@pytest.mark.parametrize("sentinel", ["0.0000", "1.0000", None])
def test_a_side_without_size_has_no_price_whatever_the_price_field_says(sentinel: str | None) -> None:
    m = market(yes_ask_dollars=sentinel, yes_ask_size_fp="0.00")
    assert (m.yes_ask, m.yes_ask_size, m.no_bid) == (None, 0, None)
    assert m.yes_bid == 4000


def test_a_side_whose_size_is_not_said_has_no_price() -> None:
    m = market(yes_bid_size_fp=..., yes_ask_size_fp=...)
    assert m.yes_bid is m.yes_ask is m.no_bid is m.no_ask is None


@pytest.mark.parametrize(
    "change",
    [
        {"yes_bid_dollars": "0.0000"},
        {"yes_ask_dollars": "1.0000"},
        {"yes_bid_dollars": "0.40001"},
        {"yes_bid_dollars": 40},
        {"yes_bid_dollars": "0,40"},
        {"yes_bid_dollars": "4e-1"},
        {"yes_bid_dollars": "٠.٤"},
        {"yes_bid_dollars": "-0.4000"},
        {"yes_bid_dollars": "0.4300"},
        {"yes_bid_size_fp": "-1.00"},
        {"yes_bid_size_fp": "1.005"},
        {"yes_bid_dollars": ...},
        {"volume_fp": "-1.00"},
        {"result": "maybe"},
        {"settlement_value_dollars": "1.0001"},
        {"close_time": "2026-11-24T04:59:00"},
        {"close_time": "soon"},
        {"price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0000"}]},
        {"status": ...},
        {"ticker": ...},
        {"market_type": ...},
        {"cap_strike": "high"},
    ],
)
def test_what_touches_money_is_refused_when_it_is_absent_unknown_or_inexact(change: Json) -> None:
    with pytest.raises(SchemaError):
        market(**change)


def test_unknown_words_that_do_not_touch_money_are_carried_on() -> None:
    m = market(status="frozen", market_type="ternary", strike_type="fuzzy", settlement_bounds_type="cap")
    assert (m.status, m.market_type, m.strike_type) == ("frozen", "ternary", "fuzzy")
    assert [word.is_known for word in (m.status, m.market_type, present(m.strike_type))] == [False] * 3
    assert m.status is not MarketStatus.ACTIVE
    assert m.status.name == "UNKNOWN"
    assert MarketType("binary") is MarketType.BINARY
    assert StrikeType("less").is_known


def test_unknown_fields_are_ignored() -> None:
    assert market(brand_new={"a": [1]}) == market()


@pytest.mark.parametrize(
    "change",
    [
        {"mve_collection_ticker": "KXMVE-1"},
        {"mve_selected_legs": [{"market_ticker": "A", "side": "yes"}]},
        {"ticker": "KXMVESPORTS-1"},
    ],
)
def test_combos_are_known_by_any_of_three_marks(change: Json) -> None:
    assert market(**change).mve


def test_strikes_are_never_floats() -> None:
    body = j({"market": MARKET}).replace(b"79.99999", b"79.10000000000000000555111512")
    assert parse_market(body).cap_strike == Decimal("79.10000000000000000555111512")


@pytest.mark.parametrize("strike", [b"79.1000000000000000055511151231257827", b"1e32", b"1e-31", b"-1e999", b"1e-999"])
def test_strike_that_cannot_be_kept_exactly_is_refused(strike: bytes) -> None:
    with pytest.raises(SchemaError, match="no decimal"):
        parse_market(j({"market": MARKET}).replace(b"79.99999", strike))


def test_a_market_of_which_nothing_is_known_but_its_name_has_no_prices_and_no_grid() -> None:
    m = parse_market(b'{"market":{"ticker":"A","event_ticker":"E","market_type":"binary","status":"active"}}')
    prices: set[int | None] = {m.yes_bid, m.yes_ask, m.last_price, m.notional_value}
    assert prices == {None}
    assert m.close_time is None
    assert (m.price_bands, m.volume, m.exchange_index) == ((), 0, 0)


def page(*events: Any, cursor: Any = "next") -> bytes:
    return j({"events": list(events), "cursor": cursor, "milestones": []})


def test_an_event_comes_with_its_markets() -> None:
    found = parse_event_page(page({**EVENT, "markets": [MARKET]}))
    (event,) = found.events
    assert (event.event_ticker, event.mutually_exclusive, event.exchange_index) == ("KXDEMO-26NOV23", True, 2)
    assert event.last_updated is None
    assert event.fee_type_override is None
    assert [m.ticker for m in event.markets] == ["KXDEMO-26NOV23-A"]
    assert (found.cursor, found.rejected) == ("next", ())


def test_an_event_with_one_unreadable_market_is_refused_whole_and_the_others_are_not() -> None:
    broken = {**EVENT, "event_ticker": "BAD", "markets": [but(MARKET, event_ticker="BAD", yes_bid_dollars=40)]}
    found = parse_event_page(page(broken, {**EVENT, "markets": [MARKET]}))
    assert [e.event_ticker for e in found.events] == ["KXDEMO-26NOV23"]
    (rejected,) = found.rejected
    assert "yes_bid_dollars" in rejected.reason
    assert "BAD" in rejected.sample


@pytest.mark.parametrize(
    "markets",
    [[MARKET, MARKET], [but(MARKET, event_ticker="ANOTHER")]],
    ids=["listed twice", "of another event"],
)
def test_markets_that_do_not_belong_refuse_the_event(markets: list[Json]) -> None:
    assert len(parse_event_page(page({**EVENT, "markets": markets})).rejected) == 1


def test_an_unknown_fee_type_is_carried_raw_for_the_fee_module_to_refuse() -> None:
    event = {**EVENT, "fee_type_override": "margin_market_maker_program_fees", "fee_multiplier_override": 0.25}
    (found,) = parse_event_page(page(event)).events
    assert found.fee_type_override == "margin_market_maker_program_fees"
    assert found.fee_multiplier_override == Decimal("0.25")


@pytest.mark.parametrize("cursor", ["", None])
def test_the_last_page_has_an_empty_cursor(cursor: str | None) -> None:
    assert parse_event_page(page(cursor=cursor)).cursor == ""


def test_a_body_that_is_no_page_is_refused() -> None:
    for body in (b"", b"[]", b'{"events": {}}', b'{"cursor": ""}', b"\xff", b"<html>"):
        with pytest.raises(SchemaError):
            parse_event_page(body)


def test_a_single_event_takes_its_markets_from_inside_or_beside() -> None:
    inside = parse_event(j({"event": {**EVENT, "markets": [MARKET]}, "markets": []}))
    beside = parse_event(j({"event": EVENT, "markets": [MARKET]}))
    assert inside.markets == beside.markets != ()


def test_a_page_of_markets_counts_what_it_refuses() -> None:
    found = parse_market_page(j({"markets": [MARKET, but(MARKET, result="maybe")], "cursor": ""}))
    assert (len(found.markets), len(found.rejected)) == (1, 1)


def test_a_series_is_read_with_nulls_in_its_lists() -> None:
    s = parse_series(j({"series": SERIES}))
    assert (s.fee_type, s.fee_multiplier, s.tags, s.settlement_sources) == ("quadratic", Decimal("0.5"), (), ())
    listed = parse_series_list(j({"series": [SERIES, but(SERIES, fee_multiplier=...)]}))
    assert [x.ticker for x in listed] == ["KXDEMO"]
    assert len(listed.rejected) == 1


def test_fee_changes_are_read_and_a_cleared_override_is_none() -> None:
    body = j(
        {
            "event_fee_changes": [
                {
                    "id": "1",
                    "event_ticker": "E",
                    "series_ticker": "S",
                    "fee_type_override": None,
                    "fee_multiplier_override": None,
                    "scheduled_ts": "2026-11-24T00:00:00Z",
                }
            ],
            "cursor": "",
        }
    )
    ((change,), cursor) = parse_event_fee_page(body)
    assert (change.event_ticker, change.fee_type, change.fee_multiplier, cursor) == ("E", None, None, "")
    series = {
        "id": "2",
        "series_ticker": "S",
        "fee_type": "flat",
        "fee_multiplier": 1,
        "scheduled_ts": "2026-11-24T00:00:00Z",
    }
    (change,) = parse_series_fee_changes(j({"series_fee_change_arr": [series]}))
    assert (change.fee_type, change.fee_multiplier) == ("flat", Decimal(1))


def test_a_book_is_sorted_best_first_and_shows_the_asks_of_the_protocol_example() -> None:
    book = parse_orderbook(j({"orderbook_fp": BOOK}))
    assert book.yes == ((4100, 5050), (4000, 1200))
    assert book.no == ((5700, 725), (5500, 3000))
    assert book.yes_ask == (4300, 725)
    assert book.no_ask == (5900, 5050)
    shuffled = {side: levels[::-1] for side, levels in BOOK.items()}
    assert parse_orderbook(j({"orderbook_fp": shuffled})) == book


@pytest.mark.parametrize("levels", [[], None])
def test_an_empty_side_has_no_ask_opposite(levels: list[list[str]] | None) -> None:
    book = parse_orderbook(j({"orderbook_fp": {**BOOK, "no_dollars": levels}}))
    assert (book.no, book.yes_ask) == ((), None)


@pytest.mark.parametrize(
    "yes",
    [
        [["0.4300", "1.00"]],
        [["0.4500", "1.00"]],
        [["0.4000", "1.00"], ["0.4000", "2.00"]],
        [["0.4000", "0.00"]],
        [["0.4000", "-1.00"]],
        [["0.0000", "1.00"]],
        [["1.0000", "1.00"]],
        [["0.4", "1", "x"]],
        [[0.4, 1]],
    ],
    ids=["locked", "crossed", "doubled", "empty", "negative", "at 0", "at 1", "three parts", "numbers"],
)
def test_a_book_that_cannot_be_is_refused(yes: list[list[str]]) -> None:
    with pytest.raises(SchemaError):
        parse_orderbook(j({"orderbook_fp": {**BOOK, "yes_dollars": yes}}))


def test_books_come_by_ticker() -> None:
    books = parse_orderbooks(j({"orderbooks": [{"ticker": "B", "orderbook_fp": BOOK}]}))
    assert list(books) == ["B"]


def test_a_trade_whose_prices_are_not_a_dollar_is_refused() -> None:
    ((trade,), _) = parse_trade_page(j({"trades": [TRADE], "cursor": ""}))
    assert (trade.taker_side, trade.count, trade.is_block_trade) == (Side.NO, 725, True)
    with pytest.raises(SchemaError, match="dollar"):
        parse_trade_page(j({"trades": [but(TRADE, no_price_dollars="0.5600")], "cursor": ""}))


def test_our_records_are_immutable() -> None:
    with pytest.raises(AttributeError):
        setattr(market(), "yes_bid", Price(1))  # noqa: B010 - the type checker refuses the plain assignment too
    assert msgspec.structs.fields(Market)
