"""The exchange's client of this thread: connections are kept alive between orders, and never shared between threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Final

from django.conf import settings

from markets import connect
from markets.kalshi.errors import KalshiError, Unreachable
from markets.kalshi.rest.client import KalshiClient
from trading.venues import account_limits

REFRESH_SECONDS: Final = 60.0
"""How often a thread reads the account's limits that another process has stored."""
MEASURED_FOR: Final = 300.0
"""So long a measurement of the clock counts, in seconds: it may have been set since."""
log = logging.getLogger(__name__)
_local = threading.local()
_offline: ContextVar[bool] = ContextVar("offline", default=False)


@contextmanager
def offline() -> Iterator[None]:
    """The exchange is not reached until the block ends: a client raises Unreachable. Threads that begin with a copy of the context of
    the block do not reach it either."""
    before = _offline.set(True)
    try:
        yield
    finally:
        _offline.reset(before)


def _refuse_offline() -> None:
    if _offline.get():
        raise Unreachable("a replay does not reach the exchange")


def client() -> KalshiClient:
    """The thread's client, made from the settings on first use. SettingError without a usable key."""
    _refuse_offline()
    found: KalshiClient | None = getattr(_local, "client", None)
    if found is None:
        found = _local.client = connect.client(for_account=True)
        _local.ours = True
    if getattr(_local, "ours", False) and time.monotonic() >= getattr(_local, "refresh_at", 0.0):
        _local.refresh_at = time.monotonic() + REFRESH_SECONDS
        found.transport.limiter.update(account_limits.known())
    return found


def clock_skew_ms() -> int | None:
    """The exchange's clock less ours, as this thread's client has measured it lately; None where it has not."""
    found: KalshiClient | None = getattr(_local, "client", None)
    return None if found is None else found.transport.skew.measured_within(MEASURED_FOR)


def ahead(of: KalshiClient) -> timedelta:
    """How far the exchange's clock is ahead of ours, as far as that is more than the measurement's own width."""
    skew = of.transport.skew
    found, width = skew.skew_ms or 0, skew.uncertainty_ms or 0
    return timedelta(milliseconds=found if abs(found) > width else 0)


def measure_clock() -> None:
    """Measure the clock by one public read where that has not been done lately, or showed too much: it may have been set right. What
    cannot be measured stays unknown."""
    known = clock_skew_ms()
    if known is not None and abs(known) <= settings.KALBOT_MAX_CLOCK_SKEW_MS:
        return
    try:
        client().exchange.status()
    except KalshiError as error:
        log.warning("the exchange's clock cannot be read: %s", error)


def use(replacement: KalshiClient | None) -> None:
    """Let this thread talk through ``replacement`` (None: through what the settings name, made when it is needed)."""
    _local.client, _local.ours, _local.refresh_at = replacement, False, 0.0


def forget() -> None:
    """This thread has no client, neither for an account nor for public reads."""
    _local.__dict__.clear()


def public() -> KalshiClient:
    """The thread's client for public reads, without a key: paper profiles need no account."""
    _refuse_offline()
    found: KalshiClient | None = getattr(_local, "client", None) or getattr(_local, "public", None)
    if found is None:
        found = _local.public = connect.client()
    return found
