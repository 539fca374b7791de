"""The demo says that a machine is too slow, what comes next, and why a position ended as it did."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rich.console import Console

from kalbot.local import pace, screen_parts
from kalbot.local.processes import Plan
from markets.models import Event, Scan
from strategies.models import Cycle
from tests.trading import world
from trading.models import Order, Position

pytestmark = pytest.mark.django_db


def plan(**columns: Any) -> Plan:
    """A plan of a demo that is not started."""
    ports = dict.fromkeys(("web_port", "simulator_port", "weather_port", "redis_port"), 1)
    paths = dict.fromkeys(("state", "snapshot"), Path("nowhere"))
    rest = {
        "seed": 1,
        "speed": 1.0,
        "edge_every": 6.0,
        "turn_every": 0,
        "maker_events": 0,
        "still": False,
        "web_host": "h",
    }
    return Plan(**{**paths, **ports, **rest, **columns})


def position(number: int, late: timedelta) -> Position:
    """A position whose first order left so long after its decision."""
    profile = world.add_profile(f"p{number}")
    event = world.add_event(f"KXT-{number}")
    decision = world.decide(profile, event, {f"KXT-{number}-0": 3_000}, kind="coverage")
    made = Position.objects.create(
        profile=profile, mode="sim", decision=decision, event=event, kind="coverage", target_count=100
    )
    leg = made.legs.create(market_id=f"KXT-{number}-0", side="yes", target_count=100, limit_price=3_000)
    Order.objects.create(
        profile=profile,
        mode="sim",
        position=made,
        leg=leg,
        action="buy",
        purpose="entry",
        side="yes",
        price=3_000,
        count=100,
        sent_at=decision.created_at + late,
    )
    return made


@pytest.mark.parametrize(("late", "is_slow"), [(timedelta(milliseconds=40), False), (timedelta(seconds=5), True)])
def test_orders_that_leave_late_are_named_with_what_helps(late: timedelta, is_slow: bool) -> None:
    for number in range(pace.FEWEST):
        position(number, late)
    assert ("too slow" in pace.slow(), "--speed" in pace.slow()) == (is_slow, is_slow)


def test_two_slow_cycles_say_nothing_yet_and_three_do() -> None:
    for _ in range(pace.FEWEST):
        assert pace.slow() == ""
        Cycle.objects.create(duration_ms=9_000, started_at=timezone.now())
    assert "a strategy cycle takes 9.0 s" in pace.slow()


def test_what_comes_next_is_the_position_that_closes_first_else_the_next_event() -> None:
    assert pace.upcoming(plan(still=True)) == ""
    held = position(1, timedelta(0))
    close = timezone.now() + timedelta(seconds=90)
    Event.objects.filter(pk="KXT-1").update(close_time=close, title="Rain in Boston")
    assert f"#{held.pk} Rain in Boston closes in 1 min" in pace.upcoming(plan())
    assert "planted every 6 s" in pace.upcoming(plan())
    Position.objects.update(status="aborted")
    assert pace.upcoming(plan(still=True)).startswith("next: Rain in Boston closes in 1 min")


def test_a_loss_stands_beside_its_cause() -> None:
    lost = position(1, timedelta(0))
    lost.events.create(from_status="unwinding", to_status="aborted", reason="the second leg was gone", actor="kalbot")
    lost.events.create(reason="seen by triage", actor="triage")
    Position.objects.filter(pk=lost.pk).update(status="aborted", realised=-2_910_000)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(screen_parts.latest(200, 6))
    line = next(line for line in console.export_text().splitlines() if "-$2.91" in line)
    assert "the second leg was gone" in line


def test_an_exchange_that_never_answers_in_time_is_named_after_three_scans() -> None:
    for number in range(3):
        assert pace.slow() == ""
        Scan.objects.create(started_at=timezone.now(), status="failed", error=f"no answer within {number} s")
    assert "the last 3 scans failed" in pace.slow()
    Scan.objects.create(started_at=timezone.now(), status="done")
    assert pace.slow() == ""
