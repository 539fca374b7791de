from __future__ import annotations

import pytest
import redis
from django.core.cache import cache as process_cache

from tests.triage.world import World
from triage.sources import facts, registry


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Each test begins as a fresh process: tests use the same tickers for different events."""
    facts._known.clear()
    registry._said.clear()
    process_cache.clear()


@pytest.fixture
def world(redis_db: redis.Redis, db: None) -> World:
    """An event with live books, not yet published and not yet listed."""
    return World(redis_db)
