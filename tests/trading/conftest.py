"""What every test of trading needs: an empty Redis, trading allowed, no waiting, and no client of the test before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine

from kalbot.common import clock
from tests.trading import live_twin, world
from tests.trading.struck import Striking, StruckTwin
from tests.trading.twin import Twin
from trading.models import Leg, Position
from trading.venues import connection


@pytest.fixture(autouse=True)
def _fresh_world(redis_db: object, db: None, monkeypatch: pytest.MonkeyPatch, settings: object) -> Iterator[None]:
    settings.PAPER_LATENCY_MS = 0  # type: ignore[attr-defined]
    settings.KALBOT_FINAL_AFTER_SECONDS = 0.0  # type: ignore[attr-defined]
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    world.active()
    yield
    connection.use(None)


@pytest.fixture
def struck(settings: object) -> StruckTwin:
    found = StruckTwin()
    found.session = Striking(found.exchange)
    return live_twin.connect(settings, found)


@pytest.fixture
def twin(settings: object) -> Twin:
    """A simulated exchange, live, with an event of three outcomes whose YES cost 0.30, 0.32 and 0.31, read and compared once."""
    return live_twin.connect(settings, Twin(), live_twin.WIDE, 10_000)


@pytest.fixture
def half_bought() -> Iterator[Position]:
    """Completing two legs of 1,000: one holds 600 at 0.40, the other 400 at 0.30; the clock stands."""
    with time_machine.travel("2026-11-20T12:00:00+00:00", tick=False):
        event = world.add_event(outcomes=2)
        profile = world.add_profile(complete_seconds=30, leg_risk_budget=2 * world.DOLLAR)
        decision = world.decide(profile, event, {"KXT-1-0": 4_000, "KXT-1-1": 3_000})
        found = Position.objects.create(
            profile=profile,
            mode="sim",
            decision=decision,
            event=event,
            kind="all_yes",
            status="completing",
            target_count=1_000,
        )
        for number, (held, price) in enumerate(((600, 4_000), (400, 3_000))):
            Leg.objects.create(
                position=found,
                market_id=f"KXT-1-{number}",
                side="yes",
                sequence=number,
                target_count=1_000,
                limit_price=price,
                bought_count=held,
                bought_cost=held * price,
                open_cost=held * price,
            )
        world.publish(event.ticker, world.quoted(event, [(3_900, 4_000), (2_900, 3_000)]))
        yield found
