"""Bodies of the REST API into integer units: what is read, what is carried, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kalbot.common.units import Price
from markets.kalshi.errors import InsufficientBalance, SchemaError
from markets.kalshi.grid import PriceBand
from markets.kalshi.rest.orders import ORDER_LISTING
from markets.kalshi.rest.portfolio import FILL_LISTING, POSITION_LISTING, SETTLEMENT_LISTING
from markets.kalshi.schemas import answers
from markets.kalshi.schemas.account import KEYS, LIMITS, build_keys, build_limits
from markets.kalshi.schemas.boundary import Json, parse
from markets.kalshi.schemas.exchange import SCHEDULE, STATUS, build_schedule, build_status
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
from markets.kalshi.schemas.portfolio import BALANCE, SHARD_TRANSFER, build_balance, build_shard_transfer
from markets.kalshi.vocabulary import MarketResult, MarketStatus, MarketType, OrderStatus, Side, StrikeType

from .bodies import EVENT, FILL, MARKET, ORDER, POSITION, SERIES, SETTLEMENT, but, present


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
    body = j({"market": MARKET}).replace(b"79.99999", b"79.1000000000000000055511151231257827")
    assert parse_market(body).cap_strike == Decimal("79.1000000000000000055511151231257827")


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
def test_markets_that_do_not_belong_refuse_the_event(markets: list[Market]) -> None:
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


BOOK = {
    "yes_dollars": [["0.4000", "12.00"], ["0.4100", "50.50"]],
    "no_dollars": [["0.5500", "30.00"], ["0.5700", "7.25"]],
}


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


TRADE = {
    "trade_id": "t",
    "ticker": "A",
    "count_fp": "7.25",
    "yes_price_dollars": "0.4300",
    "no_price_dollars": "0.5700",
    "taker_outcome_side": "no",
    "taker_book_side": "ask",
    "created_time": "2026-11-23T02:13:21Z",
    "is_block_trade": True,
}


def test_a_trade_whose_prices_are_not_a_dollar_is_refused() -> None:
    ((trade,), _) = parse_trade_page(j({"trades": [TRADE], "cursor": ""}))
    assert (trade.taker_side, trade.count, trade.is_block_trade) == (Side.NO, 725, True)
    with pytest.raises(SchemaError, match="dollar"):
        parse_trade_page(j({"trades": [but(TRADE, no_price_dollars="0.5600")], "cursor": ""}))


def test_an_order_and_its_own_price() -> None:
    ((order,), cursor) = ORDER_LISTING.parse(j({"orders": [ORDER], "cursor": "x"}))
    assert (order.status, order.outcome_side, order.price, order.fees) == (
        OrderStatus.EXECUTED,
        Side.YES,
        4300,
        124_400,
    )
    assert (order.fill_count, order.taker_fill_cost, cursor) == (725, 3_117_500, "x")
    ((order,), _) = ORDER_LISTING.parse(j({"orders": [but(ORDER, outcome_side="no", book_side="ask")]}))
    assert order.price == 5700


@pytest.mark.parametrize(
    "change",
    [
        {"status": "pending"},
        {"outcome_side": "maybe"},
        {"outcome_side": "no"},
        {"book_side": ...},
        {"yes_price_dollars": "0.4400"},
        {"fill_count_fp": "-1.00"},
        {"client_order_id": ...},
        {"remaining_count_fp": 0},
    ],
)
def test_an_own_order_that_cannot_be_trusted_refuses_the_whole_page(change: Json) -> None:
    with pytest.raises(SchemaError):
        ORDER_LISTING.parse(j({"orders": [ORDER, but(ORDER, **change)], "cursor": ""}))


def test_a_fill_has_its_exact_fee_and_the_price_of_its_side() -> None:
    ((fill,), _) = FILL_LISTING.parse(j({"fills": [FILL], "cursor": ""}))
    assert (fill.fee, fill.price, fill.count, fill.outcome_side) == (124_400, 5700, 725, Side.NO)
    for change in ({"count_fp": "0.00"}, {"book_side": "bid"}, {"fee_cost": ...}, {"fee_cost": "0.1234567"}):
        with pytest.raises(SchemaError):
            FILL_LISTING.parse(j({"fills": [but(FILL, **change)], "cursor": ""}))


def test_a_position_is_signed_and_a_settlement_is_in_money() -> None:
    ((position,), _) = POSITION_LISTING.parse(j({"market_positions": [POSITION], "event_positions": []}))
    assert (position.position, position.realized_pnl) == (-725, -10_000)
    ((settled,), _) = SETTLEMENT_LISTING.parse(j({"settlements": [SETTLEMENT], "cursor": None}))
    assert (settled.revenue, settled.value, settled.market_result) == (7_250_000, 10_000, MarketResult.YES)
    for change in ({"market_result": "void"}, {"market_result": ""}, {"revenue": 7.25}, {"value": 101}):
        with pytest.raises(SchemaError):
            SETTLEMENT_LISTING.parse(j({"settlements": [but(SETTLEMENT, **change)]}))


def test_a_balance_is_exact_where_dollars_are_sent_and_says_what_lies_where() -> None:
    body = {
        "balance": 123,
        "balance_dollars": "1.2399",
        "portfolio_value": 500,
        "updated_ts": 1795400000,
        "balance_breakdown": [{"exchange_index": 2, "balance": "1.0000"}],
    }
    balance = parse(BALANCE, build_balance, j(body))
    assert (balance.available, balance.portfolio_value) == (1_239_900, 5_000_000)
    assert (balance.on_shard(2), balance.on_shard(0)) == (1_000_000, None)
    del body["balance_dollars"]
    assert parse(BALANCE, build_balance, j(body)).available == 1_230_000


CREATED = {
    "order_id": "o",
    "client_order_id": "c",
    "fill_count": "3.00",
    "remaining_count": "4.25",
    "average_fill_price": "0.423333",
    "average_fee_paid": "0.017200",
    "ts_ms": 1,
}


def test_a_create_answer_says_whether_something_rests() -> None:
    result = parse(answers.CREATE, answers.build_create, j(CREATED))
    assert (result.fill_count, result.remaining_count, result.is_resting) == (300, 425, True)
    assert (result.average_yes_price, result.average_fee) == (423_333, 17_200)
    for change in ({"order_id": ...}, {"order_id": ""}, {"fill_count": None}, {"remaining_count": "x"}):
        with pytest.raises(SchemaError):
            parse(answers.CREATE, answers.build_create, j(but(CREATED, **change)))


def test_batch_items_are_results_or_refusals_by_their_own_code() -> None:
    failed = {
        "client_order_id": "d",
        "fill_count": None,
        "remaining_count": None,
        "error": {"code": "insufficient_balance", "message": "no"},
    }
    items = parse(answers.BATCH_CREATE, answers.build_batch_create, j({"orders": [CREATED, failed]}))
    assert items[0].error is None
    assert isinstance(items[0].result, answers.CreateResult)
    assert items[0].result.order_id == "o"
    assert items[1].result is None
    assert isinstance(items[1].error, InsufficientBalance)


STATUS_BODY = {
    "exchange_active": True,
    "trading_active": True,
    "intra_exchange_transfers_active": True,
    "exchange_estimated_resume_time": None,
}
SHARD = {
    "exchange_index": 2,
    "description": "Crypto",
    "exchange_active": True,
    "trading_active": False,
    "intra_exchange_transfers_active": True,
}


def test_a_shard_trades_only_if_the_exchange_says_so() -> None:
    status = parse(STATUS, build_status, j({**STATUS_BODY, "exchange_index_statuses": [SHARD]}))
    assert [status.can_trade(n) for n in (0, 1, 2)] == [True, False, False]
    status = parse(STATUS, build_status, j({**STATUS_BODY, "trading_active": False}))
    assert not status.can_trade(0)


def test_maintenance_is_known_beforehand() -> None:
    week = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    days = {day: [{"open_time": "00:00", "close_time": "00:00"}] for day in week}
    body = {
        "schedule": {
            "standard_hours": [{"start_time": "2026-01-01T00:00:00Z", "end_time": "2027-01-01T00:00:00Z", **days}],
            "maintenance_windows": [
                {"start_datetime": "2026-11-26T03:00:00-05:00", "end_datetime": "2026-11-26T05:00:00-05:00"}
            ],
        }
    }
    schedule = parse(SCHEDULE, build_schedule, j(body))
    assert schedule.maintenance_at(datetime(2026, 11, 26, 8, 0, tzinfo=UTC)) is schedule.maintenance[0]
    assert schedule.maintenance_at(datetime(2026, 11, 26, 10, 0, tzinfo=UTC)) is None
    assert len(schedule.weeks[0].days) == 7


def test_limits_scopes_and_the_keys_region_expiry() -> None:
    bucket = {"refill_rate": 200, "bucket_capacity": 600}
    limits = parse(LIMITS, build_limits, j({"usage_tier": "new", "read": bucket, "write": bucket, "grants": []}))
    assert (limits.usage_tier, limits.read.bucket_capacity) == ("new", 600)
    with pytest.raises(SchemaError):
        parse(LIMITS, build_limits, j({"usage_tier": "x", "read": bucket, "write": {**bucket, "refill_rate": 0}}))
    keys = parse(
        KEYS,
        build_keys,
        j(
            {
                "api_keys": [{"api_key_id": "k", "name": "n", "scopes": ["read", "write::trade"], "subaccount": None}],
                "api_key_region_expiration_ts": 1795400000,
            }
        ),
    )
    key = keys.get("k")
    assert key is not None
    assert keys.get("other") is None
    assert (key.allows("write::trade"), key.allows("write::transfer"), key.allows("read::portfolio_balance")) == (
        True,
        False,
        True,
    )
    assert keys.region_expiration == datetime.fromtimestamp(1795400000, UTC)


def test_a_shard_transfer_is_complete_when_it_says_so() -> None:
    body = {
        "transfer_id": "t",
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": 0,
        "destination_exchange_shard": 2,
        "amount": "12.3400",
        "status": "pending",
        "created_ts": 1795400000,
    }
    transfer = parse(SHARD_TRANSFER, build_shard_transfer, j(body))
    assert (transfer.amount, transfer.is_complete) == (12_340_000, False)
    assert parse(SHARD_TRANSFER, build_shard_transfer, j({**body, "status": "complete"})).is_complete


def test_our_records_are_immutable() -> None:
    with pytest.raises(AttributeError):
        setattr(market(), "yes_bid", Price(1))  # noqa: B010 - the type checker refuses the plain assignment too
    assert msgspec.structs.fields(Market)
