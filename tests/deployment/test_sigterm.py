"""A worker that is ended in the middle of a basket finishes it, and what still waits is answered by the next one."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kalbot.local.servers import start_redis
from tests.deployment.test_workers import until

ROOT = Path(__file__).resolve().parents[2]
WORKER = ("-m", "celery", "-A", "kalbot", "worker", "-Q", "execution", "--concurrency", "1", "--without-mingle")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Databases of this test's own; a paper order takes a second to reach the book."""
    redis = start_redis(tmp_path / "redis")
    unset = ("DATABASE_URL", "BROKER_URL", "PRICES_URL")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    yield {
        **kept,
        "KALBOT_STATE": str(tmp_path),
        "REDIS_URL": redis.url,
        "PAPER_LATENCY_MS": "1000",
        "LOG_LEVEL": "INFO",
        "DJANGO_SETTINGS_MODULE": "kalbot.settings",
    }
    redis.stop()


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    """What a query finds in the database of the processes."""
    (file,) = folder.glob("*.sqlite3")
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGQUIT])
def test_a_worker_ended_in_mid_basket_finishes_it_and_the_next_one_answers_what_waits(
    by: signal.Signals, env: dict[str, str], tmp_path: Path
) -> None:
    log = (tmp_path / "worker.log").open("wb")

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *WORKER], cwd=ROOT, env=env, stdout=log, stderr=log)

    workers = [start()]
    assert until(lambda: list(tmp_path.glob("alive/execution~*"))), (
        "decisions do not wait for a worker that is slow to start"
    )
    command = [sys.executable, "-m", "tests.deployment.basket_in_work", "3"]
    world = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert world.stdout is not None
        assert world.stdout.readline() == "sent\n"
        assert until(lambda: rows(tmp_path, "SELECT 1 FROM trading_order"))
        assert until(lambda: rows(tmp_path, "SELECT status FROM trading_position") == [("executing",)] * 2), (
            "one is past the queue, one from it"
        )
        workers[0].send_signal(by)
        assert workers[0].wait(150) == 0
        ended = rows(tmp_path, "SELECT status, matched_count, lease_token FROM trading_position")
        assert ended == [("open", 1_000, "")] * 2
        workers.append(start())
        answered = (
            "SELECT status FROM trading_position WHERE status != 'executing' UNION ALL SELECT code FROM trading_denial"
        )
        assert until(lambda: len(rows(tmp_path, answered)) == 3)
        assert rows(tmp_path, answered)[2] in [("expired",), ("open",)], "as long as it waited"
        sent = rows(tmp_path, "SELECT count(*) FROM trading_order GROUP BY position_id")
        assert set(sent) == {(3,)}, "nothing was sent twice"
    finally:
        world.communicate("")
        for worker in workers:
            worker.terminate()
            worker.wait(30)
