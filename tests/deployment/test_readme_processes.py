"""The README's process list, started literally on Postgres, Redis and the simulated exchange: all is well, and ends on SIGTERM."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from tests import redis_keys
from tests.deployment.installation import ROOT, Installation, servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
WATCHED = ["exits", "execution", "trading", "strategy", "scan", "triage", "default", "beat", "stream"]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    # not below pytest's own folder, which every other run closes to the user of Postgres
    with TemporaryDirectory(prefix="kalbot-installation-") as folder, servers(Path(folder)) as found:
        yield found


def test_every_process_starts_is_well_and_ends(environment: dict[str, str], tmp_path: Path) -> None:
    installation = Installation(environment, tmp_path)
    installation.once()
    try:
        installation.start()
        bad = installation.await_well(400)
        assert bad == {}, installation.said()
        assert all(process.poll() is None for process in installation.processes.values()), installation.said()
        alive = subprocess.run([sys.executable, "manage.py", "alive", *WATCHED], cwd=ROOT, env=environment, check=False)
        assert alive.returncode == 0
        host = urlsplit(environment["KALSHI_REST_URL"]).netloc
        assert redis_keys.problems(environment["REDIS_URL"], f"kalbot:{host}:") == []
    finally:
        statuses = installation.stop()
    assert set(statuses.values()) <= {0, -15}, statuses
