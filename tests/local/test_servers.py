"""The embedded servers: real, on loopback, and gone when stopped."""

from pathlib import Path

import redis

from kalbot.common import cache
from kalbot.local import servers


def test_the_test_run_has_a_real_redis(redis_db: redis.Redis) -> None:
    redis_db.set("a", "1")
    assert cache.prices().get("a") == b"1"


def test_redis_comes_back_on_the_same_port_after_a_kill(tmp_path: Path) -> None:
    server = servers.start_redis(tmp_path)
    client = redis.Redis.from_url(server.url)
    assert client.ping()
    server.kill()
    assert servers.port_is_free(server.port)
    server.start_again()
    assert redis.Redis.from_url(server.url).ping()
    server.stop()
