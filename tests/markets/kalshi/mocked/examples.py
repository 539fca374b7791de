"""Examples for the official file's schemas, consistent in themselves: a mock made of them answers as the exchange might."""

from __future__ import annotations

import copy
from typing import Any

from markets.kalshi.schemas.boundary import Json

from ..bodies import BOOK, CREATED, EVENT, FILL, MARKET, ORDER, POSITION, SERIES, SETTLEMENT, TRADE
from ..test_order_entry import ID

QUOTES = {f"{name}_dollars": "0.4300" for name in ("open", "low", "high", "close")}
OLD_QUOTES = dict.fromkeys(("open", "low", "high", "close"), "0.4300")
MADE = CREATED | {"client_order_id": ID, "fill_count": "1.00", "remaining_count": "0.00"}
GONE = {"order_id": "o", "client_order_id": ID, "reduced_by": "1.00", "ts_ms": 1_795_400_000_000}
WHOLE: dict[str, Any] = {
    # schema: the whole of it
    "Market": MARKET,
    "EventData": EVENT,
    "Series": SERIES,
    "Order": ORDER,
    "Fill": FILL,
    "MarketPosition": POSITION,
    "Settlement": SETTLEMENT,
    "Trade": TRADE,
    "OrderbookCountFp": BOOK,
    "CreateOrderV2Response": MADE,
    "CancelOrderV2Response": GONE,
    "BatchCreateOrdersV2Response": {"orders": [MADE, MADE, MADE]},
    "BatchCancelOrdersV2Response": {"orders": [GONE, GONE]},
    "BidAskDistribution": QUOTES,
    "PriceDistribution": QUOTES | {"mean_dollars": "0.4300", "previous_dollars": "0.4200"},
    "BidAskDistributionHistorical": OLD_QUOTES,
    "PriceDistributionHistorical": OLD_QUOTES | {"mean": "0.4300", "previous": "0.4200"},
    "GetEventCandlesticksResponse": {"market_tickers": [], "market_candlesticks": [], "adjusted_end_ts": 1_795_400_000},
    "FixedPointDollars": "0.4300",
    "FixedPointCount": "7.25",
}
FIELDS: dict[str, Any] = {
    # what a string or number of this name says
    "cursor": "",
    "next_cursor": "",
    "client_order_id": ID,
    "percent": 100,
    "start_time": "2026-01-01T00:00:00Z",
    "end_time": "2027-01-01T00:00:00Z",
    "open_time": "00:00",
    "close_time": "24:00",
    "code": "something",
}


def example(schema: Json, spec: Json, name: str = "") -> Any:
    """An example of a schema of ``spec``; ``name`` is the field it stands in."""
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        if target in WHOLE:
            return copy.deepcopy(WHOLE[target])
        return example(spec["components"]["schemas"][target], spec, name)
    if "allOf" in schema:
        parts = [example(part, spec, name) for part in schema["allOf"]]
        return parts[0] if len(parts) == 1 else {key: value for part in parts for key, value in part.items()}
    if name in FIELDS and schema.get("type") != "object":
        return FIELDS[name]
    if "enum" in schema:
        return next(value for value in schema["enum"] if value not in ("", None))
    match schema.get("type"):
        case "array":
            return [example(schema["items"], spec, name)]
        case "integer" | "number":
            return max(int(schema.get("minimum", 0)), 1_795_400_000 if name.endswith("_ts") else 10)
        case "boolean":
            return True
        case "string":
            return "2026-11-23T02:13:20Z" if schema.get("format") == "date-time" else "text"
    fields = schema.get("properties", {})
    return {key: example(part, spec, key) for key, part in fields.items()}


def with_examples(spec: Json) -> Json:
    """The official file with an example beside each answer, so that a mock gives these instead of its own inventions."""
    found = copy.deepcopy(spec)
    for item in found["paths"].values():
        for method, operation in item.items():
            if method not in ("get", "post", "put", "delete"):
                continue
            for answer in operation["responses"].values():
                body = answer.get("content", {}).get("application/json")
                if body is not None and "schema" in body:
                    body.pop("examples", None)
                    body["example"] = example(body["schema"], spec)
    return found
