"""Two installations on one Redis and one Postgres server, each with its own exchange: no key, message or row of one is the other's."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from kalbot.common.life import die_with_parent
from tests.deployment.installation import ROOT, commands, servers
from tests.deployment.test_workers import until

QUEUES = "exits,execution,trading,strategy,scan,triage,default"
CELERY = ("-m", "celery", "-A", "kalbot")
PROCESSES = (
    ("manage.py", "stream"),
    (*CELERY, "worker", "-n", "all@%h", "-Q", QUEUES, "--pool", "threads", "--concurrency", "4"),
    (*CELERY, "beat"),
)
"""The worker of both has the same name on the same host."""
TERMS = "import django; django.setup(); from kalbot.local import seeding; seeding.approve_simulated_terms()"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Beside:
    """One of the two."""

    def __init__(self, name: str, environment: dict[str, str], stack: ExitStack) -> None:
        self.environment = environment | {"KALBOT_ENVIRONMENT": name, "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
        self.prefix = f"{name}:"
        self.log = Path(environment["KALBOT_STATE"]).parent / f"{name}.log"
        self.processes: list[subprocess.Popen[bytes]] = []
        subprocess.run(commands()[0], shell=True, cwd=ROOT, env=self.environment, check=True, capture_output=True)
        subprocess.run([sys.executable, "-c", TERMS], cwd=ROOT, env=self.environment, check=True, capture_output=True)
        stack.callback(self.end)

    def start(self) -> None:
        """Stream, one worker and beat."""
        for command in PROCESSES:
            with self.log.open("ab") as log:
                started = subprocess.Popen(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent,
                )
            self.processes.append(started)

    def end(self) -> None:
        """All of it, at once."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(30)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in its database."""
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            return connection.execute(query).fetchall()

    def bought(self) -> int:
        """Positions that hold something."""
        time.sleep(0.5)  # it is called again and again
        return int(self.rows("SELECT count(*) FROM trading_position WHERE matched_count > 0")[0][0])


@pytest.fixture
def pair() -> Iterator[tuple[Beside, Beside]]:
    # not below pytest's own folder, which every other run closes to the user of Postgres
    with tempfile.TemporaryDirectory(prefix="kalbot-pair-") as name, ExitStack() as stack:
        world = ("--edge-every", "2", "--seed")
        folders = [Path(name) / one for one in ("first", "second")]
        for folder in (Path(name), *folders):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
        first = stack.enter_context(servers(folders[0], *world, "1"))
        second = stack.enter_context(servers(folders[1], *world, "2", beside=first))
        yield Beside("first", first, stack), Beside("second", second, stack)


def test_two_installations_trade_on_the_same_servers_and_neither_notices_the_other(
    pair: tuple[Beside, Beside],
) -> None:
    for one in pair:
        one.start()
    first, second = pair
    assert until(lambda: all(one.bought() >= 2 for one in pair), 300), [one.log.read_text()[-3_000:] for one in pair]

    url = first.environment["REDIS_URL"]
    stores = [redis.Redis.from_url(f"{url}/{number}", decode_responses=True) for number in (0, 1)]  # messages, prices
    keys = {str(key) for store in stores for key in store.scan_iter(count=1_000)}
    nobodys = [key for key in keys if not key.startswith((first.prefix, second.prefix, "limit:"))]
    assert not nobodys
    names = [{key.removeprefix(one.prefix) for key in keys if key.startswith(one.prefix)} for one in pair]
    assert all(any(":px:" in name for name in found) for found in names), "each has prices"
    assert len([key for key in keys if key.startswith("limit:")]) >= 2, "each exchange counts its own"

    channels = [str(name) for name in stores[0].pubsub_channels()]
    assert all(name.startswith((first.prefix, second.prefix)) for name in channels), channels
    for one in pair:
        unknown = "SELECT name, error FROM console_taskrecord WHERE status = 'failed'"
        assert one.rows(unknown) == []
        assert one.rows("SELECT scope, state FROM trading_tradingstate WHERE state <> 'active'") == []

    subprocess.run(
        [sys.executable, "manage.py", "halt", "--reason", "the first alone"],
        cwd=ROOT,
        env=first.environment,
        check=True,
        capture_output=True,
    )
    first.end()
    for store in stores:
        for key in store.scan_iter(f"{first.prefix}*", count=1_000):
            store.delete(key)
    before = second.bought()
    assert until(lambda: second.bought() >= before + 2, 300), second.log.read_text()[-3_000:]
    assert second.rows("SELECT scope, state FROM trading_tradingstate WHERE state <> 'active'") == []
    left = [key for store in stores for key in store.scan_iter(f"{first.prefix}*", count=1_000)]
    assert not left, "nobody writes under the name of an installation that has ended"
