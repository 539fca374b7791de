"""The embedded servers: real, on loopback, and gone when stopped."""

import redis

from kalbot.common import cache
from kalbot.local import servers


def test_the_test_run_has_a_real_redis(redis_db):
    redis_db.set("a", "1")
    assert cache.prices().get("a") == b"1"


def test_a_lock_is_held_by_one_and_lapses(redis_db):
    with cache.lock("x", 5) as first, cache.lock("x", 5) as second:
        assert first
        assert not second
        second.release()
        assert not cache.Lock("lock:x", 5)
    with cache.lock("x", 5) as again:
        assert again


def test_a_lock_lives_on_only_while_its_holder_renews_it(redis_db):
    with cache.lock("x", 5) as held:
        redis_db.pexpire("lock:x", 50)
        held.renew()
        assert redis_db.pttl("lock:x") > 1_000
        redis_db.set("lock:x", "somebody else's", px=50)
        held.renew()
        assert redis_db.pttl("lock:x") <= 50


def test_redis_comes_back_on_the_same_port_after_a_kill(tmp_path):
    server = servers.start_redis(tmp_path)
    client = redis.Redis.from_url(server.url)
    assert client.ping()
    server.kill()
    assert servers.port_is_free(server.port)
    server.start_again()
    assert redis.Redis.from_url(server.url).ping()
    server.stop()
