"""Production on this machine: the README's process list, started literally on Postgres, Redis and the simulated exchange."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from kalbot.common.life import die_with_parent
from kalbot.local.servers import free_port, start_postgres, start_redis

ROOT: Final = Path(__file__).resolve().parents[2]
WELL: Final = {"database", "migrations", "installation", "redis", "workers", "beat", "stream", "host clocks"}
"""Parts of the status that are well in an installation in which everything runs."""


def commands() -> list[str]:
    """The lines of the README's list of processes, without their comments."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"^Processes \(.*?```sh\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    return [line.split("#")[0].strip() for line in block.group(1).splitlines() if line.split("#")[0].strip()]


@contextmanager
def servers(
    folder: Path, *exchange: str, durable: bool = False, beside: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """The settings of an installation: servers of its own, and a simulated exchange with these options.

    ``beside``: the settings of another installation, whose Redis and Postgres this one shares; it has a database of its own there.
    """
    folder.chmod(0o755)
    with ExitStack() as stack:
        if beside is None:
            redis = start_redis(folder / "redis")
            stack.callback(redis.stop)
            server, url = start_postgres(folder / "postgres", durable=durable)
            stack.callback(server.cleanup)
            redis_url = redis.url
        else:
            url, redis_url = _second_database(beside["DATABASE_URL"]), beside["REDIS_URL"]
        output = folder / "simulator.log"
        command = ["-m", "simulator", "--port", str(free_port()), "--credentials", str(folder / "key"), *exchange]
        with output.open("wb") as log:
            simulator = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        stack.callback(simulator.wait)
        stack.callback(simulator.terminate)
        ready = _await_ready(output)
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(("KALBOT", "KALSHI"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KALBOT_ENV_FILE": "",
            "KALBOT_STATE": str(folder / "state"),
            "KALBOT_DEVELOPMENT": "false",
            "SECRET_KEY": "k9" * 40,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "LOG_LEVEL": "INFO",
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "KALSHI_REST_URL": ready["rest"],
            "KALSHI_WS_URL": ready["ws"],
            "KALSHI_KEY_ID": ready["key_id"],
            "KALSHI_PRIVATE_KEY_PATH": str(Path(ready["credentials"]) / "private_key.pem"),
        }


def _second_database(url: str) -> str:
    """An empty database beside that of ``url``, on its server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE second")
    at = urlsplit(url)
    return urlunsplit(at._replace(path="/second"))


def _await_ready(output: Path) -> dict[str, Any]:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for line in output.read_text().splitlines():
            if line.startswith('{"ready"'):
                return dict(json.loads(line))
        time.sleep(0.1)
    raise AssertionError(output.read_text())


class Installation:
    """The lasting processes of the list. The web server takes a free port, so that somebody else's 8000 is no failure."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.environment = dict(environment)
        self.logs = logs
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def once(self) -> None:
        """Database, profiles, schedules, roles. Raises CalledProcessError."""
        subprocess.run(commands()[0], shell=True, cwd=ROOT, env=self.environment, check=True, capture_output=True)

    def start(self) -> None:
        """Start every lasting process."""
        lines = commands()[1:]
        assert len([line for line in lines if ":8000 " in line]) == 1
        for number, line in enumerate(lines):
            command = shlex.split(line.replace(":8000 ", f":{self.port} "))
            with (self.logs / f"{number}.log").open("wb") as log:
                self.processes[line] = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )

    def parts(self) -> dict[str, str]:
        """{part: state} of /healthz?full; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz?full", timeout=10) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.load(error)
        except OSError:
            return {}
        return {name: part["state"] for name, part in found["parts"].items()}

    def await_well(self, seconds: float, parts: Sequence[str] = tuple(WELL)) -> dict[str, str]:
        """The states of these parts that are not ok after at most ``seconds``; empty when all are."""
        end = time.monotonic() + seconds
        while True:
            states = self.parts()
            bad = {name: states.get(name, "absent") for name in parts if states.get(name) != "ok"}
            if not bad or time.monotonic() > end:
                return bad
            time.sleep(1)

    def said(self) -> str:
        """The last lines of every process."""
        return "\n".join(path.read_text(errors="replace")[-1_500:] for path in sorted(self.logs.glob("*.log")))

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; {command: exit status}. What does not end is killed after two minutes."""
        for process in self.processes.values():
            process.terminate()
        statuses = {}
        for line, process in self.processes.items():
            try:
                statuses[line] = process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                statuses[line] = process.wait()
        return statuses
