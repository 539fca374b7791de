"""Everything that happens to money is one structured line, and every line is in the documentation."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from kalbot import logging as lines
from kalbot.common import cache
from kalbot.common.events import Event, emit
from tests.trading import world
from trading.closing import exits
from trading.execution import executor
from trading.models import Discrepancy
from trading.safety import discrepancies, halt

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "logging.md"
ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}
Commits = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The events logged so far, as production's formatter writes them."""
    made = dict(lines.config("INFO", "json")["formatters"]["line"])
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(made.pop("()")(**made))
    logger = logging.getLogger("kalbot.events")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def documented() -> dict[str, set[str]]:
    """{event: its fields} of the table."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    return {name: set(fields.strip().split(", ")) for name, fields in rows}


def test_a_basket_from_purchase_to_exit_is_its_events(
    written: Callable[[], list[dict[str, Any]]], django_capture_on_commit_callbacks: Commits
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        profile, event = world.add_profile(), world.add_event()
        world.publish(event.ticker, world.quoted(event, ASKS))
        position = executor.execute(world.decide(profile, event, LIMITS, 1_000).pk)
        assert position is not None
        exits.request_exit(position_id=position.pk, actor="ann", reason="enough", below_floor="I accept less")
        executor.step(position.pk)
        second = world.decide(profile, event, LIMITS, 1_000)
        halt.set_state(state="halted", actor="ann", reason="a drill")
        executor.execute(second.pk)
        row = discrepancies.found(None, Discrepancy.Code.CASH, "cash:0", profile=profile, ours="1", theirs="2")
        discrepancies.close(row, actor="ann", resolution="seen")
    found = written()
    by_name: dict[str, list[dict[str, Any]]] = {}
    for line in found:
        by_name.setdefault(line["message"], []).append(line)
    assert set(by_name) == {str(event) for event in Event} - {"decision"}
    assert [line["status"] for line in by_name["position"]][:2] == ["executing", "open"]
    assert {line["status"] for line in by_name["order"]} == {"sending", "booking", "done"}
    assert sum(line["count"] for line in by_name["fill"] if line["action"] == "buy") == 3_000
    assert by_name["exit"][0]["actor"] == "ann"
    assert by_name["denial"][0]["code"]
    assert [line["status"] for line in by_name["discrepancy"]] == ["open", "closed"]
    own = {"message", "level", "logger", "timestamp"}
    for name, all_lines in by_name.items():
        fields = set().union(*all_lines) - own
        assert fields <= documented()[name], name
        assert documented()[name] - fields <= {"code", "profile"}, name


def test_every_event_is_documented() -> None:
    assert set(documented()) == {str(event) for event in Event}


def test_nothing_is_logged_of_what_is_rolled_back_or_replayed(
    written: Callable[[], list[dict[str, Any]]], django_capture_on_commit_callbacks: Commits
) -> None:
    from django.db import transaction

    with django_capture_on_commit_callbacks(execute=True):
        with transaction.atomic():
            emit(Event.FILL, order=1)
            transaction.set_rollback(True)
        with cache.isolated():
            emit(Event.FILL, order=2)
        emit(Event.FILL, order=3)
    assert [line["order"] for line in written()] == [3]
