"""What every test of trading needs: an empty Redis, trading allowed, no waiting, and no client of the test before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kalbot.common import clock
from tests.trading import world
from tests.trading.struck import StruckTwin, struck_twin
from tests.trading.twin import Twin
from trading.safety import live_readiness
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
    settings.KALBOT_LIVE = True  # type: ignore[attr-defined]
    return struck_twin()


@pytest.fixture
def twin(settings: object) -> Twin:
    """A simulated exchange, live, with an event of three outcomes whose YES cost 0.30, 0.32 and 0.31, read and compared once."""
    settings.KALBOT_LIVE = True  # type: ignore[attr-defined]
    found = Twin()
    for bid, ask in ((2_400, 3_000), (2_800, 3_200), (2_600, 3_100)):
        found.add_market([(bid, 10_000)], [(ask, 10_000)])
    connection.use(found.client())
    live_readiness.require_reconciliation()
    found.sync()
    return found
