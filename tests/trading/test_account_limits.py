"""The account's rate limits: as the exchange reports them, and the Basic tier's whenever that is not known."""

from __future__ import annotations

from typing import Any

import pytest

from kalbot.common import cache
from markets.kalshi.token_buckets import BASIC, UNSCOPED
from markets.rate_limits import SharedLimiter
from tests.trading.twin import Twin
from trading.venues import account_limits, connection


@pytest.fixture
def twin() -> Twin:
    return Twin(tier="premier")


def test_what_one_process_learns_all_know(twin: Twin) -> None:
    account_limits.refresh(twin.client())
    assert account_limits.known().usage_tier == "premier"
    assert account_limits.known().write.bucket_capacity > BASIC.write.bucket_capacity


def test_an_exchange_that_does_not_answer_leaves_things_as_they_were(twin: Twin) -> None:
    twin.exchange.faults.add(kind="error", method="GET", path="/account/limits", count=0)
    client = twin.client()
    client.transport.sleep = lambda seconds: None
    assert account_limits.refresh(client) == BASIC
    assert account_limits.known() == BASIC


@pytest.mark.parametrize("stored", [b"", b"{}", b"not json", b'{"tier": 1, "read": 2, "write": 3}'])
def test_what_cannot_be_read_means_the_basic_tier(stored: bytes) -> None:
    cache.prices().set(account_limits.KEY, stored)
    assert account_limits.known() == BASIC


def test_a_thread_goes_by_what_another_has_learnt(twin: Twin, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = SharedLimiter(cache.prices(), "x:account")
    monkeypatch.setattr("markets.connect.client", lambda **kwargs: twin.client(limiter))
    assert connection.client().transport.limiter is limiter
    assert limiter.available("write", UNSCOPED) == BASIC.write.bucket_capacity
    account_limits.refresh(twin.client())
    monkeypatch.setattr(connection, "REFRESH_SECONDS", 0.0)
    connection._local.refresh_at = 0.0
    connection.client()
    capacity = account_limits.known().write.bucket_capacity
    assert limiter.available("write", UNSCOPED) == capacity
    limiter.acquire("write", 500, UNSCOPED)
    assert capacity - 500 <= limiter.available("write", UNSCOPED) < capacity
    assert limiter.available("write", 2) == capacity, "a shard's bucket is its own"
