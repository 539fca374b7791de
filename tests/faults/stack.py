"""The demo's own processes on a Postgres of their own, and what can be done to them from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from kalbot.local import demo
from kalbot.local.servers import start_postgres
from kalbot.local.supervisor import Child, Supervisor
from tests.faults import disks

MOVING = ("pending", "quoting", "executing", "completing", "unwinding", "exiting")


class Stack:
    """Everything that runs: Postgres, Redis, the simulated exchange and the bot. ``stack`` ends all of it."""

    def __init__(
        self, world: list[str], folder: Path, stack: contextlib.ExitStack, *, small_disks: bool = False
    ) -> None:
        self._postgres = folder / "postgres"
        self.disks = {"postgres": self._postgres, "redis": folder / "demo" / "redis"}
        """Where these servers write; with ``small_disks`` each on a file system of its own, which a fault can fill."""
        for path in self.disks.values():
            path.mkdir(parents=True, exist_ok=True)
            if small_disks:
                stack.enter_context(disks.mounted(path))
        self.postgres, self.url = start_postgres(self._postgres)
        stack.callback(self.postgres.cleanup)
        os.environ["DATABASE_URL"] = self.url
        os.environ.pop("REDIS_URL", None)
        given = demo.parse([*world, "--state", str(folder / "demo")])
        self.plan = demo.make_plan(given, demo.prepare_state(given))
        self.supervisor = Supervisor(on_change=lambda line: None)
        stack.callback(self.supervisor.stop)
        self.held: contextlib.ExitStack = stack.enter_context(contextlib.ExitStack())
        """What a fault that lasts holds until it ends."""

    def start(self) -> None:
        """Start all of it in order."""
        demo.start(self.plan, self.supervisor)

    def child(self, name: str) -> Child:
        """The process of this name."""
        return next(one for one in self.supervisor.children if one.name == name)

    def kill(self, name: str) -> int:
        """SIGKILL to the process with all that it has started; its pid. ``postgres`` is the postmaster with its backends."""
        if name == "postgres":
            master = psutil.Process(self.postgres.get_pid())
            for process in [*master.children(recursive=True), master]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs([master], timeout=5)
            return int(master.pid)
        process = self.child(name).process
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)
        return process.pid

    def freeze(self, name: str) -> None:
        """SIGSTOP to the process with all that it has started, until ``thaw``; ``postgres`` too."""
        for pid in self._pids(name):
            os.kill(pid, signal.SIGSTOP)

    def fill_disk(self, name: str, seconds: float) -> None:
        """The disk that this server writes to takes nothing for so long."""
        disks.filled(self.disks[name], seconds, self.passes)

    def thaw(self, name: str) -> None:
        """Let what ``freeze`` stopped go on; what was replaced meanwhile is fine."""
        for pid in self._pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _pids(self, name: str) -> list[int]:
        first = self.postgres.get_pid() if name == "postgres" else getattr(self.child(name).process, "pid", None)
        try:
            process = psutil.Process(first)
            return [process.pid, *(one.pid for one in process.children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    def is_back(self, name: str, was: int) -> bool:
        """Whether the killed process ``was`` has a successor."""
        if name == "postgres":
            try:
                self.postgres.ensure_postgres_running()
            except AssertionError:  # how the package says that it is starting still
                return False
            return positions() > 0
        return self.supervisor.pids().get(name, was) != was

    def takes_writes(self, name: str) -> bool:
        """Whether ``postgres`` or ``redis`` is there and writes."""
        if name == "postgres":
            return self.is_back(name, 0)
        import redis

        from kalbot.common import cache

        try:
            return bool(cache.prices().set(cache.key("kill-rounds"), 1, ex=1))
        except redis.RedisError:
            return False

    def until(self, holds: Callable[[], bool], seconds: float, pause: float = 0.2) -> bool:
        """Keep the processes running until ``holds`` or the time is over. A database that is away does not hold."""
        from django.db import DatabaseError, connection

        deadline, ticked = time.monotonic() + seconds, 0.0
        while time.monotonic() < deadline:
            if time.monotonic() - ticked > 0.5:
                ticked = time.monotonic()
                self.supervisor.tick()
            try:
                if holds():
                    return True
            except (DatabaseError, subprocess.SubprocessError):
                connection.close()  # crash recovery refuses connections for a moment
            time.sleep(pause)
        return False

    def passes(self, seconds: float) -> None:
        """Keep the processes running for so long."""
        self.until(lambda: False, seconds)

    def twin(self, call: str, body: dict[str, Any] | None = None, method: str = "POST") -> dict[str, Any]:
        """What the simulated exchange's control interface answers; ``refused`` with the status where it refuses."""
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = Request(f"http://127.0.0.1:{self.plan.simulator_port}/twin/{call}", data, method=method)
        try:
            with urlopen(request, timeout=10) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            return {"refused": error.code}


def positions() -> int:
    from trading.models import Position

    return Position.objects.count()


def moving() -> int:
    """Positions that are being bought, completed, unwound or sold."""
    from trading.models import Position

    return Position.objects.filter(status__in=MOVING).count()


def orders() -> int:
    from trading.models import Order

    return Order.objects.count()


def story() -> str:
    """How much there is, for a line of the report."""
    from trading.models import Order, Position

    return f"{Position.objects.count()} positions, {Order.objects.count()} orders"


def stopped_by(seconds: float) -> str:
    """What has stood in the way of new orders for so long, for the report."""
    from datetime import timedelta

    from kalbot.common import clock
    from strategies.models import Cycle
    from trading.models import Denial, Lock, TradingState

    lately = clock.now() - timedelta(seconds=seconds)
    states = [f"{one.scope} {one.state}: {one.reason}" for one in TradingState.objects.exclude(state="active")]
    locks = [f"lock {one.code}: {one.reason}" for one in Lock.objects.filter(until__gt=clock.now())]
    denied = sorted(set(Denial.objects.filter(at__gt=lately).values_list("code", flat=True)))
    cycle = Cycle.objects.first()
    locks.append(f"not bought: {cycle and cycle.refused}")
    return "; ".join([*states, *locks, f"denied lately: {', '.join(denied) or 'nothing'}"])
