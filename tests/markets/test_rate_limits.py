"""One account, many processes: tokens are handed out once."""

from __future__ import annotations

import threading
import time

import pytest
import redis

from markets import rate_limits
from markets.kalshi.errors import LocallyRateLimited
from markets.kalshi.schemas.account import ApiLimits, BucketLimit
from markets.rate_limits import SharedLimiter

SMALL = ApiLimits(usage_tier="basic", read=BucketLimit(200, 600), write=BucketLimit(100, 100))
SLOW = ApiLimits(usage_tier="basic", read=BucketLimit(1, 600), write=BucketLimit(1, 100))
"""Refills so slowly that a busy machine cannot earn a withdrawal between two lines of a test."""


def test_two_processes_share_one_bucket(redis_db: redis.Redis) -> None:
    one, two = SharedLimiter(redis_db, "host:key", SLOW), SharedLimiter(redis_db, "host:key", SLOW)
    for _ in range(5):
        assert one.take(["write"], 10) == 0
        assert two.take(["write"], 10) == 0
    assert one.take(["write"], 10) > 0
    assert SharedLimiter(redis_db, "host:other", SLOW).take(["write"], 10) == 0


def test_tokens_come_back_with_time(redis_db: redis.Redis) -> None:
    limiter = SharedLimiter(redis_db, "host:key", SMALL)
    assert limiter.take(["write"], 100) == 0
    wait = limiter.take(["write"], 10)
    assert 0 < wait <= 0.11
    time.sleep(wait + 0.02)
    assert limiter.take(["write"], 10) == 0


def test_all_buckets_pay_or_none(redis_db: redis.Redis) -> None:
    limiter = SharedLimiter(redis_db, "host:key", SLOW)
    assert limiter.take(["write:2"], 100) == 0
    assert limiter.take(["write", "write:1", "write:2"], 50) > 0
    assert limiter.take(["write"], 100) == 0  # untouched by the refused withdrawal


def test_new_risk_leaves_what_an_unwind_needs(redis_db: redis.Redis) -> None:
    limiter = SharedLimiter(redis_db, "host:key", SLOW)
    for _ in range(6):
        limiter.acquire("write", 10, 0, keep_back=40, timeout=0)
    with pytest.raises(LocallyRateLimited):
        limiter.acquire("write", 10, 0, keep_back=40, timeout=0)
    for _ in range(4):
        limiter.acquire("write", 10, 0, timeout=0)


def test_a_request_that_no_bucket_can_ever_pay_is_refused_at_once(redis_db: redis.Redis) -> None:
    with pytest.raises(LocallyRateLimited):
        SharedLimiter(redis_db, "host:key", SLOW).acquire("write", 101, 0)


def test_a_rush_of_threads_never_gets_more_than_the_bucket(redis_db: redis.Redis) -> None:
    limiter = SharedLimiter(redis_db, "host:key", SMALL)
    got: list[int] = []

    def rush() -> None:
        for _ in range(20):
            if limiter.take(["write"], 10) == 0:
                got.append(10)  # noqa: PERF401

    began = time.monotonic()
    threads = [threading.Thread(target=rush) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 <= sum(got) <= 100 + 100 * (time.monotonic() - began) + 10


def test_without_redis_each_process_limits_itself(redis_db: redis.Redis) -> None:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    away = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    limiter = SharedLimiter(away, "host:key", SLOW)
    for _ in range(10):
        limiter.acquire("write", 10, 0, timeout=0)
    with pytest.raises(LocallyRateLimited):
        limiter.acquire("write", 10, 0, timeout=0)


def test_what_is_left_can_be_seen(redis_db: redis.Redis) -> None:
    SharedLimiter(redis_db, "host:public", SLOW).take(["read"], 10)
    found = rate_limits.left("host:public", SLOW)
    assert set(found) == {"read"}
    assert 590 <= found["read"] < 600
