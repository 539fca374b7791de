"""Locks in a real Redis: one holder, a time to live, and no harm to the next holder."""

import redis
from pytest_django import Settings

from kalbot.common import cache, locks


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


def test_several_locks_are_acquired_and_released_together_and_values_are_read_beside(redis_db: redis.Redis) -> None:
    redis_db.set("beside", b"value", ex=5)
    with cache.lock("b", 5) as other, locks.acquired(["a", "b", "c"], 5, ["beside", "none"]) as (got, values):
        assert other
        assert (got, values) == ([True, False, True], [b"value", None])
        assert 1_000 < redis_db.pttl(cache.key("lock:a")) <= 5_000
        with locks.acquired(["c"], 5, ["nothing"]) as second:
            assert second == ([False], [None])
        redis_db.set(cache.key("lock:c"), "somebody else's", px=5_000)
    assert redis_db.get(cache.key("lock:a")) is None
    assert redis_db.get(cache.key("lock:b")) is None
    assert redis_db.get(cache.key("lock:c")) == b"somebody else's"
    with locks.acquired(["a"], 5, ["beside"]) as (again, _):
        assert again == [True]


def test_one_message_acquires_several_locks_and_one_releases_them(redis_db: redis.Redis) -> None:
    with locks.acquired(["warm"], 5, ["beside"]):
        pass
    before = redis_db.info("commandstats")
    with locks.acquired(["a", "b", "c"], 5, ["beside"]):
        pass
    calls = {
        name: stat["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stat in redis_db.info("commandstats").items()
    }
    assert calls["cmdstat_evalsha"] == 1
    assert calls["cmdstat_set"] == 3


def test_without_redis_none_of_several_locks_is_acquired_and_nothing_raised(settings: Settings) -> None:
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    with locks.acquired(["a", "b"], 5, ["beside"]) as found:
        assert found == ([False, False], [None])


def test_nothing_is_read_where_no_lock_is_wanted(settings: Settings) -> None:
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    with locks.acquired([], 5, ["beside"]) as found:
        assert found == ([], [None])
