"""A step of a quote reads little, however often it has moved, and decides as by everything there is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest
from django.db import connection

from backtest.replay.clock import in_place
from kalbot.common import clock
from tests.trading import quoted
from tests.trading.test_statements import CONTROL
from tests.trading.twin import Twin
from tests.trading.unhurried import UnhurriedClock
from trading.books import others_books
from trading.execution import executor
from trading.execution.orders import inflight, quote
from trading.execution.phases import quote_rows, quoting
from trading.execution.sizing import quotes
from trading.models import OPEN_ORDERS, Order, OrderError, OrderStatus, Position

pytestmark = pytest.mark.django_db(transaction=True)

IDLE: Final = {"sqlite": 16, "postgresql": 8}
"""Statements of a step that finds nothing to do, or messages where the database takes several statements in one."""


@pytest.fixture
def twin(settings: Any) -> Twin:
    return quoted.begin(settings)


def _sent(step: Callable[[], object]) -> list[str]:
    seen: list[str] = []

    def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not sql.startswith(CONTROL) or "; " in sql:
            seen.append(sql)
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(counted))
        step()
    return seen


@pytest.mark.parametrize("way", ["one_leg", "several", "all_legs"])
def test_a_step_that_finds_nothing_to_do_sends_nothing_and_few_statements(twin: Twin, way: str) -> None:
    position = quoted.begun(twin, quoted.profile(quoting=way))
    for _ in range(2):
        twin.sync()
        executor.step(position.pk)
    requests = len(twin.session.sent)
    twin.sync()
    sent = _sent(lambda: executor.step(position.pk))
    assert len(sent) <= IDLE[connection.vendor], "\n".join(sent)
    assert len(twin.session.sent) == requests
    assert quoted.resting(position)


def test_quotes_that_are_over_are_not_read_again(twin: Twin) -> None:
    """What rests now, however often it has moved."""
    position = quoted.begun(twin, quoted.profile())
    for number in range(6):
        twin.quote(twin.markets[0], "ask", 10_000 - quoted.NO_BIDS[0] - 100 * (number + 1), 500)
        Order.objects.update(created_at=clock.now() - timedelta(seconds=5))
        quoted.step(twin, position)
        Order.objects.filter(ended_at__isnull=False).update(ended_at=clock.now() - timedelta(seconds=5))
    every, rows = inflight.orders_of(position), quote_rows.read(position)
    assert len(every) > len(twin.markets) + 3
    assert {order.pk for order in rows.orders} == {order.pk for order in every if order.status in OPEN_ORDERS}


def _scramble(rng: Random, position: Position, has_refusals: bool) -> None:
    """Orders of every sort and age."""
    legs, now = list(position.legs.all()), clock.now()
    codes = ["post_only_cross", "", OrderError.NOT_SENT]
    ends = [OrderStatus.DONE] * 6 + ([OrderStatus.REJECTED] * 2 if has_refusals else [])
    for number in range(rng.randint(5, 40)):
        status = rng.choice([*ends, OrderStatus.RESTING, OrderStatus.UNKNOWN])
        ended = (
            None if status in OPEN_ORDERS else now - timedelta(seconds=rng.choice((1, 1.9, 5, 9, 30, 59, 90, 9_000)))
        )
        count = rng.choice((100, 500))
        made = Order.objects.create(
            profile=position.profile,
            mode=position.mode,
            position=position,
            leg=rng.choice(legs),
            action="buy",
            purpose=rng.choice(("quote", "quote", "quote", "complete")),
            side="no",
            price=rng.choice((5_500, 5_600)),
            count=count,
            filled_count=rng.choice((0, 0, count // 2, count)) if status == OrderStatus.DONE else 0,
            shrunk_to=rng.choice([None] * 30 + [50]),
            time_in_force="good_till_canceled",
            status=status,
            exchange_order_id=f"scrambled-{position.pk}-{number}",
            is_final=rng.random() < 0.8,
            error_code=rng.choice(codes) if status == OrderStatus.REJECTED else "",
            ended_at=ended,
        )
        age = timedelta(seconds=rng.choice((0, 20, 300)) + 100 - number)
        Order.objects.filter(pk=made.pk).update(created_at=(ended or now) - age)


def _decided(position: Position, orders: list[Order]) -> dict[str, Any]:
    """What a step makes of these orders."""
    legs = inflight.legs_of(position)
    quote._checked.clear()
    ended = quote.ended_lately(orders)
    quote._checked.clear()
    return {
        "unproved": [o.pk for o in orders if inflight.is_refused_in_batch(o)],
        "ended": [o.pk for o in ended],
        "due": [o.pk for o in quote.due(orders)],
        "short": [o.pk for o in orders if inflight.is_short(o)],
        "held back": quoting._refused_lately(orders),
        "shown": [o.pk for o in orders if others_books._is_shown(o)],
        "target": quotes._target(position, legs, orders),
        "second": [o.pk for o in quoting._seconds([o for o in orders if o.status in OPEN_ORDERS])],
    }


@pytest.mark.parametrize("seed", range(12))
def test_what_is_read_decides_as_every_order_does(twin: Twin, seed: int) -> None:
    position = quoted.begun(twin, quoted.profile())
    with in_place(UnhurriedClock()):  # nothing passes the end of a span between the two
        _scramble(Random(seed), position, has_refusals=seed % 2 == 0)
        every, few = inflight.orders_of(position), quote_rows.read(position).orders
        assert _decided(position, few) == _decided(position, every)
    assert len(few) <= len(every)


def test_a_quote_that_was_answered_just_now_is_not_read_at_the_next_step(twin: Twin) -> None:
    """Its answer said that it rests; it is read after a while, should no message say that it filled."""
    position = quoted.begun(twin, quoted.profile())
    begun = len(twin.session.sent)
    twin.sync()
    executor.step(position.pk)
    assert len(twin.session.sent) == begun
    quote._checked.clear()
    twin.sync()
    executor.step(position.pk)
    assert [method for method, _, _ in twin.session.sent[begun:]] == ["GET"] * len(twin.markets)


def test_a_second_refusal_holds_a_leg_back_longer_however_long_ago_the_first_was(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    leg, now = inflight.legs_of(position)[0], clock.now()
    for seconds in (120, 4):
        ended = now - timedelta(seconds=seconds)
        made = Order.objects.create(
            profile=position.profile,
            mode=position.mode,
            position=position,
            leg=leg,
            action="buy",
            purpose="quote",
            side="no",
            price=5_500,
            count=100,
            status=OrderStatus.REJECTED,
            is_final=True,
            error_code="post_only_cross",
            ended_at=ended,
        )
        Order.objects.filter(pk=made.pk).update(created_at=now + timedelta(seconds=1 - seconds / 1_000))
    assert quoting._refused_lately(quote_rows.read(position).orders) == {leg.pk}
