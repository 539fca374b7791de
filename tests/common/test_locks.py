"""Locks in a real Redis: one holder, a time to live, and no harm to the next holder."""

import redis
from pytest_django import Settings

from kalbot.common import cache


def test_a_lock_is_acquired_by_one_at_a_time(redis_db: redis.Redis) -> None:
    with cache.lock("x", 5) as first, cache.lock("x", 5) as second:
        assert first
        assert not second
        second.release()
        assert not cache.Lock("x", 5)
    with cache.lock("x", 5) as again:
        assert again


def test_renewing_extends_a_lock_but_never_somebody_elses(redis_db: redis.Redis) -> None:
    with cache.lock("x", 5) as acquired:
        redis_db.pexpire(cache.key("lock:x"), 50)
        acquired.renew()
        assert redis_db.pttl(cache.key("lock:x")) > 1_000
        redis_db.delete(cache.key("lock:x"))
        acquired.renew()
        assert redis_db.pttl(cache.key("lock:x")) > 1_000, "it had expired, and nobody wanted it"
        redis_db.set(cache.key("lock:x"), "somebody else's", px=500)
        acquired.renew()
        assert redis_db.pttl(cache.key("lock:x")) <= 500
    assert redis_db.get(cache.key("lock:x")) == b"somebody else's"


def test_releasing_an_expired_lock_leaves_the_next_holders(redis_db: redis.Redis) -> None:
    with cache.lock("x", 5) as acquired:
        assert acquired
        redis_db.set(cache.key("lock:x"), "somebody else's")
    assert redis_db.get(cache.key("lock:x")) == b"somebody else's"


def test_without_redis_nothing_is_acquired_and_nothing_raised(settings: Settings) -> None:
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    with cache.lock("x", 5) as acquired:
        assert not acquired
        acquired.renew()
