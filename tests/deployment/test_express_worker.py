"""Real workers of both kinds of pool take events past the queue, also after a process of theirs was killed, and end as any worker does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis

from kalbot.common import cache, express, idle_receivers, messages
from kalbot.console.ops.records import task_runs
from kalbot.local.servers import RunningRedis, start_redis
from tests.deployment.test_workers import until

ROOT = Path(__file__).resolve().parents[2]
WORKER = (
    "-m",
    "celery",
    "-A",
    "kalbot",
    "worker",
    "-Q",
    "strategy",
    "--concurrency",
    "1",
    "--without-mingle",
    "--pool",
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningRedis]:
    found = start_redis(tmp_path / "redis")
    yield found
    found.stop()


@pytest.fixture
def env(server: RunningRedis, tmp_path: Path) -> dict[str, str]:
    """A database and a Redis of this test's own."""
    unset = ("DATABASE_URL", "BROKER_URL", "PRICES_URL")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    made = {**kept, "KALBOT_STATE": str(tmp_path), "REDIS_URL": server.url, "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=made, check=True)
    return made


def _evaluated(prices: Any) -> int:
    return int(prices.hget(task_runs.COUNTS, f"{messages.EVALUATE_EVENT}|done") or 0)


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(number) for number in listed.split()]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_takes_events_past_the_queue_and_leaves_none_when_it_ends(
    pool: str, env: dict[str, str], tmp_path: Path
) -> None:
    prices = redis.Redis.from_url(f"{env['REDIS_URL']}/1")
    waiting, served = express.keys()
    log = (tmp_path / "worker.log").open("wb")
    worker = subprocess.Popen([sys.executable, *WORKER, pool], cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        assert until(lambda: prices.exists(served))
        prices.zadd(waiting, {"E1": 1, "E2": 2, "E3": 3})
        assert until(lambda: _evaluated(prices) == 3)
        if pool == "prefork":
            for child in _children(worker):
                os.kill(child, signal.SIGKILL)
            prices.delete(served)
            assert until(lambda: prices.exists(served)), "the process that takes its place waits too"
            prices.zadd(waiting, {"E1": 1})
            assert until(lambda: _evaluated(prices) == 4)
        assert prices.llen(cache.key("strategy")) == 0
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        assert not prices.exists(served)
    finally:
        worker.kill()
        worker.wait(30)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_takes_purchases_past_the_queue_and_ends_at_once_however_it_is_ended(
    pool: str, how: signal.Signals, env: dict[str, str], tmp_path: Path
) -> None:
    """A decision that nobody has is a purchase that fails: it was taken, and by the threads."""
    prices: Any = redis.Redis.from_url(f"{env['REDIS_URL']}/1")
    waiting = cache.key(idle_receivers.WAITING)
    command = [sys.executable, *["execution" if word == "strategy" else word for word in WORKER], pool]
    log = (tmp_path / "worker.log").open("wb")
    worker = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    failed = f"{messages.EXECUTE_DECISION}|failed"
    try:
        for number in range(3):
            assert until(lambda: prices.zcard(waiting))
            (name, _) = prices.zpopmax(waiting)[0]
            prices.rpush(f"{cache.key(idle_receivers.GIVEN)}{name.decode()}", f'["{UUID(int=number)}", ""]')
            assert until(lambda: int(prices.hget(task_runs.COUNTS, failed) or 0) == number + 1)  # noqa: B023
        assert prices.llen(cache.key("execution")) == 0
        began = time.monotonic()
        worker.send_signal(how)
        worker.wait(60)
        assert time.monotonic() - began < 20
        assert until(lambda: not prices.exists(waiting)), "nobody says any longer that he waits"
        assert not prices.keys(f"{cache.key(idle_receivers.GIVEN)}*")
    finally:
        worker.kill()
        worker.wait(30)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_waits_again_after_its_redis_was_killed_and_came_back_empty(
    pool: str, env: dict[str, str], server: RunningRedis, tmp_path: Path
) -> None:
    command = [sys.executable, *["strategy,execution" if word == "strategy" else word for word in WORKER], pool]
    log = (tmp_path / "worker.log").open("wb")
    worker = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    events, served = express.keys()
    purchases, failed = cache.key(idle_receivers.WAITING), f"{messages.EXECUTE_DECISION}|failed"
    prices: Any = redis.Redis.from_url(f"{env['REDIS_URL']}/1")
    try:
        assert until(lambda: prices.exists(served) and prices.zcard(purchases))
        server.kill()
        time.sleep(3)
        server.start_again()
        prices = redis.Redis.from_url(f"{env['REDIS_URL']}/1")
        assert until(lambda: prices.exists(served) and prices.zcard(purchases)), "both kinds of threads wait again"
        prices.zadd(events, {"E1": 1})
        assert until(lambda: _evaluated(prices) == 1)
        (name, _) = prices.zpopmax(purchases)[0]
        prices.rpush(f"{cache.key(idle_receivers.GIVEN)}{name.decode()}", f'["{UUID(int=1)}", ""]')
        assert until(lambda: int(prices.hget(task_runs.COUNTS, failed) or 0) == 1)
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait(30)
