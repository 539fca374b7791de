"""Requests that schemathesis makes from the official file, with names, prices and ids put in that the twin knows.

Generated names never exist, so most generated requests end at a 404 in front of the code that matters. Here most
such values are replaced by ones that exist (``_reach``), wrong types come from schemathesis' negative mode, and every
request goes the way of the wire: query as a string, body as bytes. No request may crash the twin, every answer has the
shape of the official file, the account still adds up, and every write must have succeeded at least once.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from simulator.control.internal_state import internal_state
from simulator.exchange import Exchange
from simulator.rest.app import handle
from tests.conftest import SHARED
from tests.simulator.spec import Spec, answer_problems, openapi, operations
from tests.simulator.test_specification import OPERATIONS
from tests.simulator.world import B805, B825, CLE, HIGH, MIN, T80, make_exchange, write_snapshot

pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.timeout(600)]

EXAMPLES = {GenerationMode.POSITIVE: 20, GenerationMode.NEGATIVE: 10}
CHANCE = 0.85
MARKETS = (T80, B805, B825, MIN, CLE)
WRITES = {
    "CreateOrderV2",
    "CancelAllOrders",
    "BatchCreateOrdersV2",
    "BatchCancelOrdersV2",
    "CancelOrderV2",
    "AmendOrderV2",
    "DecreaseOrderV2",
    "CreateOrderGroup",
    "ResetOrderGroup",
    "TriggerOrderGroup",
    "UpdateOrderGroupLimit",
    "DeleteOrderGroup",
    "CreateSubaccount",
    "ApplySubaccountTransfer",
    "IntraExchangeInstanceTransfer",
    "UpdateSubaccountNetting",
    "SetTargetBalanceAllocation",
}


class Surface:
    """The twin under generated requests, and what came of them."""

    def __init__(self, exchange: Exchange, spec: Spec) -> None:
        self.exchange, self.spec, self.rng = exchange, spec, random.Random(3)
        self.statuses: dict[str, set[int]] = defaultdict(set)
        self.problems: set[str] = set()
        self.crashes: list[str] = []
        self.refusals: dict[str, set[str]] = defaultdict(set)
        self.aim: Any = None
        """The resting order that the present request is about, if any."""

    def drive(self, case: Any) -> None:
        """Send one generated request the way of the wire, with known values in it."""
        about_order = "{order_id}" in case.path or (case.method == "DELETE" and case.path.endswith("/batched"))
        resting = self.exchange.ledger.all_open() if about_order else []
        self.aim = self.rng.choice(resting) if resting else None
        names = {name: self._reach(name, value) for name, value in (case.path_parameters or {}).items()}
        path = case.path.format_map({name: quote(str(value), safe="") for name, value in names.items()})
        path = path.split("/trade-api/v2")[-1]
        query = self._reach("", dict(case.query or {}))
        body = self._reach("", case.body) if isinstance(case.body, dict | list | str | int | float | bool) else None
        if case.path.endswith("/decrease") and isinstance(body, dict) and self.rng.random() < CHANCE:
            body.pop("reduce_to", None)
        sent = None if body is None else json.dumps(body).encode()
        line = f"{case.method} {path}?{query} {sent!r}"
        try:
            status, answer = handle(self.exchange, case.method, path, urlencode(query, doseq=True), {}, sent)
        except Exception as error:
            self.crashes.append(f"{line}: {error!r}")
            return
        if status >= 500:
            self.crashes.append(f"{line}: {status} {answer}")
        try:
            name, found = answer_problems(self.spec, case.method, path, status, json.loads(json.dumps(answer)))
        except StopIteration:
            return
        self.statuses[name].add(status)
        if status >= 400:
            self.refusals[name].add(str(answer)[:120])
        self.problems.update(f"{name} {status}: {problem}" for problem in found)

    def _reach(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._reach(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._reach(name, inner) for inner in value]
        known = self._known(name)
        return self.rng.choice(known) if known and self.rng.random() < CHANCE else value

    def _known(self, name: str) -> list[Any]:
        ledger, aim = self.exchange.ledger, self.aim
        if aim is not None:
            own = {
                "order_id": aim.order_id,
                "ticker": aim.ticker,
                "market_ticker": aim.ticker,
                "side": aim.book_side,
                "client_order_id": aim.client_order_id,
                "subaccount": aim.subaccount,
                "exchange_index": aim.shard,
            }
            if name in own:
                return [own[name]]
        found: dict[str, Any] = {
            "ticker": MARKETS,
            "tickers": MARKETS,
            "market_ticker": MARKETS,
            "market_tickers": MARKETS,
            "event_ticker": (HIGH,),
            "series_ticker": (HIGH.split("-")[0],),
            "order_id": list(ledger.orders)[-5:],
            "updated_client_order_id": (f"amended-{self.rng.getrandbits(48)}",),
            "client_transfer_id": (str(UUID(int=self.rng.getrandbits(128), version=4)),),
            "order_group_id": list(ledger.groups)[-5:],
            "price": ("0.4000", "0.4200", "0.1000", "0.9900"),
            "count": ("1.00", "3", "0.37"),
            "time_in_force": ("good_till_canceled", "immediate_or_cancel"),
            "exchange_index": (0, -1),
            "expiration_time": (self.exchange.now() // 1000 + 60, 0),
            "post_only": (False,),
            "reduce_only": (False, True),
            "reduce_by": ("0.10",),
            "subaccount": (0, 0, 0, 1),
            "subaccount_number": (0, 1),
            "from_subaccount": (0,),
            "to_subaccount": (1,),
            "amount_cents": (100,),
            "amount": (10_000,),
            "source": ("event_contract",),
            "destination": ("event_contract",),
            "source_exchange_shard": (0,),
            "destination_exchange_shard": (2,),
            "source_subaccount": (0,),
            "destination_subaccount": (0,),
            "contracts_limit": (5,),
            "contracts_limit_fp": ("5.00",),
            "cursor": ("",),
            "limit": (1, 100),
        }
        return list(found.get(name, ()))


def rest(exchange: Exchange) -> None:
    """Orders that rest, for the requests that are about one."""
    body = {"side": "bid", "price": "0.0200", "count": "2.00", "time_in_force": "good_till_canceled"}
    for number in range(30):
        more = {
            "ticker": MARKETS[number % 5],
            "client_order_id": f"rests-{number}",
            "self_trade_prevention_type": "maker",
        }
        assert handle(exchange, "POST", "/portfolio/events/orders", "", {}, body | more)[0] == 201


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Surface:
    folder = tmp_path_factory.mktemp("surface")
    surface = Surface(make_exchange(write_snapshot(folder), tier="advanced"), openapi(SHARED))
    rest(surface.exchange)
    schema = schemathesis.openapi.from_path(str(SHARED / "openapi.yaml"))
    wanted = {(m, p.pattern) for m, p, name, _ in operations(surface.spec) if name in OPERATIONS}
    results = list(schema.get_all_operations())
    every = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(every) == len(results)
    chosen = [o for o in every if any(o.method.upper() == m and _matches(p, o.path) for m, p in wanted)]
    for mode, examples in EXAMPLES.items():
        for operation in sorted(chosen, key=_turn):
            quick = settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            try:
                seed(1)(quick(given(case=operation.as_strategy(generation_mode=mode))(surface.drive)))()
            except Unsatisfiable:
                continue
    return surface


def _turn(operation: Any) -> tuple[int, str]:
    """What makes things comes first, then what changes them, what reads them, and what removes them."""
    method, names = operation.method.upper(), "{" in operation.path
    order = [
        ("POST", False),
        ("POST", True),
        ("PUT", False),
        ("PUT", True),
        ("GET", False),
        ("GET", True),
        ("DELETE", True),
    ]
    turn = order.index((method, names)) if (method, names) in order else len(order)
    return turn, operation.path


def _matches(pattern: str, template: str) -> bool:
    return pattern.replace("[^/]+", "{}").replace(r"\Z", "") == "".join(_blanked(template))


def _blanked(template: str) -> list[str]:
    return ["/" + ("{}" if part.startswith("{") else part) for part in template.split("/")[1:]]


def test_no_request_crashes_the_twin(driven: Surface) -> None:
    assert driven.crashes == [], "\n".join(driven.crashes[:20])


def test_every_answer_has_the_shape_of_the_official_file(driven: Surface) -> None:
    assert not driven.problems, "\n".join(sorted(driven.problems)[:30])


def test_every_operation_was_reached_and_every_write_took_effect(driven: Surface) -> None:
    assert set(OPERATIONS) - set(driven.statuses) == set()
    refused = {name for name in WRITES if not driven.statuses[name] & {200, 201, 204}}
    assert refused == set(), {name: driven.refusals[name] for name in refused}
    assert internal_state(driven.exchange, {"none"})["balanced"]
