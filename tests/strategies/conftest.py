"""What every test of this package needs: an empty Redis, and no memory of the test before."""

from __future__ import annotations

import pytest

from strategies.cycle import candidates, event_cache, memo
from strategies.screening import verdict_rows, watchlist


@pytest.fixture(autouse=True)
def _fresh_world(redis_db: object) -> None:
    candidates.forget()
    event_cache.forget()
    memo.forget()
    verdict_rows.forget()
    watchlist.forget()
