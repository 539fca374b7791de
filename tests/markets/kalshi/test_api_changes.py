"""The command that compares a newly fetched official file with ours."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from markets.kalshi.schemas.boundary import Json

from .api_changes import Changes, main, routes

pytestmark = pytest.mark.shared


def test_the_routes_of_the_client_are_those_of_its_calls(openapi: Json) -> None:
    found = routes(openapi)
    assert found <= set(openapi["paths"])
    assert len(found) > 50
    assert "/portfolio/events/orders/{order_id}/amend" in found
    assert "/communications/rfqs" not in found


def test_the_same_file_has_no_changes(openapi: Json, asyncapi: Json) -> None:
    for spec in (openapi, asyncapi):
        found = Changes(spec, copy.deepcopy(spec))
        assert (found.used, found.words, found.others) == ([], [], 0)


def _set(*path: str | int, to: Any) -> Callable[[Json], None]:
    def change(spec: Json) -> None:
        node: Any = spec
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[Json], None]:
    def change(spec: Json) -> None:
        node: Any = spec
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]

    return change


SCHEMAS = ("components", "schemas")
REST: list[tuple[Callable[[Json], None], str]] = [
    (_set(*SCHEMAS, "Fill", "properties", "fee_currency", to={"type": "string"}), "Fill.properties.fee_currency: new"),
    (_set(*SCHEMAS, "Market", "properties", "status", "enum", to=["x"]), "Market.properties.status.enum: x is new"),
    (_drop(*SCHEMAS, "Series", "required"), "Series.required: gone"),
    (_drop(*SCHEMAS, "Market", "properties", "title"), "Market.properties.title: gone"),
    (_set(*SCHEMAS, "Series", "properties", "tags", "type", to="object"), "'array' became 'object'"),
    (_set(*SCHEMAS, "FixedPointDollars", "type", to="number"), "FixedPointDollars.type: 'string' became 'number'"),
    (_set(*SCHEMAS, "BookSide", "enum", to=["bid", "ask", "mid"]), "BookSide.enum: mid is new"),
    (_drop(*SCHEMAS, "CreateOrderV2Request", "properties", "post_only"), "post_only: gone"),
    (_set("components", "parameters", "MarketLimitQuery", "schema", "maximum", to=500), "maximum: 1000 became 500"),
    (_set("components", "responses", "ConflictError", "content", to={}), "ConflictError.content"),
    (_drop("paths", "/portfolio/settlements"), "/portfolio/settlements: gone"),
    (_set("paths", "/markets/trades", "get", "responses", "418", to={}), "/markets/trades.get.responses.418: new"),
    (_set("servers", 0, "url", to="https://elsewhere.example"), "https://elsewhere.example"),
    (_drop("components", "securitySchemes", "kalshiAccessTimestamp"), "kalshiAccessTimestamp: gone"),
]
STREAM: list[tuple[Callable[[Json], None], str]] = [
    (_drop(*SCHEMAS, "orderbookDeltaPayload", "properties", "seq"), "orderbookDeltaPayload.properties.seq: gone"),
    (_drop("channels", "user_orders"), "user_orders: gone"),
    (_set("channels", "fill", "address", to="fills"), "fill.address: 'fill' became 'fills'"),
    (_drop("components", "messages", "eventFeeUpdate"), "eventFeeUpdate: gone"),
    (_set("operations", "receiveTicker", "action", to="receive"), "receiveTicker.action"),
    (_set("x-error-codes", to=[]), "x-error-codes"),
]


def test_what_changed_in_what_we_use_is_listed(openapi: Json, asyncapi: Json) -> None:
    for spec, changes in ((openapi, REST), (asyncapi, STREAM)):
        newer = copy.deepcopy(spec)
        for change, _ in changes:
            change(newer)
        found = Changes(spec, newer)
        assert [line for _, line in changes if not any(line in one for one in found.used)] == []
        assert found.others == 0


def test_the_rest_is_counted_and_words_are_listed_apart(openapi: Json, asyncapi: Json) -> None:
    newer = copy.deepcopy(openapi)
    newer["components"]["schemas"]["Order"]["properties"]["status"]["description"] = "other words"
    newer["paths"]["/portfolio/order_groups/create"]["post"]["description"] = "Users can have up to ten."
    newer["components"]["schemas"]["RFQ"]["properties"]["novelty"] = {"type": "string"}
    newer["paths"]["/communications/rfqs"]["get"]["parameters"] = []
    found = Changes(openapi, newer)
    assert found.used == []
    assert found.words == ["Order.properties.status.description", "/portfolio/order_groups/create.post.description"]
    assert found.others == 2
    newer = copy.deepcopy(asyncapi)
    del newer["channels"]["pyth_value"]
    assert Changes(asyncapi, newer).used == []


def test_what_a_new_file_refers_to_is_used_as_well(openapi: Json) -> None:
    newer = copy.deepcopy(openapi)
    newer["components"]["schemas"]["Cents"] = {"type": "integer"}
    newer["components"]["schemas"]["Fill"]["properties"]["fee_cost"] = {"$ref": "#/components/schemas/Cents"}
    found = Changes(openapi, newer)
    assert "Cents: new" in found.used
    assert any(line.startswith("Fill.properties.fee_cost.$ref") for line in found.used)


def test_the_command_says_what_changed(openapi: Json, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text(json.dumps(openapi, default=str))
    openapi = copy.deepcopy(openapi)
    openapi["components"]["schemas"]["Fill"]["properties"]["fee_cost"] = {"type": "integer"}
    (tmp_path / "new.yaml").write_text(json.dumps(openapi, default=str))
    (tmp_path / "page.yaml").write_text("<html>")
    (tmp_path / "circle.yaml").write_text("openapi: 3.0.0\ncomponents: {schemas: {A: &a {b: *a}}}\n")
    assert main([str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]) == 1
    assert "Fill.properties.fee_cost" in capsys.readouterr().out
    for other in ("absent", "page", "circle"):
        assert main([str(tmp_path / f"{other}.yaml"), str(tmp_path / f"{other}.yaml")]) == 2
    assert main([]) == 2
