"""A worker of the revision before exits had a queue of their own, beside this one: no exit is lost, and none is made twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kalbot.common.life import die_with_parent
from kalbot.local.servers import start_postgres, start_redis
from tests.deployment.test_workers import until

ROOT = Path(__file__).resolve().parents[2]
OLDER = "d4c9afd5"
"""The last revision whose exits went to ``execution``."""
WORKER = ("-m", "celery", "-A", "kalbot", "worker", "--concurrency", "1", "--without-mingle", "--without-gossip", "-Q")
REQUESTED = """
import django
django.setup()
from trading.closing import exits
from trading.models import Position
exits.request_exit(position_id=Position.objects.get(event="{event}").pk, actor="ann", reason="sell", below_floor="a trial")
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Trial:
    """The world of ``beside_older`` and workers of both revisions, on a Postgres and a Redis of their own."""

    def __init__(self, folder: Path, env: dict[str, str], stack: ExitStack) -> None:
        self.folder, self.env, self.stack = folder, env, stack
        archive = subprocess.run(["git", "archive", OLDER], cwd=ROOT, capture_output=True, check=False)
        assert archive.returncode == 0, f"the history lacks {OLDER}: git fetch --unshallow"
        self.older = folder / "older"
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(self.older, filter="data")
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True, capture_output=True
        )
        command = [sys.executable, "-m", "tests.deployment.beside_older"]
        with (folder / "world.log").open("wb") as log:
            self.world = subprocess.Popen(
                command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        stack.callback(self.world.communicate, "")
        assert self.world.stdout is not None
        assert json.loads(self.world.stdout.readline()) == "ready"

    def ask(self, *words: str) -> Any:
        """What the world answers."""
        assert self.world.stdin is not None
        assert self.world.stdout is not None
        print(*words, file=self.world.stdin, flush=True)
        return json.loads(self.world.stdout.readline())

    def worker(self, code: Path, queues: str) -> subprocess.Popen[bytes]:
        """A worker of the code in ``code``, once it is at work."""
        name = "older" if code == self.older else "newer"
        state = self.folder / name
        state.mkdir(exist_ok=True)
        env = {**self.env, "KALBOT_STATE": str(state)}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *WORKER, queues],
                cwd=code,
                env=env,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        self.stack.callback(ended, process)
        return process

    def await_status(self, events: list[str], status: str) -> None:
        """Every one of these positions is there and has it."""

        def holds() -> bool:
            time.sleep(0.5)
            found = self.ask("state")
            return all(found.get(event, [""])[0] == status for event in events)

        assert until(holds, 240), (self.ask("state"), self.said())

    def said(self) -> str:
        """The last that the workers wrote."""
        return "\n".join(path.read_text(errors="replace")[-3_000:] for path in sorted(self.folder.glob("*.log")))


def ended(process: subprocess.Popen[bytes]) -> None:
    """The worker has finished what it was at."""
    process.terminate()
    process.wait(60)


@pytest.fixture
def trial() -> Iterator[Trial]:
    # not below pytest's own folder, which every other run closes to the user of Postgres
    with TemporaryDirectory(prefix="kalbot-older-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        redis = start_redis(folder / "redis")
        stack.callback(redis.stop)
        server, url = start_postgres(folder / "postgres", durable=False)
        stack.callback(server.cleanup)
        unset = ("BROKER_URL", "PRICES_URL", "PYTHONPATH", "KALBOT_TEST_REDIS", "KALBOT_TEST_DATABASE")
        kept = {name: value for name, value in os.environ.items() if name not in unset}
        changes = {"DATABASE_URL": url, "REDIS_URL": redis.url, "KALBOT_STATE": name, "LOG_LEVEL": "INFO"}
        yield Trial(folder, {**kept, **changes, "DJANGO_SETTINGS_MODULE": "kalbot.settings"}, stack)


def test_exits_are_carried_out_once_by_workers_of_either_revision(trial: Trial) -> None:
    bought = trial.ask("buy", "5")
    first, *together, last = bought
    older = trial.worker(trial.older, "execution")
    trial.await_status(bought, "open")

    trial.ask("exit", first)  # its message waits where nobody reads; the sweep on ``execution`` finds it
    trial.await_status([first], "closed")

    newer = trial.worker(ROOT, "exits,execution")
    more = trial.ask("buy", "3")
    for event in together:
        trial.ask("exit", event)
    trial.await_status(together, "closed")
    trial.await_status(more, "open")

    ended(older)
    code = REQUESTED.format(event=last)  # a page of the older revision sends it to ``execution``
    subprocess.run([sys.executable, "-c", code], cwd=trial.older, env=trial.env, check=True, capture_output=True)
    trial.await_status([last], "closed")
    ended(newer)

    state = trial.ask("state")
    assert {event: (sold == held, requests) for event, (_, held, sold, requests) in state.items()} == {
        **dict.fromkeys(bought, (True, 1)),
        **dict.fromkeys(more, (False, 0)),
    }
    said = [line for name in ("older", "newer") for line in (trial.folder / f"{name}.log").read_text().splitlines()]
    assert [line for line in said if "Traceback" in line or "unregistered" in line] == []
