"""The official OpenAPI and AsyncAPI files as strict validators: nulls where they are meant, no unknown keys, decimal patterns."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DOLLARS = r"^-?\d+\.\d{2,6}$"
COUNT = r"^-?\d+\.\d{2}$"
MESSAGES = {
    "ticker": "tickerPayload",
    "orderbook_snapshot": "orderbookSnapshotPayload",
    "orderbook_delta": "orderbookDeltaPayload",
    "trade": "tradePayload",
    "fill": "fillPayload",
    "user_order": "userOrderPayload",
    "market_position": "marketPositionPayload",
    "market_lifecycle_v2": "marketLifecycleV2Payload",
    "event_lifecycle": "eventLifecyclePayload",
    "event_fee_update": "eventFeeUpdatePayload",
    "order_group_updates": "orderGroupUpdatesPayload",
    "subscribed": "subscribedResponsePayload",
    "ok": "okResponsePayload",
    "unsubscribed": "unsubscribedResponsePayload",
    "error": "errorResponsePayload",
}


def nullable(node: Any) -> Any:
    """OpenAPI 3.0 ``nullable`` as JSON Schema, also where it stands beside ``$ref`` or ``allOf``."""
    if isinstance(node, list):
        return [nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: nullable(value) for key, value in node.items() if key not in ("nullable", "example", "examples")}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = "urn:spec#" + made["$ref"].split("#", 1)[1]
    if node.get("nullable") is True:
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
        if isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        elif "$ref" in made or "allOf" in made:
            return {"anyOf": [made, {"type": "null"}]}
    return made


class Spec:
    """One file with its schemas; problems are sentences, an empty list is a pass."""

    def __init__(self, path: Path) -> None:
        raw = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        self.raw = raw
        self.schemas = nullable(raw["components"]["schemas"])
        for name, pattern in (("FixedPointDollars", DOLLARS), ("FixedPointCount", COUNT)):
            if name in self.schemas:
                self.schemas[name]["pattern"] = pattern
        self._validators: dict[str, Draft202012Validator] = {}
        document = {"components": {"schemas": self.schemas}}
        self.registry: Registry[Any] = Registry().with_resource("urn:spec", DRAFT202012.create_resource(document))

    def problems(self, schema: dict[str, Any], value: Any) -> list[str]:
        validator = self._validator(json.dumps(schema, sort_keys=True))
        found = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]
        return found + self.unknown(schema, value, "$")

    def _validator(self, schema: str) -> Draft202012Validator:
        if schema not in self._validators:
            self._validators[schema] = Draft202012Validator(
                json.loads(schema), registry=self.registry, format_checker=FormatChecker()
            )
        return self._validators[schema]

    def unknown(self, schema: Any, value: Any, where: str) -> list[str]:
        """Keys that no schema knows (no schema closes ``additionalProperties``)."""
        shapes = self._shapes(schema)
        if isinstance(value, list):
            items = [s["items"] for s in shapes if "items" in s]
            return (
                [p for i, entry in enumerate(value) for p in self.unknown({"anyOf": items}, entry, f"{where}[{i}]")]
                if items
                else []
            )
        if not isinstance(value, dict):
            return []
        known: dict[str, list[Any]] = {}
        for shape in shapes:
            for name, inner in shape.get("properties", {}).items():
                known.setdefault(name, []).append(inner)
        if not known:
            return []
        found = [f"{where}: unknown key {name}" for name in value if name not in known]
        for name, inner in value.items():
            if name in known:
                found += self.unknown({"anyOf": known[name]}, inner, f"{where}.{name}")
        return found

    def _shapes(self, schema: Any) -> list[dict[str, Any]]:
        if not isinstance(schema, dict):
            return []
        found = [schema]
        if "$ref" in schema:
            found += self._shapes(self.schemas[schema["$ref"].rsplit("/", 1)[-1]])
        for word in ("allOf", "anyOf", "oneOf"):
            for inner in schema.get(word, []):
                found += self._shapes(inner)
        return found


@cache
def openapi(folder: Path) -> Spec:
    return Spec(folder / "openapi.yaml")


@cache
def asyncapi(folder: Path) -> Spec:
    return Spec(folder / "asyncapi.yaml")


def operations(spec: Spec) -> list[tuple[str, re.Pattern[str], str, dict[str, Any]]]:
    """(method, path pattern, operation id, operation); literal paths before templated ones."""
    found: list[tuple[int, tuple[str, re.Pattern[str], str, dict[str, Any]]]] = []
    for template, item in spec.raw["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "operationId" in operation:
                pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", template) + r"\Z")
                entry = method.upper(), pattern, operation["operationId"], operation
                found.append((template.count("{"), entry))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def answer_problems(spec: Spec, method: str, path: str, status: int, body: Any) -> tuple[str, list[str]]:
    """The operation that a request hit and what is wrong with its answer. Errors: a code in one of the three shapes."""
    name, operation = next((n, o) for m, p, n, o in operations(spec) if m == method and p.match(path))
    if status >= 400:
        return name, [] if error_shape(body) else [f"not an error body: {body}"]
    declared = operation["responses"].get(str(status))
    if declared is None:
        return name, [f"status {status} is not declared"]
    if "$ref" in declared:
        declared = spec.raw["components"]["responses"][declared["$ref"].rsplit("/", 1)[-1]]
    content = declared.get("content", {}).get("application/json")
    if content is None:
        return name, [] if body in (None, {}) else [f"a body where none is declared: {body}"]
    return name, spec.problems(nullable(content["schema"]), body)


def error_shape(body: Any) -> str | None:
    """nested, flat or bare (docs/kalshi-protocol.md 9.10)."""
    if isinstance(body, dict):
        inner = body.get("error")
        if isinstance(inner, dict) and isinstance(inner.get("code"), str) and isinstance(inner.get("message"), str):
            return "nested"
        if isinstance(body.get("code"), str) and isinstance(body.get("message"), str):
            return "flat"
        if isinstance(body.get("msg"), str) and len(body) == 1:
            return "bare"
    return None


def frame_problems(spec: Spec, frame: dict[str, Any]) -> list[str]:
    """What is wrong with a WebSocket frame."""
    name = MESSAGES.get(frame.get("type", ""))
    if name is None:
        return [f"unknown type {frame.get('type')}"]
    if frame["type"] == "ok" and isinstance(frame.get("msg"), list):
        name = "listSubscriptionsResponsePayload"
    if frame["type"] == "market_lifecycle_v2" and frame["msg"].get("event_type") == "metadata_updated":
        name = "marketMetadataUpdatedPayload"
    found = spec.problems({"$ref": f"urn:spec#/components/schemas/{name}"}, frame)
    inner = frame.get("msg")
    for key, value in inner.items() if isinstance(inner, dict) else ():
        if isinstance(value, str):
            if key.endswith("_fp") and not re.match(COUNT, value):
                found.append(f"{key}: {value} is no count")
            if (key.endswith("_dollars") or key == "fee_cost") and not re.match(DOLLARS, value):
                found.append(f"{key}: {value} is no amount")
    return found
