"""The exchange's pauses on the twin: no basket begins in one or shortly before, and what is under way waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets import exchange_hours
from markets.models import ExchangeSchedule
from simulator.control import admin
from simulator.control.exchange_actions import set_status
from strategies.models import Profile
from tests.trading import world
from tests.trading.struck import StruckTwin, execute
from trading.closing import exits
from trading.execution import executor
from trading.execution.orders import record
from trading.models import Denial, Leg, Lock, Order, OrderError, Position
from trading.venues import connection
from trading.venues.protocol import Refused

LIMITS = (3_000, 3_200, 3_100)


def _denied(twin: StruckTwin, **columns: Any) -> str:
    profile = Profile.objects.first() or world.add_profile("live", mode="live", **columns)
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)), 1_000)
    if executor.execute(decision.pk) is not None:
        return ""
    return str(Denial.objects.get(decision=decision).code)


def _announce(twin: StruckTwin, **body: Any) -> None:
    assert admin.handle(twin.exchange, "POST", "maintenance", {}, body)[0] == 200
    exchange_hours.forget()


def test_no_basket_begins_in_the_minutes_before_an_announced_pause(struck: StruckTwin) -> None:
    _announce(struck, in_ms=280_000, for_ms=60_000)
    assert _denied(struck) == "pause_soon"
    assert not Order.objects.exists()
    struck.exchange.state.announced = [(0, 1)]
    exchange_hours.forget()
    assert _denied(struck) == ""
    assert ExchangeSchedule.objects.count() == 2


def test_a_pause_that_began_without_a_word_denies_too_and_its_end_is_seen_at_once(struck: StruckTwin) -> None:
    set_status(struck.exchange, {"trading_paused": True})
    exchange_hours.forget()
    assert _denied(struck) == "exchange_paused"
    set_status(struck.exchange, {"trading_paused": False})
    with time_machine.travel(clock.now() + timedelta(seconds=6)):
        struck.sync()
        assert _denied(struck) == ""


def test_a_pause_of_another_shard_does_not_stop_this_one(struck: StruckTwin) -> None:
    set_status(struck.exchange, {"trading_paused": True, "shard": 2})
    exchange_hours.forget()
    assert _denied(struck) == ""


@pytest.mark.parametrize(
    "body",
    [
        b'{"schedule": {"standard_hours": [], "maintenance_windows": [{"from": "tomorrow"}]}}',
        b'{"schedule": {"standard_hours": [], "maintenance_windows": []}}',
        b'{"schedule": null}',
        b"<html>",
    ],
)
def test_a_schedule_that_cannot_be_understood_denies(struck: StruckTwin, body: bytes) -> None:
    struck.session.answers["/exchange/schedule"] = body
    exchange_hours.forget()
    assert _denied(struck) == "hours_unknown"


@pytest.mark.parametrize("pause", ["trading_paused", "exchange_paused"])
def test_a_pause_in_mid_basket_is_waited_out_and_the_basket_completed(struck: StruckTwin, pause: str) -> None:
    struck.session.before = {2: lambda: set_status(struck.exchange, {pause: True})}
    position = execute(struck)
    sent = struck.session.posts
    for _ in range(5):
        position = executor.step(position.pk)
    assert (position.status, position.residual_code) == ("completing", "exchange_paused")
    assert (position.attempts, position.orders.filter(action="sell").count()) == (0, 0)
    assert struck.session.posts == sent <= 4, "nothing more is sent into a pause"
    set_status(struck.exchange, {pause: False})
    with time_machine.travel(clock.now() + timedelta(seconds=20)):
        struck.sync()
        position = executor.step(position.pk)
    assert (position.status, position.matched_count) == ("open", 1_000)


def test_an_order_that_completes_and_meets_a_pause_is_no_try(struck: StruckTwin) -> None:
    last = struck.markets[2]

    def thin() -> None:
        struck.cancel_makers(last, "ask")
        struck.quote(last, "ask", 3_100, 300)
        struck.session.before[4] = lambda: set_status(struck.exchange, {"trading_paused": True})

    struck.session.before = {3: thin}
    position = execute(struck)
    for _ in range(3):
        position = executor.step(position.pk)
    refused = position.orders.filter(purpose="complete")
    assert [order.status for order in refused] == ["rejected"]
    assert (position.status, position.attempts) == ("completing", 0)


def test_an_unwind_and_an_exit_wait_for_the_end_of_a_pause(struck: StruckTwin) -> None:
    position = execute(struck)
    exits.request_exit(position_id=position.pk, actor="ann", reason="out", below_floor="test")
    set_status(struck.exchange, {"trading_paused": True})
    exchange_hours.forget()
    sent = struck.session.posts
    position = executor.step(position.pk)
    assert (position.status, position.residual_code, struck.session.posts) == ("exiting", "exchange_paused", sent)
    Position.objects.update(status="unwinding", matched_count=0)
    struck.cancel_makers(struck.markets[0], "ask")
    position.exit_requests.update(status="cancelled")
    Leg.objects.filter(position=position, sequence=0).update(sold_count=1_000)
    position = executor.step(position.pk)
    assert (position.residual_code, struck.session.posts) == ("exchange_paused", sent)


def test_pauses_refuse_no_storm_and_are_no_failed_baskets(struck: StruckTwin) -> None:
    for number in range(12):
        struck.session.before = {
            struck.session.posts + 1: lambda: set_status(struck.exchange, {"trading_paused": True})
        }
        assert _denied(struck, cooldown_seconds=0) == "", number
        set_status(struck.exchange, {"trading_paused": False})
    assert Position.objects.filter(status="aborted", close_code="trading_is_paused").count() == 12
    assert not Lock.objects.exists()


def test_an_order_refused_for_a_pause_has_the_hours_read_again(struck: StruckTwin) -> None:
    struck.session.before = {1: lambda: set_status(struck.exchange, {"trading_paused": True})}
    assert _denied(struck) == ""
    assert _denied(struck) == "exchange_paused"


def _tightened(twin: StruckTwin) -> None:
    Profile.objects.update(
        max_per_position=1, max_per_event=1, max_orders_per_minute=1, is_active=False, kinds=["coverage"]
    )


INTERRUPTIONS: dict[str, Callable[[StruckTwin], None]] = {"tightened profile": _tightened}


@pytest.mark.parametrize("what", INTERRUPTIONS)
def test_completing_is_not_given_up_for_what_stops_new_risk(struck: StruckTwin, what: str) -> None:
    struck.session.before = {2: lambda: INTERRUPTIONS[what](struck)}
    position = execute(struck)
    position = executor.step(position.pk)
    assert (position.status, position.matched_count) == ("open", 1_000)


@pytest.mark.parametrize(("ms_later", "is_kept"), [(-1, True), (0, False), (1, False)])
def test_a_paused_market_takes_nothing_away_that_was_read_after_its_order_was_sent(
    struck: StruckTwin, ms_later: int, is_kept: bool
) -> None:
    order = execute(struck).orders.all()[0]
    known = exchange_hours.refresh(connection.client())
    assert known is not None
    order.sent_at = clock.from_ms(known.checked_ms + ms_later)
    Order.objects.filter(pk=order.pk).update(status="sending")
    record.reject(order, Refused(OrderError.PAUSED, "this market"), is_final=True)
    assert exchange_hours.last() == (known if is_kept else None)
