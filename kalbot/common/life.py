"""Signs of life as files: the modification time says when a process last got on, the name says who, on which host, with which pid.

``python kalbot/common/life.py COMMAND...`` runs a command that ends (SIGKILL) when the process that started it does.

They work while Redis and the database are away, and reading them costs nothing: only the standard library is used here, so that
``manage.py alive`` starts in milliseconds. A process that is stopped or hangs leaves a file that grows old.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PR_SET_PDEATHSIG: Final = 1
LATE_SECONDS: Final = 20.0
"""A process that has not got on for so long is reported."""
HUNG_SECONDS: Final = 60.0
"""A process that has not got on for so long is ended by whoever watches it, so that it is started again."""


@dataclass(frozen=True)
class Sign:
    """One process of this host: when it last got on, as Unix time in seconds; ``began`` distinguishes it from a later one with its pid."""

    who: str
    pid: int
    began: str
    at: float
    path: Path

    @property
    def age(self) -> float:
        """Seconds since it last got on."""
        return time.time() - self.at

    @property
    def exists(self) -> bool:
        """Whether that very process is there still, running or stopped."""
        return process_began(self.pid) == self.began != ""


def environment_file() -> Path | None:
    """The file of settings: ``.env`` in the project's root, or what ``KALBOT_ENV_FILE`` names; None when that is empty."""
    named = os.environ.get("KALBOT_ENV_FILE")
    if named is None:
        return ROOT / ".env"
    return ROOT / named if named else None


def folder() -> Path:
    """Where the signs are: under ``KALBOT_STATE`` of the environment or of the file of settings."""
    state, file = os.environ.get("KALBOT_STATE", ""), environment_file()
    if not state and file is not None:
        with suppress(OSError):
            found = re.search(r"^\s*(?:export\s+)?KALBOT_STATE=(.+)$", file.read_text(), re.MULTILINE)
            state = found.group(1).strip().strip("\"'") if found else ""
    return Path(state or ROOT / ".demo") / "alive"


def touch(who: str) -> None:
    """This process, as ``who``, got on. Never raises: a full disk must not end what works."""
    pid = os.getpid()
    path = folder() / f"{who}~{socket.gethostname()}~{pid}"
    with suppress(OSError):
        try:
            os.utime(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f".new-{pid}")  # half written, it would be taken for that of a process that is gone
            new.write_text(process_began(pid))
            new.replace(path)


def forget() -> None:
    """This process ends: nobody need miss it."""
    for sign in signs():
        if sign.pid == os.getpid():
            sign.path.unlink(missing_ok=True)


def signs() -> list[Sign]:
    """Those of this host. The file of a process that is gone is removed."""
    found = []
    for path in sorted(folder().glob(f"*~{socket.gethostname()}~*")):
        who, _, pid = path.name.split("~")
        with suppress(OSError, ValueError):
            sign = Sign(who, int(pid), path.read_text(), path.stat().st_mtime, path)
            if sign.exists:
                found.append(sign)
            else:
                path.unlink(missing_ok=True)
    return found


def die_with_parent() -> None:
    """In a child: ask the kernel for SIGKILL when the parent is gone, however it ended. Other systems do without."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def process_began(pid: int) -> str:
    """What distinguishes a process from another one that had the same pid before; empty when there is none, or only its exit status."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell starts what it runs beside itself deaf to Ctrl-C
    os.execvp(sys.argv[1], sys.argv[1:])
