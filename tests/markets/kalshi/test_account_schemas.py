"""Bodies about the account and the exchange into integer units: orders, fills, cash, limits, status."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from markets.kalshi.errors import InsufficientBalance, SchemaError
from markets.kalshi.rest.orders import ORDER_LISTING
from markets.kalshi.rest.portfolio import FILL_LISTING, POSITION_LISTING, SETTLEMENT_LISTING
from markets.kalshi.schemas import answers
from markets.kalshi.schemas.account import KEYS, LIMITS, build_keys, build_limits
from markets.kalshi.schemas.boundary import Json, parse
from markets.kalshi.schemas.exchange import SCHEDULE, STATUS, build_schedule, build_status
from markets.kalshi.schemas.portfolio import BALANCE, SHARD_TRANSFER, build_balance, build_shard_transfer
from markets.kalshi.vocabulary import MarketResult, OrderStatus, Side

from .bodies import CREATED, FILL, ORDER, POSITION, SETTLEMENT, but


def j(body: Any) -> bytes:
    return json.dumps(body).encode()


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


@pytest.mark.parametrize("client_order_id", [None, "", ...])
def test_an_order_placed_by_hand_has_no_client_id(client_order_id: object) -> None:
    ((order,), _) = ORDER_LISTING.parse(j({"orders": [but(ORDER, client_order_id=client_order_id)]}))
    assert order.client_order_id == ""


@pytest.mark.parametrize(
    "change",
    [
        {"status": "pending"},
        {"outcome_side": "maybe"},
        {"outcome_side": "no"},
        {"book_side": ...},
        {"yes_price_dollars": "0.4400"},
        {"fill_count_fp": "-1.00"},
        {"order_id": ...},
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
