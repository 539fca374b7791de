"""Bodies in the exchange's shape, to be changed one field at a time. Values are invented."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

T = TypeVar("T")
Json = dict[str, Any]

MARKET: Json = {
    "ticker": "KXDEMO-26NOV23-A",
    "event_ticker": "KXDEMO-26NOV23",
    "market_type": "binary",
    "title": "Demo?",
    "yes_sub_title": "79° or below",
    "no_sub_title": "79° or below",
    "created_time": "2026-11-20T09:30:40.035951Z",
    "updated_time": "2026-11-21T14:00:00.801802Z",
    "open_time": "2026-11-21T14:00:00Z",
    "close_time": "2026-11-24T04:59:00Z",
    "expected_expiration_time": "2026-11-24T14:00:00Z",
    "latest_expiration_time": "2026-11-30T14:00:00Z",
    "settlement_timer_seconds": 3600,
    "status": "active",
    "notional_value_dollars": "1.0000",
    "yes_bid_dollars": "0.4000",
    "yes_bid_size_fp": "120.00",
    "yes_ask_dollars": "0.4300",
    "yes_ask_size_fp": "7.25",
    "no_bid_dollars": "0.5700",
    "no_ask_dollars": "0.6000",
    "last_price_dollars": "0.4100",
    "previous_yes_bid_dollars": "0.0000",
    "previous_yes_ask_dollars": "0.0000",
    "previous_price_dollars": "0.0000",
    "volume_fp": "5012.50",
    "volume_24h_fp": "310.00",
    "open_interest_fp": "2210.00",
    "result": "",
    "can_close_early": True,
    "expiration_value": "",
    "settlement_bounds_type": "default",
    "strike_type": "less",
    "cap_strike": 79.99999,
    "custom_strike": {"team": "08c52d1f"},
    "rules_primary": "If it is less than 80°, then the market resolves to Yes.",
    "rules_secondary": "",
    "price_level_structure": "tapered_deci_cent",
    "price_ranges": [
        {"start": "0.1000", "end": "0.9000", "step": "0.0100"},
        {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
        {"start": "0.9000", "end": "1.0000", "step": "0.0010"},
    ],
    "exchange_index": 2,
    "is_provisional": False,
}
EVENT: Json = {
    "event_ticker": "KXDEMO-26NOV23",
    "series_ticker": "KXDEMO",
    "title": "Demo high temperature",
    "sub_title": "On Nov 23",
    "collateral_return_type": "MECNET",
    "mutually_exclusive": True,
    "category": "Climate and Weather",
    "strike_date": "2026-11-24T03:59:00Z",
    "strike_period": "",
    "settlement_sources": [{"name": "NWS", "url": "https://example.org/cli"}],
    "last_updated_ts": "0001-01-01T00:00:00Z",
    "exchange_index": 2,
}
SERIES: Json = {
    "ticker": "KXDEMO",
    "frequency": "daily",
    "title": "Demo",
    "category": "Climate and Weather",
    "categories": ["Climate and Weather"],
    "tags": None,
    "settlement_sources": None,
    "contract_url": "",
    "contract_terms_url": "",
    "fee_type": "quadratic",
    "fee_multiplier": 0.5,
    "additional_prohibitions": None,
    "exchange_index": 2,
}
ORDER: Json = {
    "order_id": "c0a8f3d2-1111-4222-8333-444455556666",
    "user_id": "aa11bb22-cc33-4d44-8e55-ff6677889900",
    "client_order_id": "7f1c9f0e-2b7e-4c55-9a33-0c7c3a9d1e01",
    "ticker": "KXDEMO-26NOV23-A",
    "side": "yes",
    "action": "buy",
    "outcome_side": "yes",
    "book_side": "bid",
    "type": "limit",
    "status": "executed",
    "yes_price_dollars": "0.4300",
    "no_price_dollars": "0.5700",
    "initial_count_fp": "7.25",
    "fill_count_fp": "7.25",
    "remaining_count_fp": "0.00",
    "taker_fill_cost_dollars": "3.117500",
    "maker_fill_cost_dollars": "0.000000",
    "taker_fees_dollars": "0.124400",
    "maker_fees_dollars": "0.000000",
    "created_time": "2026-11-23T02:13:21.450Z",
    "exchange_index": 2,
}
FILL: Json = {
    "fill_id": "5b7d2b8e-7a0f-4a1c-9a52-77f6b8a1c001",
    "trade_id": "5b7d2b8e-7a0f-4a1c-9a52-77f6b8a1c001",
    "order_id": ORDER["order_id"],
    "ticker": "KXDEMO-26NOV23-A",
    "market_ticker": "KXDEMO-26NOV23-A",
    "outcome_side": "no",
    "book_side": "ask",
    "count_fp": "7.25",
    "yes_price_dollars": "0.4300",
    "no_price_dollars": "0.5700",
    "is_taker": True,
    "fee_cost": "0.124400",
    "created_time": "2026-11-23T02:13:21.456Z",
    "ts": 1795400001,
    "exchange_index": 2,
}
POSITION: Json = {
    "ticker": "KXDEMO-26NOV23-A",
    "exchange_index": 2,
    "position_fp": "-7.25",
    "total_traded_dollars": "3.1175",
    "market_exposure_dollars": "4.132500",
    "realized_pnl_dollars": "-0.010000",
    "fees_paid_dollars": "0.124400",
    "last_updated_ts": "2026-11-23T02:13:21Z",
}
SETTLEMENT: Json = {
    "ticker": "KXDEMO-26NOV23-A",
    "exchange_index": 2,
    "event_ticker": "KXDEMO-26NOV23",
    "market_result": "yes",
    "yes_count_fp": "7.25",
    "yes_total_cost_dollars": "3.117500",
    "no_count_fp": "0.00",
    "no_total_cost_dollars": "0.0000",
    "revenue": 725,
    "settled_time": "2026-11-24T15:00:00Z",
    "fee_cost": "0.1244",
    "value": 100,
}
TICKER: Json = {
    "type": "ticker",
    "sid": 2,
    "msg": {
        "market_ticker": "KXDEMO-26NOV23-A",
        "market_id": "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11",
        "price_dollars": "0.4100",
        "yes_bid_dollars": "0.4000",
        "yes_ask_dollars": "0.4300",
        "yes_bid_size_fp": "120.00",
        "yes_ask_size_fp": "7.25",
        "last_trade_size_fp": "3.00",
        "volume_fp": "5012.50",
        "open_interest_fp": "2210.00",
        "dollar_volume": 2090,
        "dollar_open_interest": 905,
        "ts": 1795400000,
        "ts_ms": 1795400000123,
        "time": "2026-11-23T02:13:20.123Z",
    },
    "sending_ts_ms": 1795400000125,
}
SNAPSHOT: Json = {
    "type": "orderbook_snapshot",
    "sid": 1,
    "seq": 1,
    "msg": {
        "market_ticker": "KXDEMO-26NOV23-A",
        "market_id": "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11",
        "clock": 9001,
        "yes_dollars_fp": [["0.3900", "40.00"], ["0.4000", "120.00"]],
        "no_dollars_fp": [["0.5500", "30.00"], ["0.5700", "7.25"]],
    },
}
DELTA: Json = {
    "type": "orderbook_delta",
    "sid": 1,
    "seq": 2,
    "msg": {
        "market_ticker": "KXDEMO-26NOV23-A",
        "market_id": "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11",
        "clock": 9004,
        "price_dollars": "0.5700",
        "delta_fp": "-7.25",
        "side": "no",
        "ts_ms": 1795400001456,
        "ts": "2026-11-23T02:13:21.456Z",
    },
}
TRADE_FRAME: Json = {
    "type": "trade",
    "sid": 5,
    "seq": 1,
    "msg": {
        "trade_id": FILL["trade_id"],
        "market_ticker": "KXDEMO-26NOV23-A",
        "yes_price_dollars": "0.4300",
        "no_price_dollars": "0.5700",
        "count_fp": "7.25",
        "taker_side": "yes",
        "taker_outcome_side": "yes",
        "taker_book_side": "bid",
        "is_block_trade": False,
        "ts": 1795400001,
        "ts_ms": 1795400001456,
    },
}
FILL_FRAME: Json = {
    "type": "fill",
    "sid": 4,
    "msg": {
        "trade_id": FILL["trade_id"],
        "order_id": ORDER["order_id"],
        "client_order_id": ORDER["client_order_id"],
        "market_ticker": "KXDEMO-26NOV23-A",
        "exchange_index": 2,
        "is_taker": True,
        "side": "yes",
        "action": "buy",
        "purchased_side": "yes",
        "outcome_side": "yes",
        "book_side": "bid",
        "yes_price_dollars": "0.4300",
        "count_fp": "7.25",
        "fee_cost": "0.124400",
        "post_position_fp": "-7.25",
        "ts": 1795400001,
        "ts_ms": 1795400001456,
        "subaccount": 0,
    },
}
USER_ORDER: Json = {
    "type": "user_order",
    "sid": 6,
    "msg": {
        **{key: ORDER[key] for key in ("order_id", "user_id", "client_order_id", "ticker", "exchange_index")},
        "status": "executed",
        "side": "yes",
        "is_yes": True,
        "outcome_side": "yes",
        "book_side": "bid",
        "yes_price_dollars": "0.4300",
        "initial_count_fp": "7.25",
        "fill_count_fp": "7.25",
        "remaining_count_fp": "0.00",
        "taker_fill_cost_dollars": "3.117500",
        "maker_fill_cost_dollars": "0.000000",
        "taker_fees_dollars": "0.124400",
        "maker_fees_dollars": "0.000000",
        "created_time": "2026-11-23T02:13:21.450Z",
        "created_ts_ms": 1795400001450,
        "last_updated_ts_ms": 1795400001456,
        "last_update_reason": "Trade",
        "subaccount_number": 0,
    },
}
POSITION_FRAME: Json = {
    "type": "market_position",
    "sid": 7,
    "msg": {
        "user_id": ORDER["user_id"],
        "market_ticker": "KXDEMO-26NOV23-A",
        "position_fp": "7.25",
        "position_cost_dollars": "3.117500",
        "realized_pnl_dollars": "0.000000",
        "fees_paid_dollars": "0.124400",
        "position_fee_cost_dollars": "0.124400",
        "volume_fp": "7.25",
    },
}
DETERMINED: Json = {
    "type": "market_lifecycle_v2",
    "sid": 8,
    "seq": 1,
    "msg": {
        "market_ticker": "KXDEMO-26NOV23-A",
        "event_type": "determined",
        "determination_ts": 1795486400,
        "result": "yes",
        "settlement_value": "1.0000",
    },
}
EVENT_FEE: Json = {
    "type": "event_fee_update",
    "sid": 8,
    "seq": 2,
    "msg": {"event_ticker": "KXDEMO-26NOV23", "fee_type_override": "quadratic", "fee_multiplier_override": 0.5},
}
EVENT_CREATED: Json = {
    "type": "event_lifecycle",
    "sid": 8,
    "seq": 3,
    "msg": {
        "event_ticker": "KXDEMO-26NOV24",
        "exchange_index": 0,
        "title": "Demo high temperature",
        "subtitle": "Nov 24",
        "collateral_return_type": "MECNET",
        "series_ticker": "KXDEMO",
    },
}
GROUP_FRAME: Json = {
    "type": "order_group_updates",
    "sid": 9,
    "seq": 1,
    "msg": {
        "event_type": "limit_updated",
        "order_group_id": "g1",
        "contracts_limit_fp": "50.00",
        "ts_ms": 1795400001456,
    },
}
FRAMES = [
    TICKER,
    SNAPSHOT,
    DELTA,
    TRADE_FRAME,
    FILL_FRAME,
    USER_ORDER,
    POSITION_FRAME,
    DETERMINED,
    EVENT_FEE,
    EVENT_CREATED,
    GROUP_FRAME,
]
BOOK: Json = {
    "yes_dollars": [["0.4000", "12.00"], ["0.4100", "50.50"]],
    "no_dollars": [["0.5500", "30.00"], ["0.5700", "7.25"]],
}
TRADE: Json = {
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
CREATED: Json = {
    "order_id": "o",
    "client_order_id": "c",
    "fill_count": "3.00",
    "remaining_count": "4.25",
    "average_fill_price": "0.423333",
    "average_fee_paid": "0.017200",
    "ts_ms": 1,
}


def present(value: T | None) -> T:
    """A value that must be there."""
    assert value is not None
    return value


def but(body: Json, **changes: Any) -> Json:
    """``body`` with fields replaced; a change of ``...`` takes the field away. ``msg__side`` reaches inside."""
    made = copy.deepcopy(body)
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = made
        for parent in parents:
            inner = inner[parent]
        if value is ...:
            inner.pop(last, None)
        else:
            inner[last] = value
    return made
