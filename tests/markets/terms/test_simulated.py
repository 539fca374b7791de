"""What the simulated exchange lists can be certified, the first events and those that follow them: the demo lives on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kalbot.common import clock
from markets.catalogue.scan import scan
from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.models import Certificate
from tests.simulator.world import B825, make_exchange, write_snapshot
from tests.trading.twin import BASE, NoLimit, TwinSession, Unsigned

pytestmark = pytest.mark.django_db


def test_a_temperature_event_and_its_follower_are_certified(tmp_path: Path) -> None:
    exchange = make_exchange(write_snapshot(tmp_path), still=False, flow_events_per_step=0, rate_limits=False)
    client = KalshiClient(
        from_settings(BASE, "ws://twin.invalid/trade-api/ws/v2"),
        Unsigned(),  # type: ignore[arg-type]  # the twin has no keys
        NoLimit(),
        TwinSession(exchange),
        clock=clock.now_ms,
    )
    scan(client)
    exchange.advance(exchange.markets[B825].close_ms + 10_000)
    scan(client)
    rows = Certificate.objects.filter(event__series="KXHIGHNY").order_by("pk")
    why = list(rows.values_list("event_id", "status", "kind", "reason"))
    assert ("KXHIGHNY-26JUL20", "tiling") in {(event, kind) for event, _, kind, _ in why}, why
    assert ("KXHIGHNY-26JUL21", "granted", "tiling", "") in why, why
