"""Our wire shapes beside the official schemas. Whatever we leave out or add has its reason written here."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec

from markets.kalshi.scalars import Number, OptionalNumber
from markets.kalshi.schemas import (
    account,
    answers,
    candles,
    catalogue,
    exchange,
    funding,
    market,
    orderbook,
    orders,
    portfolio,
    programmes,
    series,
    trades,
)
from markets.kalshi.ws import lifecycle_wire, wire

Spec = dict[str, Any]

V1 = "deprecated direction word; outcome_side and book_side say it"
HISTORY = "yesterday's quote: nothing is decided on it"
TEXT = "text that nothing here shows or decides on"
DERIVED = "the complement of the other side, computed exactly"
SAME = "the same value under an older name"
DEAD = "deprecated by Kalshi, still sent"
NOT_OURS = "of a product we do not use (RFQ, combos, FCM)"
SELF = "our own account"
NOT_READ = "requested with a flag that we never set"
OUR_REQUEST = "what we sent ourselves"

LEFT_OUT: dict[str, dict[str, str]] = {
    "Market": {
        "subtitle": DEAD,
        "expiration_time": DEAD,
        "no_bid_dollars": DERIVED,
        "no_ask_dollars": DERIVED,
        "previous_yes_bid_dollars": HISTORY,
        "previous_yes_ask_dollars": HISTORY,
        "previous_price_dollars": HISTORY,
        "occurrence_datetime": TEXT,
        "primary_participant_key": TEXT,
    },
    "Series": {"product_metadata": NOT_READ, "additional_prohibitions": TEXT},
    "Trade": {"taker_side": V1, "taker_book_side": "says the same as taker_outcome_side"},
    "Order": {
        "user_id": SELF,
        "side": V1,
        "action": V1,
        "type": "always limit in V2",
        "self_trade_prevention_type": OUR_REQUEST,
        "cancel_order_on_pause": OUR_REQUEST,
    },
    "Fill": {"trade_id": SAME, "market_ticker": SAME, "side": V1, "action": V1},
    "ApiKey": {"fcm_subtrader_id": NOT_OURS},
    "PriceDistribution": {"min_dollars": "of all markets of an event", "max_dollars": "of all markets of an event"},
    "GetEventMetadataResponse": dict.fromkeys(("image_url", "featured_image_url", "market_details"), TEXT),
    "IncentiveProgram": {"market_id": "tickers name markets everywhere else"},
    "tickerPayload": {
        "market_id": "tickers name markets everywhere else",
        "last_trade_size_fp": HISTORY,
        "dollar_volume": "whole dollars; volume_fp is exact",
        "dollar_open_interest": "whole dollars; open_interest_fp is exact",
        "time": DEAD,
    },
    "orderbookSnapshotPayload": {"market_id": "tickers name markets everywhere else"},
    "orderbookDeltaPayload": {
        "market_id": "tickers name markets everywhere else",
        "ts": DEAD,
        "subaccount": "own orders are known by client_order_id",
    },
    "tradePayload": {"taker_book_side": "says the same as taker_outcome_side"},
    "fillPayload": {"side": V1, "action": V1, "purchased_side": V1, "ts": DEAD},
    "userOrderPayload": {
        "user_id": SELF,
        "side": V1,
        "is_yes": V1,
        "self_trade_prevention_type": OUR_REQUEST,
        "created_time": DEAD,
        "last_update_time": DEAD,
        "expiration_time": DEAD,
        "expiration_ts_ms": OUR_REQUEST,
    },
    "marketPositionPayload": {"user_id": SELF},
    "okResponsePayload": {"market_ids": "we never subscribe by id"},
}
ADDED: dict[str, dict[str, str]] = {
    "OrderGroup": {"orders": "one shape serves GetOrderGroupResponse too"},
    "marketLifecycleV2Payload": dict.fromkeys(
        ("strike_type", "floor_strike", "cap_strike", "custom_strike", "yes_sub_title"),
        "one shape serves metadata_updated too",
    ),
}
SHAPES: list[tuple[str, type]] = [
    ("Market", market.MarketWire),
    ("PriceRange", market.BandWire),
    ("EventData", catalogue.EventWire),
    ("Series", series.SeriesWire),
    ("SettlementSource", series.SourceWire),
    ("SeriesFeeChange", series.SeriesFeeChangeWire),
    ("EventFeeChange", series.EventFeeChangeWire),
    ("Trade", trades.TradeWire),
    ("OrderbookCountFp", orderbook.LevelsWire),
    ("Order", orders.OrderWire),
    ("Fill", orders.FillWire),
    ("CreateOrderV2Response", answers.CreateWire),
    ("CancelOrderV2Response", answers.CancelWire),
    ("AmendOrderV2Response", answers.AmendWire),
    ("DecreaseOrderV2Response", answers.DecreaseWire),
    ("OrderQueuePosition", answers.QueueWire),
    ("OrderGroup", answers.OrderGroupWire),
    ("ErrorResponse", answers.ErrorWire),
    ("MarketPosition", portfolio.PositionWire),
    ("Settlement", portfolio.SettlementWire),
    ("GetBalanceResponse", portfolio.BalanceWire),
    ("IndexedBalance", portfolio.ShardBalanceWire),
    ("SubaccountBalance", portfolio.SubaccountBalanceWire),
    ("SubaccountNettingConfig", portfolio.NettingConfig),
    ("IntraExchangeInstanceTransfer", portfolio.ShardTransferWire),
    ("TargetBalanceAllocation", portfolio.Allocation),
    ("ExchangeStatus", exchange.StatusWire),
    ("ExchangeIndexStatus", exchange.IndexStatus),
    ("WeeklySchedule", exchange.WeekWire),
    ("DailySchedule", exchange.HoursWire),
    ("MaintenanceWindow", exchange.WindowWire),
    ("GetAccountApiLimitsResponse", account.LimitsWire),
    ("BucketLimit", account.BucketLimit),
    ("ApiUsageLevelGrant", account.GrantWire),
    ("EndpointTokenCost", account.EndpointCost),
    ("ApiKey", account.KeyWire),
    ("GetApiKeysResponse", account.KeysWire),
    ("MarketCandlestick", candles.CandleWire),
    ("BidAskDistribution", candles.QuotesWire),
    ("PriceDistribution", candles.TradesWire),
    ("MarketCandlestickHistorical", candles.OldCandleWire),
    ("BidAskDistributionHistorical", candles.OldQuotesWire),
    ("PriceDistributionHistorical", candles.OldTradesWire),
    ("GetEventCandlesticksResponse", candles.EventCandlesWire),
    ("MarketCandlesticksResponse", candles.MarketCandlesWire),
    ("GetEventMetadataResponse", programmes.MetadataWire),
    ("IncentiveProgram", programmes.ProgrammeWire),
    ("Deposit", funding.FundingWire),
    ("Withdrawal", funding.FundingWire),
    ("SubaccountTransfer", funding.TransferWire),
]
FRAMES: list[tuple[str, type]] = [
    ("tickerPayload", wire.TickerMsg),
    ("orderbookSnapshotPayload", wire.SnapshotMsg),
    ("orderbookDeltaPayload", wire.DeltaMsg),
    ("tradePayload", wire.TradeMsg),
    ("fillPayload", wire.FillMsg),
    ("userOrderPayload", wire.UserOrderMsg),
    ("marketPositionPayload", wire.PositionMsg),
    ("marketLifecycleV2Payload", lifecycle_wire.LifecycleMsg),
    ("eventLifecyclePayload", lifecycle_wire.EventLifecycleMsg),
    ("eventFeeUpdatePayload", lifecycle_wire.EventFeeMsg),
    ("orderGroupUpdatesPayload", wire.OrderGroupMsg),
    ("subscribedResponsePayload", wire.SubscribedMsg),
    ("okResponsePayload", wire.OkMsg),
    ("errorResponsePayload", wire.ErrorMsg),
]
CANCEL_ERROR = {"error": "batch items carry it"}
ADDED["CreateOrderV2Response"] = ADDED["CancelOrderV2Response"] = CANCEL_ERROR
LEFT_OUT["IntraExchangeInstanceTransfer"] = {"source": "always event_contract", "destination": "always event_contract"}


def schemas_of(spec: Spec) -> Spec:
    found: Spec = spec["components"]["schemas"]
    return found


def drift(name: str, shape: type, spec: Spec) -> list[str]:
    """What differs between one of our shapes and its schema, without a written reason. Empty is good."""
    schema = schemas_of(spec)[name]
    if "msg" in schema.get("properties", {}) and "type" in schema.get("properties", {}):
        schema = schema["properties"]["msg"]
    theirs, required = schema.get("properties", {}), set(schema.get("required", ()))
    hints = typing.get_type_hints(shape)
    ours = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    left_out, added = LEFT_OUT.get(name, {}), ADDED.get(name, {})
    found = [f"{name}.{x}: new in the specification" for x in theirs if x not in ours and x not in left_out]
    found += [f"{name}.{x}: ours, but not in the specification" for x in ours if x not in theirs and x not in added]
    found += [f"{name}.{x}: left out, and gone from the specification" for x in left_out if x not in theirs]
    found += [f"{name}.{x}: left out, and read" for x in left_out if x in ours]
    found += [f"{name}.{x}: added, and in the specification" for x in added if x in theirs]
    for key, field in ours.items():
        if key not in theirs:
            continue
        kinds = kinds_of(theirs[key], spec)
        mine, optional = accepted(hints[field.name])
        if kinds - {"null"} - mine:
            found.append(f"{name}.{key}: the specification says {sorted(kinds)}, we read {sorted(mine)}")
        if "null" in kinds and not optional:
            found.append(f"{name}.{key}: may be null, we insist")
        if field.required and key not in required:
            found.append(f"{name}.{key}: optional in the specification, we insist")
    return found


def kinds_of(schema: Spec, spec: Spec) -> set[str]:
    """JSON types that a schema node allows; ``nullable`` counts wherever it stands."""
    kinds: set[str] = {"null"} if schema.get("nullable") else set()
    if "$ref" in schema:
        return kinds | kinds_of(schemas_of(spec)[schema["$ref"].rpartition("/")[2]], spec)
    for part in schema.get("allOf", ()):
        kinds |= kinds_of(part, spec)
    if "type" in schema:
        kinds |= set(schema["type"]) if isinstance(schema["type"], list) else {schema["type"]}
    return kinds


def accepted(hint: Any) -> tuple[set[str], bool]:
    """JSON types that one of our annotations takes, and whether it takes null."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        parts = [accepted(part) for part in typing.get_args(hint) if part is not type(None)]
        return set().union(*(kinds for kinds, _ in parts)), type(None) in typing.get_args(hint)
    if hint in (Number, OptionalNumber):
        return {"number"}, hint is OptionalNumber
    origin = typing.get_origin(hint) or hint
    if origin is typing.Literal:
        return {"string"}, False
    names = {
        str: "string",
        bool: "boolean",
        int: "integer",
        list: "array",
        tuple: "array",
        dict: "object",
    }
    return {names.get(origin, "object")}, False
