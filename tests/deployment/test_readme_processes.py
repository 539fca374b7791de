"""The README's process list, started literally on Postgres, Redis and the simulated exchange: all is well, and ends on SIGTERM."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kalbot.local.servers import free_port, start_postgres, start_redis

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def commands() -> list[str]:
    """The lines of the README's list of processes, without their comments."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"^Processes \(.*?```sh\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    return [line.split("#")[0].strip() for line in block.group(1).splitlines() if line.split("#")[0].strip()]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings of an installation: servers of its own, and a simulated exchange."""
    folder = tmp_path_factory.mktemp("installation")
    folder.chmod(0o755)
    with ExitStack() as stack:
        redis = start_redis(folder / "redis")
        stack.callback(redis.stop)
        server, url = start_postgres(folder / "postgres", durable=False)
        stack.callback(server.cleanup)
        output = folder / "simulator.log"
        command = [sys.executable, "-m", "simulator", "--port", str(free_port()), "--credentials", str(folder / "key")]
        with output.open("wb") as log:
            simulator = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        stack.callback(simulator.wait)
        stack.callback(simulator.terminate)
        ready = await_ready(output)
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KALBOT", "KALSHI"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KALBOT_STATE": str(folder / "state"),
            "KALBOT_DEVELOPMENT": "false",
            "SECRET_KEY": "k9" * 40,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "LOG_LEVEL": "INFO",
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "KALSHI_REST_URL": ready["rest"],
            "KALSHI_WS_URL": ready["ws"],
            "KALSHI_KEY_ID": ready["key_id"],
            "KALSHI_PRIVATE_KEY_PATH": str(Path(ready["credentials"]) / "private_key.pem"),
        }


def await_ready(output: Path) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for line in output.read_text().splitlines():
            if line.startswith('{"ready"'):
                return dict(json.loads(line))
        time.sleep(0.1)
    raise AssertionError(output.read_text())


def parts() -> dict[str, str]:
    """{part: state} of /healthz?full; empty while nobody answers."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:8000/healthz?full", timeout=10) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        found = json.load(error)
    except OSError:
        return {}
    return {name: part["state"] for name, part in found["parts"].items()}


def test_every_process_starts_is_well_and_ends(environment: dict[str, str], tmp_path: Path) -> None:
    once, *lasting = commands()
    subprocess.run(once, shell=True, cwd=ROOT, env=environment, check=True, capture_output=True)
    started = {}
    try:
        for number, line in enumerate(lasting):
            command = shlex.split(line)
            with (tmp_path / f"{number}.log").open("wb") as log:
                started[line] = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        wanted = {"database", "migrations", "installation", "redis", "workers", "beat", "stream", "host clocks"}
        well: set[str] = set()
        end = time.monotonic() + 150
        while time.monotonic() < end and not wanted <= well:
            well = {name for name, state in parts().items() if state == "ok"}
            time.sleep(1)
        logs = "\n".join(path.read_text()[-1_500:] for path in sorted(tmp_path.glob("*.log")))
        assert wanted <= well, (parts(), logs)
        assert all(process.poll() is None for process in started.values()), logs
        watched = ["execution", "trading", "strategy", "scan", "triage", "default", "beat", "stream"]
        alive = subprocess.run([sys.executable, "manage.py", "alive", *watched], cwd=ROOT, env=environment, check=False)
        assert alive.returncode == 0
    finally:
        for process in started.values():
            process.terminate()
        statuses = {line: process.wait(40) for line, process in started.items()}
    assert set(statuses.values()) <= {0, -15}, statuses
