"""What every test of trading needs: an empty Redis, trading allowed, no waiting, and no client of the test before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kalbot.common import clock
from tests.trading import world
from tests.trading.struck import StruckTwin, struck_twin
from trading.venues import connection


@pytest.fixture(autouse=True)
def _fresh_world(redis_db: object, db: None, monkeypatch: pytest.MonkeyPatch, settings: object) -> Iterator[None]:
    settings.PAPER_LATENCY_MS = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(clock, "sleep", lambda seconds: None)
    world.active()
    yield
    connection.use(None)


@pytest.fixture
def struck(settings: object) -> StruckTwin:
    settings.KALBOT_LIVE = True  # type: ignore[attr-defined]
    return struck_twin()
