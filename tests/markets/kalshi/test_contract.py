"""Every request and command that the client can build, validated against the official files."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
import requests
from jsonschema import Draft7Validator
from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4, DRAFT7

from kalbot.common.units import Count, Money, Price
from markets.kalshi.environment import DEMO
from markets.kalshi.errors import KalshiError
from markets.kalshi.order_entry import AmendOrder, CancelOrder, Sell
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Allocation
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.signing import Signer
from markets.kalshi.token_buckets import BASIC, LocalLimiter
from markets.kalshi.vocabulary import Side, TimeInForce
from markets.kalshi.ws.session import Session

from .test_order_entry import ID, order

pytestmark = pytest.mark.shared

AMEND = AmendOrder(
    order_id="o",
    ticker="T",
    outcome_side=Side.NO,
    price=Price(5100),
    count=Count(150),
    exchange_index=2,
    client_order_id=ID,
    updated_client_order_id="new",
    expiration_ts=0,
    subaccount=1,
)
RESTING = order(
    time_in_force=TimeInForce.GTC,
    post_only=True,
    expiration_ts=1_795_400_000,
    subaccount=3,
    order_group_id="g",
    cancel_on_pause=True,
)
PAGES: dict[str, Any] = {"status": "open", "min_created_ts": 1, "max_created_ts": 2}

CALLS: list[tuple[str, Callable[[KalshiClient], object]]] = [
    ("GetExchangeStatus", lambda c: c.exchange.status()),
    ("GetExchangeSchedule", lambda c: c.exchange.schedule()),
    ("GetUserDataTimestamp", lambda c: c.exchange.user_data_time()),
    ("GetHistoricalCutoff", lambda c: c.exchange.historical_cutoff()),
    ("GetEvents", lambda c: list(c.catalogue.events())),
    (
        "GetEvents",
        lambda c: list(
            c.catalogue.events(
                "settled", False, series_ticker="S", tickers=["A", "B"], min_close_ts=1, min_updated_ts=2, cursor="x"
            )
        ),
    ),
    ("GetEvent", lambda c: c.catalogue.event("E")),
    ("GetEvent", lambda c: c.catalogue.event_answer("E")),
    ("GetMarkets", lambda c: list(c.catalogue.markets(mve_filter="exclude", event_ticker="E", tickers=["A"], **PAGES))),
    ("GetMarket", lambda c: c.catalogue.market("M")),
    ("GetMarketOrderbook", lambda c: c.catalogue.orderbook("M", depth=100)),
    ("GetMarketOrderbooks", lambda c: c.catalogue.orderbooks(["A", "B"])),
    ("GetTrades", lambda c: list(c.catalogue.trades("M", min_ts=1, max_ts=2, is_block_trade=False))),
    ("GetHistoricalMarkets", lambda c: list(c.catalogue.historical_markets(event_ticker="E", tickers=["A"]))),
    ("GetEventMetadata", lambda c: c.catalogue.event_metadata("E")),
    ("GetIncentivePrograms", lambda c: list(c.catalogue.programmes("active", "liquidity"))),
    (
        "GetMarketCandlesticks",
        lambda c: c.history.candlesticks("S", "M", 0, 60, 1, include_latest_before_start=True),
    ),
    ("GetMarketCandlesticksByEvent", lambda c: c.history.event_candlesticks("S", "E", 0, 60, 60)),
    ("BatchGetMarketCandlesticks", lambda c: c.history.candlesticks_of(["A", "B"], 0, 60, 1440)),
    ("GetHistoricalMarket", lambda c: c.history.market("M")),
    ("GetMarketCandlesticksHistorical", lambda c: c.history.old_candlesticks("M", 0, 60, 1)),
    ("GetTradesHistorical", lambda c: list(c.history.trades("M", min_ts=1, max_ts=2))),
    ("GetDeposits", lambda c: list(c.portfolio.cash.deposits())),
    ("GetWithdrawals", lambda c: list(c.portfolio.cash.withdrawals())),
    ("GetSubaccountTransfers", lambda c: list(c.portfolio.cash.transfers())),
    ("GetSeriesList", lambda c: c.catalogue.series_list(category="Sports", tags=["a", "b"], min_updated_ts=1)),
    ("GetSeries", lambda c: c.catalogue.series("S")),
    ("GetSeriesFeeChanges", lambda c: c.catalogue.series_fee_changes("S", show_historical=True)),
    ("GetEventFeeChanges", lambda c: c.catalogue.event_fee_changes("E")),
    ("CreateOrderV2", lambda c: c.orders.create(order())),
    ("CreateOrderV2", lambda c: c.orders.create(order(Sell, side=Side.NO))),
    ("CreateOrderV2", lambda c: c.orders.create(RESTING)),
    ("CancelOrderV2", lambda c: c.orders.cancel("o", "M", 2, subaccount=1)),
    ("CancelAllOrders", lambda c: c.orders.cancel_all(subaccount=1)),
    ("BatchCreateOrdersV2", lambda c: c.orders.batch_create([order(), RESTING, order(Sell)])),
    ("BatchCancelOrdersV2", lambda c: c.orders.batch_cancel([CancelOrder("o", "M", 2), CancelOrder("p", "N", 0, 1)])),
    ("AmendOrderV2", lambda c: c.orders.amend(AMEND)),
    ("DecreaseOrderV2", lambda c: c.orders.decrease("o", "M", 2, reduce_by=Count(150), subaccount=1)),
    ("DecreaseOrderV2", lambda c: c.orders.decrease("o", "M", 2, reduce_to=Count(150))),
    ("GetOrder", lambda c: c.orders.get("o")),
    (
        "GetOrders",
        lambda c: list(
            c.orders.list(
                ticker="A", event_ticker="E", min_ts=1, max_ts=2, status="resting", subaccount=1, exchange_index=2
            )
        ),
    ),
    ("GetOrders", lambda c: c.orders.find_by_client_id(ID, "M", 5)),
    ("GetOrders", lambda c: c.resolve_create(order(), 5000)),
    ("GetHistoricalOrders", lambda c: list(c.orders.historical(ticker="A", min_ts=1, max_ts=2, subaccount=1))),
    (
        "GetOrderQueuePositions",
        lambda c: c.orders.queue_positions(market_tickers=["A"], event_ticker="E", subaccount=1),
    ),
    ("CreateOrderGroup", lambda c: c.orders.groups.create(Count(5000), 2, 1)),
    ("GetOrderGroup", lambda c: c.orders.groups.get("g", 1)),
    ("GetOrderGroups", lambda c: c.orders.groups.list(1)),
    ("UpdateOrderGroupLimit", lambda c: c.orders.groups.set_limit("g", Count(150), 2, 1)),
    ("ResetOrderGroup", lambda c: c.orders.groups.reset("g", 2, 1)),
    ("TriggerOrderGroup", lambda c: c.orders.groups.trigger("g", 2)),
    ("DeleteOrderGroup", lambda c: c.orders.groups.delete("g", 2, 1)),
    ("GetBalance", lambda c: c.portfolio.balance(subaccount=1, exchange_index=2)),
    (
        "GetPositions",
        lambda c: list(
            c.portfolio.positions(
                1, ticker="A", event_ticker="E", settlement_status="all", count_filter="position", exchange_index=2
            )
        ),
    ),
    ("GetHistoricalPositions", lambda c: list(c.portfolio.historical_positions(1, ticker="A", event_ticker="E"))),
    (
        "GetFills",
        lambda c: list(c.portfolio.fills(ticker="A", order_id="o", min_ts=1, max_ts=2, subaccount=1, exchange_index=2)),
    ),
    ("GetFillsHistorical", lambda c: list(c.portfolio.historical_fills(ticker="A", min_ts=1, max_ts=2, subaccount=1))),
    (
        "GetSettlements",
        lambda c: list(c.portfolio.settlements(ticker="A", event_ticker="E", min_ts=1, max_ts=2, subaccount=1)),
    ),
    ("CreateSubaccount", lambda c: c.portfolio.cash.create_subaccount(2)),
    (
        "ApplySubaccountTransfer",
        lambda c: c.portfolio.cash.transfer_between_subaccounts(
            "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11", 0, 1, Money(10_000), 2
        ),
    ),
    ("GetSubaccountBalances", lambda c: c.portfolio.cash.subaccount_balances()),
    ("GetSubaccountNetting", lambda c: c.portfolio.cash.netting()),
    ("UpdateSubaccountNetting", lambda c: c.portfolio.cash.set_netting(1, True)),
    (
        "IntraExchangeInstanceTransfer",
        lambda c: c.portfolio.cash.transfer_between_shards(0, 2, Money(100), "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11"),
    ),
    ("GetIntraExchangeInstanceTransfer", lambda c: c.portfolio.cash.shard_transfer("t")),
    ("GetIntraExchangeInstanceTransfers", lambda c: list(c.portfolio.cash.shard_transfers())),
    ("GetTargetBalanceAllocation", lambda c: c.portfolio.cash.target_allocation()),
    (
        "SetTargetBalanceAllocation",
        lambda c: c.portfolio.cash.set_target_allocation([Allocation(0, 60), Allocation(2, 40)]),
    ),
    ("GetAccountApiLimits", lambda c: c.account.limits()),
    ("GetAccountEndpointCosts", lambda c: c.account.endpoint_costs()),
    ("GetApiKeys", lambda c: c.account.api_keys()),
    ("UpgradeAccountApiUsageLevel", lambda c: c.account.upgrade_tier()),
]


class Captured(requests.adapters.BaseAdapter):
    """Keeps what would have been sent and answers ``{}``."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.sent.append(request)
        answer = requests.Response()
        answer.status_code = 200
        answer.raw = io.BytesIO(b"{}")
        answer.request = request
        return answer

    def close(self) -> None:
        pass


def sent_by(call: Callable[[KalshiClient], object], signer: Signer) -> list[requests.PreparedRequest]:
    session, captured = requests.Session(), Captured()
    session.mount("https://", captured)
    client = KalshiClient(DEMO, signer, LocalLimiter(BASIC), session)
    with contextlib.suppress(KalshiError):
        call(client)
    return captured.sent


def operation_of(request: requests.PreparedRequest, spec: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    path = urlsplit(request.url or "").path.removeprefix("/trade-api/v2")
    method = (request.method or "").lower()
    found = [
        (template, item[method])
        for template, item in spec["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method in item
    ]
    exact = [entry for entry in found if "{" not in entry[0]] or found
    assert len(exact) == 1, f"{request.method} {path}: {[template for template, _ in found]}"
    return exact[0]


def validator(schema: dict[str, Any], spec: dict[str, Any]) -> OAS30Validator:
    registry = Registry().with_resource("urn:spec", DRAFT4.create_resource(spec))
    return OAS30Validator(absolute(schema), registry=registry)


def absolute(schema: Any) -> Any:
    """The same schema with references that lead into the whole file from outside of it."""
    if isinstance(schema, list):
        return [absolute(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: "urn:spec" + value if key == "$ref" else absolute(value) for key, value in schema.items()}


def closed(schema: dict[str, Any], value: Any, spec: dict[str, Any], where: str = "body") -> list[str]:
    """Keys that the schema does not know: no schema of the file forbids them (CONTRACT, trap 2)."""
    while "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [bad for item in value for bad in closed(schema["items"], item, spec, where)]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    unknown = [f"{where}.{key}" for key in value if key not in known]
    return unknown + [bad for key in value if key in known for bad in closed(known[key], value[key], spec, key)]


def typed(text: str, schema: dict[str, Any]) -> Any:
    match schema.get("type"):
        case "integer":
            return int(text)
        case "boolean":
            return {"true": True, "false": False}[text]
        case _:
            return text


@pytest.mark.parametrize(("operation_id", "call"), CALLS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CALLS)])
def test_each_request_is_one_that_the_specification_knows(
    openapi: Json, signer: Signer, operation_id: str, call: Any
) -> None:
    sent = sent_by(call, signer)
    assert sent
    request = sent[0]
    _, operation = operation_of(request, openapi)
    assert operation["operationId"] == operation_id
    parameters = {}
    for parameter in operation.get("parameters", ()):
        if "$ref" in parameter:
            parameter = openapi["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
        parameters[parameter["name"]] = parameter
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(urlsplit(request.url or "").query):
        query.setdefault(name, []).append(value)
    assert set(query) <= {name for name, p in parameters.items() if p["in"] == "query"}
    assert {name for name, p in parameters.items() if p["in"] == "query" and p.get("required")} <= set(query)
    for name, values in query.items():
        schema = parameters[name]["schema"]
        if schema.get("type") == "array":
            validator(schema, openapi).validate([typed(value, schema["items"]) for value in values])
        else:
            (value,) = values
            resolved = (
                openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            )
            validator(schema, openapi).validate(typed(value, resolved))
    body = operation.get("requestBody")
    if body is None:
        assert request.body is None
        return
    schema = body["content"]["application/json"]["schema"]
    sent_body = msgspec.json.decode(request.body or b"{}")
    validator(schema, openapi).validate(sent_body)
    assert closed(schema, sent_body, openapi) == []


def test_every_public_method_is_among_the_calls(signer: Signer) -> None:
    called: set[str] = set()
    for _, call in CALLS:
        called |= set(re.findall(r"\.(\w+)\(", inspect.getsource(call)))
    client = KalshiClient(DEMO, signer)
    families = [
        client.exchange,
        client.catalogue,
        client.history,
        client.orders,
        client.orders.groups,
        client.portfolio,
        client.portfolio.cash,
        client.account,
    ]
    public = {
        name
        for family in families
        for name, _ in inspect.getmembers(family, inspect.ismethod)
        if not name.startswith("_")
    }
    assert public <= called


def test_every_operation_of_the_contract_page_is_built(shared: Path, openapi: Json) -> None:
    page = (shared / "CONTRACT.md").read_text().split("## REST operations")[1].split("## REST schemas")[0]
    page = page.replace(
        "GetIntraExchangeInstanceTransfer(s)", "GetIntraExchangeInstanceTransfer GetIntraExchangeInstanceTransfers"
    )
    page = page.replace("GetOrderGroup(s)", "GetOrderGroup GetOrderGroups")
    known = {op["operationId"] for item in openapi["paths"].values() for op in item.values() if "operationId" in op}
    named = set(re.findall(r"\w+", page)) & known
    assert len(named) > 45
    assert named <= {name for name, _ in CALLS}


def test_v1_write_endpoints_are_never_used(signer: Signer, openapi: Json) -> None:
    for _, call in CALLS:
        for request in sent_by(call, signer):
            path = urlsplit(request.url or "").path
            assert request.method == "GET" or not path.startswith("/trade-api/v2/portfolio/orders")


class Kept:
    """A connection that keeps what is sent."""

    heard = 0

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, payload: bytes) -> None:
        self.sent.append(msgspec.json.decode(payload))

    def read(self, timeout: float) -> list[bytes]:
        return []

    def close(self) -> None:
        pass


COMMANDS: list[tuple[str, Callable[[Session], object]]] = [
    ("subscribeCommandPayload", lambda s: s.subscribe(["ticker"])),
    (
        "subscribeCommandPayload",
        lambda s: s.subscribe(["fill", "user_orders", "market_positions", "market_lifecycle_v2"]),
    ),
    ("subscribeCommandPayload", lambda s: s.subscribe(["order_group_updates"])),
    ("subscribeCommandPayload", lambda s: s.subscribe(["trade"], ["A"])),
    (
        "subscribeCommandPayload",
        lambda s: s.subscribe(["orderbook_delta"], ["A", "B", "C"], use_yes_price=True, skip_ticker_ack=True),
    ),
    ("subscribeCommandPayload", lambda s: s.subscribe(["ticker"], ["A"], send_initial_snapshot=True)),
    ("updateSubscriptionCommandPayload", lambda s: s.add_markets(3, ["A", "B"])),
    ("updateSubscriptionCommandPayload", lambda s: s.delete_markets(3, ["A"])),
    ("updateSubscriptionCommandPayload", lambda s: s.get_snapshot(3, ["A"])),
    ("unsubscribeCommandPayload", lambda s: s.unsubscribe([1, 2])),
    ("listSubscriptionsCommandPayload", lambda s: s.list_subscriptions()),
]


@pytest.mark.parametrize(("schema", "call"), COMMANDS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(COMMANDS)])
def test_each_command_is_one_that_the_specification_knows(
    asyncapi: Json, signer: Signer, schema: str, call: Any
) -> None:
    session, kept = Session(DEMO, signer, chunk=2), Kept()
    session._reader = kept
    call(session)
    registry = Registry().with_resource("urn:spec", DRAFT7.create_resource(asyncapi))
    checker = Draft7Validator({"$ref": f"urn:spec#/components/schemas/{schema}"}, registry=registry)
    assert kept.sent
    for command in kept.sent:
        checker.validate(command)
        assert closed({"$ref": f"#/{schema}"}, command, asyncapi) == []


def test_a_misspelt_field_would_be_seen(openapi: Json, asyncapi: Json) -> None:
    wire = order().to_wire()
    schema = {"$ref": "#/components/schemas/CreateOrderV2Request"}
    assert closed(schema, {**wire, "cliend_order_id": "x"}, openapi) == ["body.cliend_order_id"]
    assert not validator(schema, openapi).is_valid({**wire, "price": 0.43})
