"""Our shapes and words against the official files: every difference has a written reason, and a new one is seen."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from markets.kalshi import vocabulary
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.ws.error_codes import ERROR_REACTIONS

from . import drift

pytestmark = pytest.mark.shared


@pytest.mark.parametrize(("name", "shape"), drift.SHAPES, ids=[name for name, _ in drift.SHAPES])
def test_rest_shapes_differ_from_the_specification_only_for_written_reasons(
    openapi: Json, name: str, shape: Any
) -> None:
    assert drift.drift(name, shape, openapi) == []


@pytest.mark.parametrize(("name", "shape"), drift.FRAMES, ids=[name for name, _ in drift.FRAMES])
def test_frames_differ_from_the_specification_only_for_written_reasons(asyncapi: Json, name: str, shape: Any) -> None:
    assert drift.drift(name, shape, asyncapi) == []


def test_a_newer_specification_shows_its_drift(openapi: Json) -> None:
    newer = copy.deepcopy(openapi)
    schema = newer["components"]["schemas"]["Fill"]
    schema["properties"]["fee_currency"] = {"type": "string"}
    schema["properties"]["fee_cost"] = {"type": "integer"}
    schema["properties"]["order_id"] = {"type": "string", "nullable": True}
    schema["required"].remove("is_taker")
    del schema["properties"]["action"], schema["properties"]["ts"]
    shape = dict(drift.SHAPES)["Fill"]
    assert set(drift.drift("Fill", shape, newer)) == {
        "Fill.fee_currency: new in the specification",
        "Fill.ts: ours, but not in the specification",
        "Fill.action: left out, and gone from the specification",
        "Fill.order_id: may be null, we insist",
        "Fill.is_taker: optional in the specification, we insist",
        "Fill.fee_cost: the specification says ['integer'], we read ['string']",
    }


def words(spec: dict[str, Any], *path: str) -> set[Any]:
    node = spec["components"]["schemas"]
    for step in path:
        node = node[step]
    return set(node["enum"])


def test_the_words_of_the_rest_api_are_the_specified_ones(openapi: Json) -> None:
    market = ("Market", "properties")
    assert words(openapi, "BookSide") == set(vocabulary.BookSide)
    assert words(openapi, "OrderStatus") == set(vocabulary.OrderStatus)
    assert words(openapi, "SelfTradePreventionType") == set(vocabulary.SelfTradePrevention)
    assert words(openapi, "CreateOrderV2Request", "properties", "time_in_force") == set(vocabulary.TimeInForce)
    assert words(openapi, *market, "result") == set(vocabulary.MarketResult)
    assert words(openapi, *market, "status") == set(vocabulary.MarketStatus)
    assert words(openapi, *market, "market_type") == set(vocabulary.MarketType)
    assert words(openapi, *market, "strike_type") == set(vocabulary.StrikeType)
    assert words(openapi, *market, "settlement_bounds_type") == set(vocabulary.SettlementBounds)
    assert words(openapi, "Settlement", "properties", "market_result") == set(vocabulary.MarketResult) - {""}


def test_the_words_of_the_socket_are_the_specified_ones(asyncapi: Json) -> None:
    assert words(asyncapi, "marketSide") == set(vocabulary.Side)
    lifecycle = words(asyncapi, "marketLifecycleV2Payload", "properties", "msg", "properties", "event_type")
    assert lifecycle | {"metadata_updated"} == set(vocabulary.LifecycleEvent)
    assert words(asyncapi, "errorResponsePayload", "properties", "msg", "properties", "code") == set(ERROR_REACTIONS)
    status = words(asyncapi, "userOrderPayload", "properties", "msg", "properties", "status")
    assert status - set(vocabulary.OrderStatus) == {"unknown"}  # refused on purpose: it says nothing


def test_every_reason_belongs_to_a_shape() -> None:
    known = {name for name, _ in drift.SHAPES + drift.FRAMES}
    assert set(drift.LEFT_OUT) | set(drift.ADDED) <= known
    assert all(reason for reasons in (*drift.LEFT_OUT.values(), *drift.ADDED.values()) for reason in reasons.values())
