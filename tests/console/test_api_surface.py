"""Requests that schemathesis makes from the API's own description, right ones and wrong ones: each is answered in its shape, and what was
refused changed nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import sample_rows
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from kalbot.console.api import tokens
from kalbot.console.api.views import api
from kalbot.console.models import Act
from trading.models import ExitRequest, Position, TradingState
from triage.models import Recommendation

pytestmark = pytest.mark.alike

EXAMPLES: Final = 12
KNOWN: Final = {200, 400, 404, 405, 409, 422}
Answered = Counter[tuple[str, int]]


def _address(case: Any, real: list[int]) -> str:
    """Where a case is sent; a number in the path becomes that of a row."""
    chosen = {name: _chosen(name, str(value), real) for name, value in (case.path_parameters or {}).items()}
    path = re.sub(r"\{(\w+)\}", lambda found: chosen[found.group(1)], case.operation.path)
    query = urlencode(case.query or {}, doseq=True, errors="replace")
    return f"{path}?{query}" if query else path


def _chosen(name: str, value: str, real: list[int]) -> str:
    return str(real[int(value) % len(real)]) if name == "pk" and value.isdecimal() else value


def _sent(case: Any) -> bytes:
    body = case.body if isinstance(case.body, dict | list | str | int | float | bool) else {}
    return json.dumps(body).encode()


def _changed() -> tuple[Any, ...]:
    """What writes of the API change."""
    rows = TradingState, ExitRequest, Recommendation
    return tuple(list(model.objects.order_by("pk").values_list()) for model in rows)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_generated_request_is_answered_and_a_refusal_changes_nothing(
    sample: dict[str, Any], mode: GenerationMode
) -> None:
    person = sample_rows.person("rita", "risk manager")
    client, seen = Client(raise_request_exception=False), Answered()
    real = [
        *Position.objects.values_list("pk", flat=True)[:4],
        *Recommendation.objects.values_list("pk", flat=True)[:4],
    ]
    schema = schemathesis.openapi.from_dict(api.get_openapi_schema())
    problems: list[str] = []
    secrets: list[str] = []

    def drive(case: Any) -> None:
        before, acts = _changed(), Act.objects.filter(outcome="done").count()
        headers = {"Authorization": f"Bearer {secrets[-1]}"}
        address, method = _address(case, real), case.method.upper()
        answer = client.generic(method, address, _sent(case), content_type="application/json", headers=headers)
        seen[case.operation.path, answer.status_code] += 1
        done = Act.objects.filter(outcome="done").count() - acts
        wrong = answer.status_code not in KNOWN or not answer["Content-Type"].startswith("application/json")
        refused = method == "POST" and answer.status_code != 200 and (done or _changed() != before)
        if wrong or refused or (method == "GET" and _changed() != before):
            problems.append(f"{method} {address} {_sent(case)[:200]!r}: {answer.status_code} {answer.content[:200]!r}")

    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]  # an unreadable operation fails the test here
        secrets.append(tokens.make(person, "script", "risk manager", 1)[1])
        run = given(case=operation.as_strategy(generation_mode=mode))(drive)
        quick = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(1)(quick(run))()
    assert problems == []
    assert mode is GenerationMode.NEGATIVE or {status for _, status in seen} >= {200, 404, 409}, seen
    assert {path for path, _ in seen} == set(api.get_openapi_schema()["paths"])
