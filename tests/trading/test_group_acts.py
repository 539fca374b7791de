"""A person or a fault moves the order group of quoted legs: it is reset, its limit is raised, it trips in the middle of a request, its
reset fails. What filled is made whole all the same, and the books agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from simulator.accounts.records import Group
from simulator.matching import groups
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading.execution import executor
from trading.models import Order

BIDS = (5_600, 5_900, 6_500)
"""A tick above the best bids of others."""


@pytest.fixture(autouse=True)
def now() -> Iterator[Any]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False) as found:
        yield found


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


def _profile() -> Any:
    columns: dict[str, Any] = {"orphan_budget": 50 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    return quoted.profile(quoting="several", **columns)


def _group(twin: Twin) -> Group:
    (group,) = twin.exchange.ledger.groups.values()
    return group


def _reset(twin: Twin) -> None:
    """It trips, and a person resets it before anybody of us has heard of it."""
    quoted.sell_no(twin, 1, BIDS[1], 1_000)
    quoted.sell_no(twin, 0, BIDS[0], 100)
    groups.reset(twin.exchange, _group(twin))


def _raised(twin: Twin) -> None:
    """Without the limit all legs may fill: no more rest than the budget for orphans carries."""
    groups.set_limit(twin.exchange, _group(twin), 100_000_000)
    for number, price in enumerate(BIDS):
        quoted.sell_no(twin, number, price, 700 + number)


def _not_reset(twin: Twin) -> None:
    quoted.sell_no(twin, 0, BIDS[0], 150)
    quoted.sell_no(twin, 2, BIDS[2], 401)
    quoted.sell_no(twin, 1, BIDS[1], 700)
    twin.exchange.faults.add(kind="error", when="before", method="PUT", path="reset", count=50)


@pytest.mark.parametrize(("act", "held"), [(_reset, 1_000), (_raised, 702), (_not_reset, 700)])
def test_whatever_happens_to_the_group_what_filled_is_made_whole(
    twin: Twin, now: Any, act: Callable[[Twin], None], held: int
) -> None:
    maker = _profile()
    position = quoted.begun(twin, maker)
    act(twin)
    for _ in range(3):
        position = quoted.step(twin, position)
        now.shift(timedelta(seconds=6))
    assert quoted.held(position) == [held] * 3
    assert position.guaranteed
    assert position.status in ("open", "quoting")
    assert dict.fromkeys(twin.markets, -held) == twin.held()
    quoted.agree(maker)


def test_a_group_that_trips_between_two_orders_of_a_request_leaves_nothing_unseen(
    twin: Twin, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, checked = groups.check, list[str]()

    def tripping(exchange: Any, group_id: str, shard: int) -> None:
        checked.append(group_id)
        if len(checked) == 2:
            groups.trigger(exchange, exchange.ledger.groups[group_id])
        real(exchange, group_id, shard)

    monkeypatch.setattr(groups, "check", tripping)
    maker = _profile()
    position = executor.execute(quoted.decision(maker, twin).pk)
    assert position is not None
    assert sorted(position.orders.values_list("status", flat=True)) == ["rejected", "rejected", "resting"]
    assert quoted.rests_at_the_exchange(twin) == 0
    for _ in range(3):
        now.shift(timedelta(seconds=6))
        position = quoted.step(twin, position)
    assert len(quoted.resting(position)) == quoted.rests_at_the_exchange(twin) == 3
    assert len(twin.exchange.ledger.groups) == 1, "the same group, reset"
    assert Order.objects.filter(status="done", filled_count=0).count() == 1
    quoted.agree(maker)
