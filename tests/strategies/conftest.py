"""What every test of this room needs: an empty Redis, and no memory of the test before."""

from __future__ import annotations

import pytest

from strategies import facts, recall, watchlist


@pytest.fixture(autouse=True)
def _fresh_world(redis_db: object) -> None:
    facts.forget()
    recall.forget()
    watchlist.forget()
