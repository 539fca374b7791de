"""Celery tasks of backtests: a thin wrapper."""

from __future__ import annotations

from typing import Final

from celery import shared_task

from backtest import stored
from kalbot.common import cache, messages

LOCK_SECONDS: Final = 30
"""Renewed while a run goes on; a run whose worker died makes place after it."""


@shared_task(name=messages.RUN_BACKTEST, time_limit=stored.MOST_SECONDS + 60)
def run_backtest() -> int | None:
    """The oldest run that waits, where a place is free. Returns its key."""
    for place in range(stored.jobs()):
        with cache.lock(f"backtest:{place}", LOCK_SECONDS) as acquired:
            if acquired:
                return stored.work(acquired.renew)
    return None
