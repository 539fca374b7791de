"""Requests generated from the official file (schemathesis) over the simulator's whole surface: no crash, every answer in its shape."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings

from simulator.control.internal_state import internal_state
from simulator.rest.app import handle

from ..conftest import SHARED
from .spec import answer_problems, openapi, operations
from .test_specification import MORE_OPERATIONS
from .test_specification import OPERATIONS as DAILY
from .world import make_exchange, write_snapshot

pytestmark = [pytest.mark.shared, pytest.mark.slow]


OPERATIONS = DAILY + MORE_OPERATIONS


def _plain(value: Any) -> Any:
    """What a client could put on the wire."""
    return value if isinstance(value, dict | list | str | int | float | bool) else None


def test_generated_requests_over_the_whole_surface(tmp_path: Path) -> None:
    exchange = make_exchange(write_snapshot(tmp_path), tier="advanced")
    schema = schemathesis.openapi.from_path(str(SHARED / "openapi.yaml"))
    spec, seen = openapi(SHARED), Counter[str]()
    problems: set[str] = set()
    wanted = {(m, p.pattern) for m, p, name, _ in operations(spec) if name in OPERATIONS}

    def drive(case: Any) -> None:
        path = case.formatted_path.split("/trade-api/v2")[-1]
        status, body = handle(exchange, case.method, path, case.query or None, {}, _plain(case.body))
        name, found = answer_problems(spec, case.method, path, status, json.loads(json.dumps(body)))
        seen[name] += 1
        problems.update(f"{name} {status}: {p}" for p in found)
        assert status < 500

    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]  # an unreadable operation fails the test here
        if not any(m == operation.method.upper() and pattern == _pattern(operation.path) for m, pattern in wanted):
            continue
        run = given(case=operation.as_strategy())(drive)
        quick = settings(
            max_examples=25,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(1)(quick(run))()
    assert not problems, "\n".join(sorted(problems)[:30])
    assert set(OPERATIONS) - set(seen) == set()
    assert internal_state(exchange, {"none"})["balanced"]


def _pattern(template: str) -> str:
    return re.sub(r"\{\w+\}", "[^/]+", template) + r"\Z"
