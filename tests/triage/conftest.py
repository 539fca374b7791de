from __future__ import annotations

import pytest
import redis

from tests.triage.world import World


@pytest.fixture
def world(redis_db: redis.Redis, db: None) -> World:
    """An event with live books, not yet published and not yet listed."""
    return World(redis_db)
