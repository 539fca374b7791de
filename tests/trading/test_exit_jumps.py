"""Bids of a basket whose floor is above its cost go while it is sold, without words of a person: what is left stays whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from tests.trading.struck import StruckTwin, execute
from trading.closing import exits
from trading.execution import executor
from trading.models import Position
from trading.reconciliation import reconcile

LOST = {"kind": "error", "when": "before", "method": "POST", "path": "/portfolio/events/orders", "count": 9}


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """Nothing gets old while the machine is busy: time passes where a test says so."""
    with time_machine.travel(clock.now(), tick=False):
        yield


def _rich(twin: StruckTwin) -> Position:
    """A basket that cost 0.93 and pays a dollar, with bids that pay more than that; the first leg has the fewest."""
    position = execute(twin)
    assert position.guaranteed
    for number, ticker in enumerate(twin.markets):
        for side in ("bid", "ask"):
            twin.cancel_makers(ticker, side)
        twin.quote(ticker, "bid", 3_700, 1_000 + 1_000 * number)
        twin.quote(ticker, "ask", 9_900, 1_000)
    twin.sync()
    exits.request_exit(position_id=position.pk, actor="ann", reason="out")
    return position


def _bids(twin: StruckTwin, number: int, left: int) -> None:
    twin.cancel_makers(twin.markets[number], "bid")
    if left:
        twin.quote(twin.markets[number], "bid", 3_700, left)


def _is_whole(twin: StruckTwin) -> bool:
    return len(set(twin.held().values())) <= 1 and len(twin.held()) in (0, 3)


@pytest.mark.parametrize("left", [0, 100, 333, 700])
def test_the_other_legs_are_sold_as_far_as_the_first_one_was(struck: StruckTwin, left: int) -> None:
    position = _rich(struck)
    struck.session.before = {struck.session.posts + 1: lambda: _bids(struck, 0, left)}
    position = executor.step(position.pk)
    step = 100 if left % 100 == 0 else 1
    assert set(struck.held().values()) == {1_000 - left // step * step}
    assert (position.status, position.matched_count) == ("exiting", 1_000 - left)
    assert position.guaranteed
    _bids(struck, 0, 5_000)
    with time_machine.travel(clock.now() + timedelta(seconds=2), tick=False):
        struck.sync()
        position = executor.step(position.pk)
    assert (position.status, struck.held()) == ("closed", {})
    assert position.realised > 0


def test_a_sale_whose_end_is_not_known_keeps_the_others_from_being_sold(struck: StruckTwin) -> None:
    position = _rich(struck)
    struck.exchange.faults.add(**LOST)
    position = executor.step(position.pk)
    assert (position.status, struck.held()) == ("exiting", dict.fromkeys(struck.markets, 1_000))
    assert position.orders.filter(action="sell").count() == 1
    struck.exchange.faults.clear()
    for seconds in (2, 4, 40, 42):
        with time_machine.travel(clock.now() + timedelta(seconds=seconds), tick=False):
            struck.sync()
            position = executor.step(position.pk)
    assert (position.status, struck.held()) == ("closed", {})
    with time_machine.travel(clock.now() + timedelta(seconds=60), tick=False):
        row = reconcile.run("live", "test")
    assert (row.error, row.differences) == ("", 0)


def test_a_sale_that_is_refused_keeps_the_others_from_being_sold(struck: StruckTwin) -> None:
    position = _rich(struck)

    def paused() -> None:
        struck.exchange.faults.add(**LOST | {"status": 429, "kind": "rate_limit"})

    struck.session.before = {struck.session.posts + 1: paused}
    executor.step(position.pk)
    assert _is_whole(struck)


def test_with_words_of_a_person_each_leg_is_sold_alone(struck: StruckTwin) -> None:
    position = execute(struck)
    prices: dict[Any, int] = {(leg.market_id, leg.side): 2_500 for leg in position.legs.all()}
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", least_prices=prices, below_floor="cash")
    struck.session.before = {struck.session.posts + 1: lambda: _bids(struck, 0, 0)}
    executor.step(position.pk)
    assert sorted(struck.held().values()) == [1_000]
