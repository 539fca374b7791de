"""Our shapes and words against the official files: every difference has a written reason, and a new one is seen."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from markets.kalshi import vocabulary as v
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.ws.error_codes import ERROR_REACTIONS

from . import drift as d

pytestmark = pytest.mark.shared


@pytest.mark.parametrize(("name", "shape"), d.SHAPES, ids=[name for name, _ in d.SHAPES])
def test_rest_shapes_differ_from_the_specification_only_for_written_reasons(
    openapi: Json, name: str, shape: Any
) -> None:
    assert d.drift(name, shape, openapi) == []


@pytest.mark.parametrize(("name", "shape"), d.FRAMES, ids=[name for name, _ in d.FRAMES])
def test_frames_differ_from_the_specification_only_for_written_reasons(asyncapi: Json, name: str, shape: Any) -> None:
    assert d.drift(name, shape, asyncapi) == []


def test_a_newer_specification_shows_its_drift(openapi: Json) -> None:
    newer = copy.deepcopy(openapi)
    schema = newer["components"]["schemas"]["Fill"]
    schema["properties"]["fee_currency"] = {"type": "string"}
    schema["properties"]["fee_cost"] = {"type": "integer"}
    schema["properties"]["order_id"] = {"type": "string", "nullable": True}
    schema["required"].remove("is_taker")
    del schema["properties"]["action"], schema["properties"]["ts"]
    shape = dict(d.SHAPES)["Fill"]
    assert set(d.drift("Fill", shape, newer)) == {
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
    assert words(openapi, "BookSide") == set(v.BookSide)
    assert words(openapi, "OrderStatus") == set(v.OrderStatus)
    assert words(openapi, "SelfTradePreventionType") == set(v.SelfTradePrevention)
    assert words(openapi, "CreateOrderV2Request", "properties", "time_in_force") == set(v.TimeInForce)
    assert words(openapi, *market, "result") == set(v.MarketResult)
    assert words(openapi, *market, "status") == set(v.MarketStatus)
    assert words(openapi, *market, "market_type") == set(v.MarketType)
    assert words(openapi, *market, "strike_type") == set(v.StrikeType)
    assert words(openapi, *market, "settlement_bounds_type") == set(v.SettlementBounds)
    assert words(openapi, "Settlement", "properties", "market_result") == set(v.MarketResult) - {""}


def test_the_words_of_the_socket_are_the_specified_ones(asyncapi: Json) -> None:
    assert words(asyncapi, "marketSide") == set(v.Side)
    lifecycle = words(asyncapi, "marketLifecycleV2Payload", "properties", "msg", "properties", "event_type")
    assert lifecycle | {"metadata_updated"} == set(v.LifecycleEvent)
    assert words(asyncapi, "errorResponsePayload", "properties", "msg", "properties", "code") == set(ERROR_REACTIONS)
    status = words(asyncapi, "userOrderPayload", "properties", "msg", "properties", "status")
    assert status - set(v.OrderStatus) == {"unknown"}  # refused on purpose: it says nothing


def test_every_reason_belongs_to_a_shape() -> None:
    known = {name for name, _ in d.SHAPES + d.FRAMES}
    assert set(d.LEFT_OUT) | set(d.ADDED) <= known
    assert all(reason for reasons in (*d.LEFT_OUT.values(), *d.ADDED.values()) for reason in reasons.values())
