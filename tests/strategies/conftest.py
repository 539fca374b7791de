"""What every test of this package needs: an empty Redis, and no memory of the test before."""

from __future__ import annotations

import pytest

from strategies.cycle import event_cache, memo
from strategies.screening import watchlist


@pytest.fixture(autouse=True)
def _fresh_world(redis_db: object) -> None:
    event_cache.forget()
    memo.forget()
    watchlist.forget()
