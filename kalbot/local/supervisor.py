"""Keeps processes running: starts, watches, restarts with backoff, and leaves nothing behind.

Each child leads its own process group and dies with the supervisor (Linux parent-death signal), so that even SIGKILL on
the supervisor leaves no orphan. A child that ends is started again; one whose watchdog says it is silent is killed and
started again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kalbot.common.life import die_with_parent
from kalbot.local.servers import kill_group

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
STEADY_SECONDS = 20.0


@dataclass
class Child:
    """One process to keep alive. ``silent`` returns a reason when it lives but does nothing, else an empty string. Without ``log`` it
    writes where its parent does."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None
    silent: Callable[[], str] | None = None
    grace_seconds: float = 30.0
    stop_seconds: float = 8.0
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    started_at: float = 0.0
    next_start: float = 0.0
    pause: float = FIRST_PAUSE
    last_end: str = ""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        with contextlib.ExitStack() as files:
            output = None
            if self.log is not None:
                self.log.parent.mkdir(parents=True, exist_ok=True)
                output = files.enter_context(self.log.open("ab"))
            self.process = subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.started_at = time.monotonic()

    def tail(self, lines: int = 5) -> str:
        """The last lines of its log, for a message about why it does not come up."""
        with contextlib.suppress(OSError):
            return "" if self.log is None else "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


@dataclass
class Supervisor:
    """Starts children in order and keeps them running until ``stop``."""

    children: list[Child] = field(default_factory=list)
    on_change: Callable[[str], None] = lambda line: None

    def add(self, child: Child) -> Child:
        """Start ``child`` now and keep it."""
        child.start()
        self.children.append(child)
        return child

    def tick(self) -> None:
        """Check every child once; restart what ended or fell silent. Call it about once a second."""
        now = time.monotonic()
        for child in self.children:
            if child.running:
                self._check_silence(child, now)
            elif child.next_start == 0.0:
                self._schedule_restart(child, now)
            elif now >= child.next_start:
                child.next_start = 0.0
                child.restarts += 1
                child.start()

    def _schedule_restart(self, child: Child, now: float) -> None:
        code = child.process.returncode if child.process else None
        if now - child.started_at > STEADY_SECONDS:
            child.pause = FIRST_PAUSE
        child.last_end = f"exit code {code}"
        child.next_start = now + child.pause
        child.pause = min(child.pause * 2, LONGEST_PAUSE)
        self.on_change(f"{child.name} ended ({child.last_end}); starting it again")

    def _check_silence(self, child: Child, now: float) -> None:
        if child.silent is None or now - child.started_at < child.grace_seconds:
            return
        reason = child.silent()
        if reason and child.process is not None:
            self.on_change(f"{child.name} is silent ({reason}); killing it")
            kill_group(child.process)
            child.process.wait(5)

    def stop(self) -> None:
        """End all children, last started first: SIGTERM, a grace time, then SIGKILL to the whole group."""
        for child in reversed(self.children):
            _stop(child)
        self.children.clear()

    def retire(self, name: str) -> None:
        """End the child ``name`` for good; it is not started again."""
        for child in [child for child in self.children if child.name == name]:
            self.children.remove(child)
            _stop(child)

    def pids(self) -> dict[str, int]:
        """Process ids of what runs, by name."""
        return {child.name: child.process.pid for child in self.children if child.process and child.running}


def _stop(child: Child) -> None:
    if child.process is None:
        return
    if child.running:
        child.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(child.stop_seconds)
    kill_group(child.process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.process.wait(5)


def python(*arguments: str) -> list[str]:
    """A command line of this interpreter."""
    return [sys.executable, *arguments]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with ``extra`` on top."""
    return {**os.environ, **extra}
