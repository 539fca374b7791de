"""What a position waits for, and when it is tried next: on a stopped clock, by status, orders, exit and worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine

from tests.trading.stopped import NOW, after
from trading import waiting
from trading.models import Order, Position

SINCE, NEXT, EARLIER = after(-60), after(5), after(-9)


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.mark.parametrize(
    ("columns", "orders", "requested", "compared", "said"),
    [
        ({"status": "open"}, [], None, True, ("for settlement", SINCE, None, True)),
        ({"status": "open"}, [], EARLIER, True, (waiting.REQUESTED, EARLIER, NEXT, False)),
        ({"status": "open", "residual": "no bid"}, [], None, True, ("no bid", SINCE, None, False)),
        ({"status": "unwinding", "residual": "no bid"}, [], None, True, ("no bid", SINCE, NEXT, False)),
        ({"status": "open", "lease_until": after(1)}, [], None, True, ("for settlement", SINCE, None, True)),
        ({"status": "open", "lease_until": after(1)}, [], EARLIER, True, (waiting.AT_WORK, SINCE, None, False)),
        ({"status": "executing", "lease_until": after(1)}, [], None, False, (waiting.AT_WORK, SINCE, None, False)),
        ({"status": "executing", "lease_until": NOW}, [], None, False, (waiting.UNCOMPARED, SINCE, NEXT, False)),
        ({"status": "executing", "mode": "sim"}, [], None, False, (waiting.OF_STATUS["executing"], SINCE, NEXT, False)),
        ({"status": "executing"}, ["done"], None, True, (waiting.UNREAD, EARLIER, NEXT, False)),
        ({"status": "exiting"}, ["resting", "unknown", "done"], None, True, ("unknown", EARLIER, NEXT, False)),
        ({"status": "exiting"}, ["resting", "resting"], None, True, ("resting", EARLIER, NEXT, False)),
    ],
)
def test_what_a_position_waits_for(
    columns: dict[str, Any],
    orders: list[str],
    requested: datetime | None,
    compared: bool,
    said: tuple[str, datetime, datetime | None, bool],
) -> None:
    position = Position(**{"mode": "live", "next_step_at": NEXT} | columns)
    rows = [Order(status=status, created_at=EARLIER) for status in orders]
    found = waiting._of(position, rows, requested, SINCE, compared)
    number = orders.count(said[0])
    words = f"{waiting.OF_ORDERS[said[0]]} {number} order{'s' if number > 1 else ''}" if number else said[0]
    assert (found.what, found.since, found.next_try, found.is_usual) == (words, *said[1:])
